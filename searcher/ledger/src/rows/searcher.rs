//! The rows of the searcher's records: sweeps, trials, segments, what was granted and what became of it.

use bandmaster_record::{AttemptRef, Cause, Envelope, Epoch, JournalId, Number, Ranked, RungNo, SearcherRecord, SlotId, SweepId, TrialId};
use rusqlite::{Connection, params};

use super::words::words;
use super::{close_journal, journal_number, sweep};
use crate::value::{int, json, number, time};

/// Makes the rows of one record of the searcher's journal of that epoch.
pub(crate) fn searcher(db: &Connection, epoch: Epoch, envelope: &Envelope<SearcherRecord>) -> rusqlite::Result<()> {
    use SearcherRecord as R;
    let at = time(envelope.at);
    decision(db, epoch, envelope, &at)?;
    match &envelope.record {
        R::SweepSubmitted { submission, spec } => sweep::submitted(db, submission, spec, &at),
        R::RequestTaken { request, outcome, .. } => {
            run(db, "INSERT OR IGNORE INTO _requests (request, outcome) VALUES (?1, ?2)", [request.as_str(), outcome.as_str()])
        }
        R::SlotGone { sweep, slot, cause, evidence } => slot_gone(db, sweep, slot, *cause, evidence, &at),
        R::TrialCreated { sweep, trial, bracket, params, seed } => {
            let sql = "INSERT OR IGNORE INTO trials (sweep, trial, name, bracket, state, rung, resource, params, seed, created_at)
                VALUES (?1, ?2, ?3, ?4, 'waiting', 0, 0, ?5, ?6, ?7)";
            run(db, sql, params![sweep.as_str(), trial.0, format!("{sweep}/{trial}"), bracket, json(params), int(*seed), at])
        }
        R::Granted { sweep, attempt } => granted(db, sweep, attempt, &at),
        R::Accepted { sweep, attempt, value } => accepted(db, sweep, attempt, *value, &at),
        R::AttemptLost { sweep, attempt, cause, evidence } => {
            let sql = "UPDATE attempts SET state = 'ended', cause = coalesce(cause, ?6), detail = coalesce(detail, ?7),
                    ended_at = coalesce(ended_at, ?8)
                WHERE sweep = ?1 AND trial = ?2 AND attempt = ?3 AND rung = ?4 AND grant_number = ?5";
            let AttemptRef { trial, rung, grant, attempt: no } = attempt;
            run(db, sql, params![sweep.as_str(), trial.0, no.0, rung.0, grant.0, cause.as_str(), evidence, at])?;
            segment_waits(db, sweep.as_str(), attempt)
        }
        R::SegmentFailed { sweep, attempt, cause, why } => segment_failed(db, sweep, attempt, *cause, why, &at),
        R::RungDecided { sweep, bracket, rung, keep, ranking, promoted } => {
            let sql = "INSERT INTO rungs (sweep, bracket, rung, keep, decided_at) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT DO UPDATE SET keep = excluded.keep, decided_at = coalesce(decided_at, excluded.decided_at)";
            run(db, sql, params![sweep.as_str(), bracket, rung.0, keep, at])?;
            places(db, sweep, *bracket, *rung, ranking, promoted)
        }
        R::PhaseChanged { sweep, phase, why } => {
            let sql = "UPDATE sweeps SET phase = ?2, phase_why = ?3, phase_since = ?4, ended_at = ?5 WHERE sweep = ?1";
            run(db, sql, params![sweep.as_str(), phase.as_str(), why, at, phase.is_over().then_some(&at)])
        }
        R::ArrayIntended { sweep, array, nonce, tasks, reserved, .. } => {
            let sql = "INSERT OR IGNORE INTO arrays (sweep, \"array\", state, tasks, nonce, bracket, rung, intended_at)
                VALUES (?1, ?2, 'intended', ?3, ?4, (SELECT bracket FROM trials WHERE sweep = ?1 AND trial = ?5), ?6, ?7)";
            let first = reserved.first();
            let (trial, rung) = (first.map(|attempt| attempt.trial.0), first.map(|attempt| attempt.rung.0));
            run(db, sql, params![sweep.as_str(), array.0, tasks, nonce.as_str(), trial, rung, at])
        }
        R::ArraySubmitted { sweep, array, job } => {
            let sql = "UPDATE arrays SET state = CASE state WHEN 'intended' THEN 'submitted' ELSE state END, job = ?3, submitted_at = ?4
                WHERE sweep = ?1 AND \"array\" = ?2";
            run(db, sql, params![sweep.as_str(), array.0, job.as_str(), at])
        }
        R::ArrayAbandoned { sweep, array, why } => {
            let sql = "UPDATE arrays SET state = 'abandoned', ended_at = ?3, why = ?4 WHERE sweep = ?1 AND \"array\" = ?2";
            run(db, sql, params![sweep.as_str(), array.0, at, why])
        }
        R::ArrayRefused { sweep, array, words, .. } => {
            let sql = "UPDATE arrays SET state = 'refused', ended_at = ?3, why = ?4 WHERE sweep = ?1 AND \"array\" = ?2";
            run(db, sql, params![sweep.as_str(), array.0, at, words])
        }
        R::BackstopSubmitted { sweep, array, job, words } => {
            let sql = "UPDATE arrays SET tick_job = ?3, why = coalesce(why, ?4) WHERE sweep = ?1 AND \"array\" = ?2";
            run(db, sql, params![sweep.as_str(), array.0, job.as_ref().map(|job| job.as_str()), words])
        }
        R::ArraySeen { sweep, array, seen, .. } => {
            let sql = "UPDATE arrays SET task_states = ?3 WHERE sweep = ?1 AND \"array\" = ?2";
            run(db, sql, params![sweep.as_str(), array.0, json(&seen.states)])
        }
        R::ClusterCalled { calls } => {
            let sql = "INSERT OR IGNORE INTO calls (epoch, command, calls) VALUES (?1, ?2, ?3)";
            calls.iter().try_for_each(|(command, calls)| run(db, sql, params![int(epoch.0), command, int(*calls)]))
        }
        R::ArrayEnded { sweep, array } => {
            let sql = "UPDATE arrays SET state = 'ended', ended_at = ?3 WHERE sweep = ?1 AND \"array\" = ?2";
            run(db, sql, params![sweep.as_str(), array.0, at])
        }
        R::LeaseTaken { .. } | R::Observed { .. } | R::Unknown(_) => Ok(()),
    }
}

