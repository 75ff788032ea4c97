//! What must hold between a ledger's tables. SQLite's own opinion is not enough: it was "ok" with half of the rows gone.

use rusqlite::Connection;

/// One rule: what is wrong where its query finds rows. Each row is the name of one offender.
struct Rule {
    says: &'static str,
    query: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        says: "an accepted result names no attempt that brought it",
        query: "SELECT sweep || '/' || trial || ' at rung ' || rung FROM segments WHERE state = 'accepted' AND NOT EXISTS (
            SELECT 1 FROM attempts WHERE attempts.sweep = segments.sweep AND attempts.trial = segments.trial AND attempts.rung = segments.rung
                AND attempts.attempt = segments.attempt AND attempts.grant_number = segments.grant_number AND attempts.accepted = 1
                AND attempts.value IS segments.value AND attempts.non_finite IS segments.non_finite)",
    },
    Rule {
        says: "a segment has more than one accepted attempt",
        query: "SELECT sweep || '/' || trial || ' at rung ' || rung FROM attempts WHERE accepted = 1 GROUP BY sweep, trial, rung HAVING count(*) > 1",
    },
    Rule {
        says: "a granted attempt belongs to no segment",
        query: "SELECT name FROM attempts WHERE granted_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM segments
            WHERE segments.sweep = attempts.sweep AND segments.trial = attempts.trial AND segments.rung = attempts.rung)",
    },
    Rule {
        says: "a segment belongs to no trial",
        query: "SELECT sweep || '/' || trial || ' at rung ' || segments.rung FROM segments LEFT JOIN trials USING (sweep, trial) WHERE trials.name IS NULL",
    },
    Rule { says: "a trial belongs to no sweep", query: "SELECT trials.name FROM trials LEFT JOIN sweeps USING (sweep) WHERE sweeps.name IS NULL" },
    Rule {
        says: "metrics belong to no attempt",
        query: "SELECT DISTINCT sweep || '/' || trial || '.' || attempt FROM metrics WHERE NOT EXISTS (SELECT 1 FROM attempts
            WHERE attempts.sweep = metrics.sweep AND attempts.trial = metrics.trial AND attempts.attempt = metrics.attempt
                AND attempts.journal = metrics.journal)",
    },
    Rule {
        says: "a checkpoint belongs to no attempt",
        query: "SELECT directory FROM checkpoints WHERE NOT EXISTS (SELECT 1 FROM attempts
            WHERE attempts.sweep = checkpoints.sweep AND attempts.trial = checkpoints.trial AND attempts.attempt = checkpoints.attempt
                AND attempts.journal = checkpoints.journal)",
    },
    Rule {
        says: "an attempt names surroundings that are not there",
        query: "SELECT attempts.name FROM attempts LEFT JOIN surroundings USING (surroundings)
            WHERE attempts.surroundings IS NOT NULL AND surroundings.seq IS NULL",
    },
    Rule {
        says: "a rung kept another number of trials than it was to keep",
        query: "SELECT sweep || ' bracket ' || bracket || ' rung ' || rung FROM rungs WHERE keep < (SELECT count(*) FROM segments
            WHERE segments.sweep = rungs.sweep AND segments.bracket = rungs.bracket AND segments.rung = rungs.rung AND promoted = 1)",
    },
];

/// The rules that do not hold: what is wrong, the first of those it is wrong with, and how many there are.
pub(crate) fn broken(db: &Connection) -> rusqlite::Result<Vec<(&'static str, String, usize)>> {
    let mut found = Vec::new();
    for Rule { says, query } in RULES {
        let mut find = db.prepare(query)?;
        let offenders = find.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        if let Some(first) = offenders.first() {
            found.push((*says, first.clone(), offenders.len()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_can_be_asked_and_nothing_breaks_in_an_empty_ledger() {
        let db = Connection::open_in_memory().unwrap();
        crate::schema::create(&db).unwrap();
        assert!(broken(&db).unwrap().is_empty());
    }
}
