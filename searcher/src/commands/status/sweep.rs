//! One sweep in detail: its brackets, and what its slots run.

use bandmaster_record::SweepId;
use rusqlite::Connection;

use crate::failure::Failure;
use crate::output::{Cell, Column, Details, Kind, Record, with_unit};
use crate::reading;

/// Each bracket, as far as it is: `resource` is that of the lowest rung that is not decided.
const BRACKETS_SQL: &str = "SELECT max(s), max(repetition), max(anchors), bracket,
        count(decided_at) || '/' || count(*), count(decided_at), count(*),
        sum(finished + failed) || '/' || sum(planned), sum(finished + failed), sum(planned),
        min(CASE WHEN decided_at IS NULL THEN resource END), sum(running), sum(failed)
    FROM rung_table WHERE sweep = ?1 GROUP BY bracket ORDER BY bracket";

fn brackets() -> Vec<Column> {
    vec![
        Column::new("bracket", Kind::Integer),
        Column::new("repetition", Kind::Integer),
        Column::new("anchors", Kind::Flag),
        Column::new("bracket_index", Kind::Integer),
        Column::new("rungs", Kind::Text),
        Column::new("rungs_decided", Kind::Integer),
        Column::new("rungs_planned", Kind::Integer),
        Column::new("segments", Kind::Text),
        Column::new("segments_settled", Kind::Integer),
        Column::new("segments_planned", Kind::Integer),
        Column::new("resource", Kind::Integer),
        Column::new("running", Kind::Integer),
        Column::new("failed", Kind::Integer),
    ]
}

const SLOTS_SQL: &str = "SELECT slots.slot, slots.host, slots.pid, slots.job, slots.\"array\", slots.task, slots.started_at, attempts.name,
        attempts.target_resource, attempts.started_at
    FROM slots LEFT JOIN attempts ON attempts.sweep = slots.sweep AND attempts.slot = slots.slot AND attempts.state = 'running'
    WHERE slots.sweep = ?1 AND slots.ended_at IS NULL ORDER BY slots.\"array\", slots.task, slots.slot";

fn slots() -> Vec<Column> {
    vec![
        Column::new("slot", Kind::Text),
        Column::new("host", Kind::Text),
        Column::new("pid", Kind::Integer),
        Column::new("job", Kind::Text),
        Column::new("array", Kind::Integer),
        Column::new("task", Kind::Integer),
        Column::new("started_at", Kind::Time),
        Column::new("runs", Kind::Text),
        Column::new("target_resource", Kind::Integer),
        Column::new("since", Kind::Time),
    ]
}