fn run(db: &Connection, sql: &str, row: impl rusqlite::Params) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute(row).map(|_| ())
}

fn decision(db: &Connection, epoch: Epoch, envelope: &Envelope<SearcherRecord>, at: &str) -> rusqlite::Result<()> {
    let Some(words) = words(&envelope.record) else { return Ok(()) };
    let sql = "INSERT OR IGNORE INTO decisions (epoch, seq, decided_at, kind, sweep, bracket, rung, trial, attempt, sentence, details)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    run(
        db,
        sql,
        params![
            int(epoch.0),
            int(envelope.seq),
            at,
            words.kind,
            envelope.record.sweep().map(SweepId::as_str),
            words.bracket,
            words.rung.map(|rung| rung.0),
            words.trial.map(|trial| trial.0),
            words.attempt.map(|attempt| attempt.attempt.0),
            words.sentence,
            words.details,
        ],
    )
}

fn slot_gone(db: &Connection, sweep: &SweepId, slot: &SlotId, cause: Cause, evidence: &str, at: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO slots (sweep, slot, ended_at, ended, cause, why) VALUES (?1, ?2, ?3, 'gone', ?4, ?5)
        ON CONFLICT DO UPDATE SET ended_at = coalesce(ended_at, excluded.ended_at), ended = coalesce(ended, excluded.ended),
            cause = coalesce(cause, excluded.cause), why = coalesce(why, excluded.why)";
    run(db, sql, params![sweep.as_str(), slot.as_str(), at, cause.as_str(), evidence])?;
    let journal = JournalId::Slot(sweep.clone(), slot.clone()).to_string();
    close_journal(db, journal_number(db, &journal)?)
}

