//! Where a sweep or a rung of it stands, and what it waits for.

use bandmaster_record::SweepId;
use rusqlite::Connection;

use super::facts::{self, many};
use super::{cause, trial};
use crate::failure::{Failure, FailureKind};
use crate::output::Record;
use crate::reading::without_phase;

/// So many trials that a rung waits for are named.
const NAMED: usize = 12;

/// The sweep: its phase and why, what is at Slurm, and how its attempts ended that brought nothing.
pub(super) fn explain(db: &Connection, sweep: &SweepId) -> Result<Record, Failure> {
    let facts = facts::sweep(db, sweep)?;
    let (mut record, why) = (Record::default(), &facts.phase_why);
    record.set("name", sweep.as_str()).set("phase", &*facts.phase);
    record.set("now", format!("it is {} since {}: {}", facts.phase, facts.phase_since, without_phase(why)));
    record.set("next", next(db, &facts)?);
    let arrays = if facts.cluster == "slurm" { facts::arrays(db, sweep)? } else { Vec::new() };
    record.set_list("arrays", arrays.iter().map(array).collect());
    record.set_list("causes", causes(db, sweep)?);
    Ok(record)
}

fn next(db: &Connection, sweep: &facts::Sweep) -> Result<String, Failure> {
    let sql =
        "SELECT coalesce(sum(finished + failed), 0), coalesce(sum(planned), 0), coalesce(sum(running), 0), count(*) - count(decided_at)
        FROM rung_table WHERE sweep = ?1";
    let counts = many(db, sql, [&sweep.name], |row| <(i64, i64, i64, i64)>::try_from(row))?;
    let (settled, planned, running, undecided) = counts.into_iter().next().unwrap_or_default();
    Ok(match sweep.phase.as_str() {
        "finished" => format!("nothing: it is over; `bandmaster best {}` shows what it found", sweep.name),
        "cancelled" => "nothing: it was given up".to_owned(),
        "paused" => format!("nothing until `bandmaster resume {}`", sweep.name),
        _ => {
            let rungs = if undecided == 1 { "1 more rung is".to_owned() } else { format!("{undecided} more rungs are") };
            format!("{settled} of {planned} segments are settled and {running} run; it ends when {rungs} decided")
        }
    })
}

fn array(array: &facts::Array) -> Record {
    let mut record = Record::default();
    record.set("array", i64::from(array.number)).set("job", &*array.job).set("state", &*array.state);
    record.set("bracket_index", array.bracket.map(i64::from)).set("rung", array.rung.map(i64::from));
    record.set("says", trial::array(array));
    record
}

/// How many attempts ended how, of those that brought no result.
fn causes(db: &Connection, sweep: &SweepId) -> Result<Vec<Record>, Failure> {
    let sql = "SELECT cause, count(*), count(DISTINCT trial), min(name) FROM attempts
        WHERE sweep = ?1 AND cause IS NOT NULL AND cause <> 'completed' GROUP BY cause ORDER BY count(*) DESC, cause";
    many(db, sql, [sweep.as_str()], |row| {
        let (word, attempts, trials, first): (String, i64, i64, String) = row.try_into()?;
        let means = cause::means(cause::parse(&word));
        let mut record = Record::default();
        record.set("cause", &*word).set("attempts", attempts).set("trials", trials).set("first", &*first).set("means", means);
        let count = if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts of {trials} trials") };
        record.set("says", format!("{word}: {count}, as {first}: {means}"));
        Ok(record)
    })
}

/// The rungs of that number in the brackets of that number: one, unless the whole is repeated.
///
/// # Errors
/// Not found: the plan has no such rung.
pub(super) fn rungs(db: &Connection, sweep: &SweepId, bracket: u32, rung: u32) -> Result<Vec<Record>, Failure> {
    let unit = facts::sweep(db, sweep)?;
    let sql = "SELECT bracket, resource, planned, finished, failed, decided_at IS NOT NULL, repetition FROM rung_table
        WHERE sweep = ?1 AND s = ?2 AND rung = ?3 ORDER BY bracket";
    let found = many(db, sql, (sweep.as_str(), bracket, rung), |row| {
        <(u32, Option<i64>, Option<u32>, u32, u32, bool, Option<u32>)>::try_from(row)
    })?;
    if found.is_empty() {
        let help = format!("`bandmaster rungs {sweep}` lists them");
        return Err(Failure::say(FailureKind::NotFound, format!("{sweep} has no rung {rung} in a bracket {bracket}"), help));
    }
    let mut told = Vec::new();
    for (index, resource, planned, finished, failed, is_decided, repetition) in found {
        let (planned, settled) = (planned.unwrap_or(0), finished + failed);
        let mut record = Record::default();
        let again = repetition.filter(|number| *number > 0).map_or_else(String::new, |number| format!(", repetition {number}"));
        record.set("name", format!("{sweep}, rung {rung} of bracket {bracket}{again}"));
        let at = unit.at(resource.unwrap_or(0).cast_unsigned());
        record.set("now", format!("at {at}, {settled} of {planned} trials are in; {failed} of them failed"));
        let (next, missing) = if is_decided {
            (decision(db, sweep, index, rung)?, Vec::new())
        } else {
            let missing = planned.saturating_sub(settled);
            (format!("it is decided when {missing} more are in"), missing_trials(db, sweep, index, rung)?)
        };
        record.set("next", next).set_list("missing", missing);
        told.push(record);
    }
    Ok(told)
}

/// The sentence by which it was decided.
fn decision(db: &Connection, sweep: &SweepId, bracket: u32, rung: u32) -> Result<String, Failure> {
    let sql = "SELECT sentence FROM decisions WHERE sweep = ?1 AND bracket = ?2 AND rung = ?3 AND kind = 'rung_decided'";
    let sentences: Vec<String> = many(db, sql, (sweep.as_str(), bracket, rung), |row| row.get(0))?;
    Ok(sentences.into_iter().next().unwrap_or_default())
}

/// Trials that are on their way to a rung, those that run first.
fn missing_trials(db: &Connection, sweep: &SweepId, bracket: u32, rung: u32) -> Result<Vec<Record>, Failure> {
    let sql = "SELECT trials.name, segments.state, attempts.name, attempts.host
        FROM segments JOIN trials USING (sweep, trial)
        LEFT JOIN attempts ON attempts.sweep = segments.sweep AND attempts.trial = segments.trial AND attempts.state = 'running'
        WHERE segments.sweep = ?1 AND segments.bracket = ?2 AND segments.rung = ?3 AND segments.state NOT IN ('accepted', 'failed')
        ORDER BY segments.state <> 'running', segments.trial LIMIT ?4";
    many(db, sql, (sweep.as_str(), bracket, rung, NAMED as i64), |row| {
        let (name, state, attempt, host): (String, String, Option<String>, Option<String>) = row.try_into()?;
        let says = match (attempt, host) {
            (Some(attempt), Some(host)) => format!("{attempt} runs on {host}"),
            _ if state == "waiting" => format!("{name} waits for its next grant"),
            _ => format!("{name} waits for a slot"),
        };
        let mut record = Record::default();
        record.set("trial", &*name).set("state", &*state).set("says", says);
        Ok(record)
    })
}