/// Those that are out, and those that were refused since the last one that the cluster took.
const ARRAYS_SQL: &str = "SELECT \"array\", job, state, bracket, rung, tasks, task_states,
        (SELECT group_concat(value || ' ' || key, ', ') FROM json_each(task_states)),
        (SELECT max(decided_at) FROM decisions WHERE decisions.sweep = arrays.sweep AND kind = 'array_seen'
            AND json_extract(details, '$.array') = \"array\"), why
    FROM arrays
    WHERE sweep = ?1 AND bracket IS NOT NULL AND (state IN ('intended', 'submitted') OR state IN ('refused', 'abandoned') AND \"array\" >
        (SELECT coalesce(max(\"array\"), 0) FROM arrays AS taken WHERE taken.sweep = ?1 AND job IS NOT NULL))
    ORDER BY \"array\"";

fn arrays() -> Vec<Column> {
    vec![
        Column::new("array", Kind::Integer),
        Column::new("job", Kind::Text),
        Column::new("state", Kind::Text),
        Column::new("bracket_index", Kind::Integer),
        Column::new("rung", Kind::Integer),
        Column::new("tasks", Kind::Integer),
        Column::new("task_states", Kind::Json),
        Column::new("slurm_says", Kind::Text),
        Column::new("said_at", Kind::Time),
        Column::new("why", Kind::Text),
    ]
}

fn records(db: &Connection, sql: &str, sweep: &SweepId, columns: &[Column]) -> Result<Vec<Record>, Failure> {
    Ok(reading::all(db, sql, [sweep.as_str()], columns)?.into_iter().map(|row| Record::of(columns, row)).collect())
}

/// What the searcher asked of Slurm so far, over all sweeps; nothing where there is no Slurm.
fn calls(db: &Connection) -> Result<Cell, Failure> {
    let sql = "SELECT group_concat(calls || ' ' || command, ', ') FROM (SELECT command, sum(calls) AS calls FROM calls GROUP BY command ORDER BY command)";
    let found = reading::first(db, sql, [], &[Column::new("calls", Kind::Text)])?;
    Ok(found.and_then(|row| row.into_iter().next()).unwrap_or(Cell::Empty))
}

/// The sweep with its brackets, its arrays and its slots.
pub(super) fn with_parts(db: &Connection, sweep: &SweepId, mut record: Record) -> Result<Record, Failure> {
    let mut parts = records(db, BRACKETS_SQL, sweep, &brackets())?;
    for bracket in &mut parts {
        bracket.take("rungs");
        bracket.take("segments");
    }
    record.set_list("brackets", parts);
    record.set("calls", calls(db)?);
    record.set_list("arrays", records(db, ARRAYS_SQL, sweep, &arrays())?);
    record.set_list("slots_alive", records(db, SLOTS_SQL, sweep, &slots())?);
    Ok(record)
}

/// The page that a person reads.
pub(super) fn page(db: &Connection, sweep: &SweepId, record: &Record) -> Result<Details, Failure> {
    let text = |name| record.get(name).readable();
    let mut page = Details::default();
    page.title(text("sweep"));
    page.pair("phase", format!("{} since {}: {}", text("phase"), text("phase_since"), reading::without_phase(&text("phase_why"))));
    let unit = record.get("unit");
    let resource = |name| with_unit(&text(name), &unit.plain());
    page.pair("method", format!("{}, {} {}, R = {}", text("method"), text("goal"), text("metric"), resource("max_resource")));
    page.pair("rungs", format!("{} decided", text("rungs")));
    let ahead = format!("{} running, {} waiting for a slot", text("running"), text("waiting"));
    page.pair("segments", format!("{} settled, {ahead}", text("segments")));
    page.pair("trials", format!("{} planned, {} failed", text("trials_planned"), text("failed")));
    let limit = match record.get("slots_limit") {
        Cell::Int(most) if most >= i64::from(u32::MAX) => "as many as the cluster runs".to_owned(),
        most => format!("at most {}", most.readable()),
    };
    page.pair("slots", format!("{} alive, {limit}, {}", text("slots"), text("cluster")));
    if !record.get("best").is_empty() {
        page.pair("best", format!("{} {} at {}: {}", text("metric"), text("best"), resource("best_resource"), text("best_trial")));
    }
    if let Cell::Text(calls) = calls(db)? {
        page.pair("calls", format!("{calls}, for all sweeps"));
    }
    page.pair("submitted", record.get("submitted_at"));
    page.pair("ended", record.get("ended_at"));

    let all = records(db, BRACKETS_SQL, sweep, &brackets())?;
    let needed = |name: &str| all.iter().any(|bracket| ![Cell::Empty, Cell::Int(0), Cell::Flag(false)].contains(&bracket.get(name)));
    let hidden = |name: &str| match name {
        "repetition" | "anchors" => !needed(name),
        "bracket_index" | "rungs_decided" | "rungs_planned" | "segments_settled" | "segments_planned" => true,
        _ => false,
    };
    let columns: Vec<Column> = brackets().into_iter().filter(|column| !hidden(&column.name)).collect();
    let rows: Vec<Vec<Cell>> = all.iter().map(|bracket| bracket.row(&columns)).collect();
    page.title("brackets").table(columns, &rows);

    let submitted = records(db, ARRAYS_SQL, sweep, &arrays())?;
    if !submitted.is_empty() {
        let columns: Vec<Column> = arrays()
            .into_iter()
            .filter(|column| ["array", "job", "state", "rung", "tasks", "slurm_says", "said_at"].contains(&&*column.name))
            .collect();
        let rows: Vec<Vec<Cell>> = submitted.iter().map(|array| array.row(&columns)).collect();
        page.title("arrays").table(columns, &rows);
        submitted.iter().flat_map(remarks).for_each(|remark| {
            page.line(remark);
        });
    }

    let alive = records(db, SLOTS_SQL, sweep, &slots())?;
    if !alive.is_empty() {
        let columns: Vec<Column> =
            slots().into_iter().filter(|column| ["slot", "host", "runs", "since"].contains(&&*column.name)).collect();
        let rows: Vec<Vec<Cell>> = alive.iter().map(|slot| slot.row(&columns)).collect();
        page.title("slots").table(columns, &rows);
    }
    Ok(page)
}

/// What a person should know about an array: why it was refused, and what Slurm's reasons for letting its tasks wait mean.
fn remarks(array: &Record) -> Vec<String> {
    let number = array.get("array").readable();
    if let Cell::Text(why) = array.get("why") {
        let then = if array.get("state") == Cell::from("refused") { "; a tick tries again when a job ends, or after a while" } else { "" };
        return vec![format!("array {number}: {why}{then}")];
    }
    let (Cell::Json(serde_json::Value::Object(states)), job) = (array.get("task_states"), array.get("job").readable()) else {
        return Vec::new();
    };
    states.keys().filter_map(|state| reading::meaning(state, &job)).map(|means| format!("array {number}: {means}")).collect()
}