/// What a plan says of the trial's bracket at a rung; ?1, ?2, ?3 are the sweep, the trial and the rung.
macro_rules! resource_at {
    ($rung:literal) => {
        concat!(
            "(SELECT rungs.resource FROM rungs JOIN trials USING (sweep, bracket) WHERE rungs.sweep = ?1 AND trials.trial = ?2 AND rungs.rung = ",
            $rung,
            ")"
        )
    };
}

fn granted(db: &Connection, sweep: &SweepId, attempt: &AttemptRef, at: &str) -> rusqlite::Result<()> {
    let AttemptRef { trial, rung, grant, attempt: no } = attempt;
    let sql = concat!(
        "INSERT INTO segments (sweep, trial, rung, bracket, from_resource, target_resource, state, grant_number, attempt, first_granted_at)
        VALUES (?1, ?2, ?3, (SELECT bracket FROM trials WHERE sweep = ?1 AND trial = ?2), CASE ?3 WHEN 0 THEN 0 ELSE ",
        resource_at!("?3 - 1"),
        " END, ",
        resource_at!("?3"),
        ", 'offered', ?4, ?5, ?6)
        ON CONFLICT DO UPDATE SET state = 'offered', grant_number = excluded.grant_number, attempt = excluded.attempt
            WHERE excluded.grant_number > segments.grant_number AND segments.state NOT IN ('accepted', 'failed')"
    );
    run(db, sql, params![sweep.as_str(), trial.0, rung.0, grant.0, no.0, at])?;
    let sql = concat!(
        "INSERT INTO attempts (sweep, trial, attempt, rung, grant_number, name, state, target_resource, granted_at)
        VALUES (?1, ?2, ?5, ?3, ?4, ?6, 'offered', ",
        resource_at!("?3"),
        ", ?7)
        ON CONFLICT DO UPDATE SET target_resource = excluded.target_resource, granted_at = excluded.granted_at"
    );
    run(db, sql, params![sweep.as_str(), trial.0, rung.0, grant.0, no.0, format!("{sweep}/{attempt}"), at])
}

fn accepted(db: &Connection, sweep: &SweepId, attempt: &AttemptRef, result: Number, at: &str) -> rusqlite::Result<()> {
    let AttemptRef { trial, rung, grant, attempt: no } = attempt;
    let (value, non_finite) = number(result);
    // The first one stands.
    let sql = "INSERT INTO segments (sweep, trial, rung, state, grant_number, attempt, value, non_finite, first_granted_at, settled_at)
        VALUES (?1, ?2, ?3, 'accepted', ?4, ?5, ?6, ?7, ?8, ?8)
        ON CONFLICT DO UPDATE SET state = 'accepted', grant_number = excluded.grant_number, attempt = excluded.attempt, value = excluded.value,
            non_finite = excluded.non_finite, settled_at = excluded.settled_at WHERE segments.state NOT IN ('accepted', 'failed')";
    let row = params![sweep.as_str(), trial.0, rung.0, grant.0, no.0, value, non_finite, at];
    if db.prepare_cached(sql)?.execute(row)? == 0 {
        return Ok(());
    }
    let sql = "UPDATE attempts SET accepted = 1 WHERE sweep = ?1 AND trial = ?2 AND attempt = ?3 AND rung = ?4 AND grant_number = ?5";
    run(db, sql, (sweep.as_str(), trial.0, no.0, rung.0, grant.0))?;
    let sql = concat!(
        "UPDATE trials SET value = ?4, non_finite = ?5, rung = ?3, resource = coalesce(",
        resource_at!("?3"),
        ", resource), state = CASE WHEN EXISTS (SELECT 1 FROM rungs
            WHERE rungs.sweep = trials.sweep AND rungs.bracket = trials.bracket AND rungs.rung = ?3 + 1) THEN 'waiting' ELSE 'finished' END
        WHERE sweep = ?1 AND trial = ?2"
    );
    run(db, sql, params![sweep.as_str(), trial.0, rung.0, value, non_finite])
}

/// An attempt is over and brought nothing that stands yet. `segments` and `trials` follow the newest grant alone.
pub(super) fn segment_waits(db: &Connection, sweep: &str, attempt: &AttemptRef) -> rusqlite::Result<()> {
    let sql = "UPDATE segments SET state = 'waiting'
        WHERE sweep = ?1 AND trial = ?2 AND rung = ?3 AND grant_number = ?4 AND state IN ('offered', 'running')";
    let AttemptRef { trial, rung, grant, .. } = attempt;
    if db.prepare_cached(sql)?.execute((sweep, trial.0, rung.0, grant.0))? > 0 {
        run(db, "UPDATE trials SET state = 'waiting' WHERE sweep = ?1 AND trial = ?2 AND state = 'running'", (sweep, trial.0))?;
    }
    Ok(())
}

fn segment_failed(db: &Connection, sweep: &SweepId, attempt: &AttemptRef, cause: Cause, why: &str, at: &str) -> rusqlite::Result<()> {
    let AttemptRef { trial, rung, grant, attempt: no } = attempt;
    let sql = "INSERT INTO segments (sweep, trial, rung, state, grant_number, attempt, cause, why, first_granted_at, settled_at)
        VALUES (?1, ?2, ?3, 'failed', ?4, ?5, ?6, ?7, ?8, ?8)
        ON CONFLICT DO UPDATE SET state = 'failed', cause = excluded.cause, why = excluded.why, settled_at = excluded.settled_at
            WHERE segments.state NOT IN ('accepted', 'failed')";
    let row = params![sweep.as_str(), trial.0, rung.0, grant.0, no.0, cause.as_str(), why, at];
    if db.prepare_cached(sql)?.execute(row)? > 0 {
        run(db, "UPDATE trials SET state = 'failed', rung = ?3 WHERE sweep = ?1 AND trial = ?2", (sweep.as_str(), trial.0, rung.0))?;
    }
    Ok(())
}

fn places(db: &Connection, sweep: &SweepId, bracket: u32, rung: RungNo, ranking: &[Ranked], promoted: &[TrialId]) -> rusqlite::Result<()> {
    let promoted: std::collections::BTreeSet<TrialId> = promoted.iter().copied().collect();
    let sql = "SELECT 1 FROM rungs WHERE sweep = ?1 AND bracket = ?2 AND rung = ?3 + 1";
    let has_next = !promoted.is_empty() || db.prepare_cached(sql)?.exists((sweep.as_str(), bracket, rung.0))?;
    let mut place = db.prepare_cached("UPDATE segments SET place = ?4, promoted = ?5 WHERE sweep = ?1 AND trial = ?2 AND rung = ?3")?;
    // A trial that has gone further is past this decision.
    let mut state =
        db.prepare_cached("UPDATE trials SET state = ?4, rung = ?5 WHERE sweep = ?1 AND trial = ?2 AND rung = ?3 AND state <> 'failed'")?;
    for (number, ranked) in (1_i64..).zip(ranking) {
        let goes_on = promoted.contains(&ranked.trial);
        place.execute((sweep.as_str(), ranked.trial.0, rung.0, number, goes_on))?;
        let (now, at) = match (goes_on, has_next) {
            (true, _) => ("promoted", rung.0.saturating_add(1)),
            (false, true) => ("stopped", rung.0),
            (false, false) => ("finished", rung.0),
        };
        state.execute((sweep.as_str(), ranked.trial.0, rung.0, now, at))?;
    }
    Ok(())
}
