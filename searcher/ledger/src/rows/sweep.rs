//! The rows of a submitted sweep. Its `spec` is JSON that another crate wrote, perhaps of another version: what is not
//! there, or is there otherwise, is NULL, and the whole stands in the column `spec`.

use bandmaster_record::Submission;
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::value::time;

fn whole(value: Option<&Value>) -> Option<i64> {
    value?.as_i64()
}

fn text(spec: &Value, pointer: &str) -> Option<String> {
    spec.pointer(pointer)?.as_str().map(str::to_owned)
}

fn json(spec: &Value, pointer: &str) -> Option<String> {
    spec.pointer(pointer).map(Value::to_string)
}

/// Takes a sweep in. `taken_in` is when, as text.
pub(super) fn submitted(db: &Connection, submission: &Submission, spec: &Value, taken_in: &str) -> rusqlite::Result<()> {
    let brackets = spec.pointer("/plan").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let first_rungs = brackets.iter().filter_map(|bracket| whole(bracket.pointer("/rungs/0/trials")));
    let planned = (!brackets.is_empty()).then(|| first_rungs.sum::<i64>());
    let sql =
        "INSERT OR IGNORE INTO sweeps (sweep, name, number, phase, phase_why, phase_since, metric, goal, method, max_resource, unit, seed,
            retries, trials_planned, space, command, spec, directory, file, file_blake3, git_commit, git_dirty, cluster, slots, user, host,
            version, submitted_at, taken_in_at)
        VALUES (?1, ?2, ?3, 'running', 'taken in', ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
            ?23, ?24, ?25, ?26, ?4)";
    let known = submission;
    let cluster = serde_json::to_value(known.cluster).ok().and_then(|cluster| cluster.as_str().map(str::to_owned));
    db.prepare_cached(sql)?.execute(params![
        known.sweep.as_str(),
        known.sweep.name(),
        known.sweep.number(),
        taken_in,
        text(spec, "/metric"),
        text(spec, "/search/goal"),
        text(spec, "/search/method/kind"),
        whole(spec.pointer("/search/method/max_resource")),
        text(spec, "/unit"),
        whole(spec.pointer("/search/seed")),
        whole(spec.pointer("/search/retries")),
        planned,
        json(spec, "/search/space"),
        json(spec, "/trial/command"),
        spec.to_string(),
        known.directory,
        known.file,
        known.hash,
        known.git_commit,
        known.git_dirty,
        cluster.as_deref().unwrap_or("unknown"),
        known.slots,
        known.user,
        known.host,
        known.version,
        time(known.at),
    ])?;
    for (place, bracket) in (0_i64..).zip(brackets) {
        rungs(db, known.sweep.as_str(), place, bracket)?;
    }
    Ok(())
}

fn rungs(db: &Connection, sweep: &str, place: i64, bracket: &Value) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO rungs (sweep, bracket, rung, resource, planned, s, repetition, anchors)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut insert = db.prepare_cached(sql)?;
    let rungs = bracket.get("rungs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let anchors = bracket.get("anchors").and_then(Value::as_bool);
    for (number, rung) in (0_i64..).zip(rungs) {
        insert.execute(params![
            sweep,
            place,
            number,
            whole(rung.get("resource")),
            whole(rung.get("trials")),
            whole(bracket.get("s")),
            whole(bracket.get("repetition")),
            anchors
        ])?;
    }
    Ok(())
}
