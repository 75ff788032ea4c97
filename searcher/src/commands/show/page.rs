//! The page that a person reads about a trial.

use crate::output::{Cell, Column, Details, Kind, Record, with_unit};

/// Everything about a trial, its attempts in short.
pub(super) fn trial(trial: &Record) -> Details {
    let mut page = Details::default();
    head(&mut page, trial);
    segments(&mut page, trial.list("segments"));
    let attempts = trial.list("attempts");
    if !attempts.is_empty() {
        let names = [
            ("attempt", Kind::Integer),
            ("rung", Kind::Integer),
            ("state", Kind::Text),
            ("cause", Kind::Text),
            ("from", Kind::Integer),
            ("value", Kind::Number),
            ("host", Kind::Text),
            ("started_at", Kind::Time),
            ("time", Kind::Duration),
            ("cpu_time", Kind::Duration),
            ("peak_memory", Kind::Bytes),
        ];
        let row = |attempt: &Record| {
            names.map(|(name, _)| match name {
                "from" => attempt.get("resumed_from_resource"),
                "time" => attempt.get("seconds"),
                "cpu_time" => attempt.get("cpu_seconds"),
                "peak_memory" => attempt.get("peak_memory_bytes"),
                name => attempt.get(name),
            })
        };
        page.title("attempts");
        page.table(columns(&names), &attempts.iter().map(|attempt| row(attempt).to_vec()).collect::<Vec<_>>());
    }
    for told in attempts.iter().filter(|attempt| has_evidence(attempt)) {
        page.title(told.get("name").readable());
        evidence(&mut page, told);
    }
    checkpoints(&mut page, trial.list("checkpoints"));
    if let Some(last) = attempts.iter().rfind(|attempt| !attempt.get("started_at").is_empty()) {
        page.title(format!("provenance of {}", last.get("name").readable()));
        provenance(&mut page, last);
    }
    page
}

/// Everything about one attempt.
pub(super) fn attempt(trial: &Record) -> Details {
    let mut page = Details::default();
    for attempt in trial.list("attempts") {
        page.title(attempt.get("name").readable());
        for name in ["state", "accepted", "rung", "grant", "target_resource", "value", "cause", "exit_code", "signal"] {
            page.pair(name, attempt.get(name));
        }
        evidence(&mut page, attempt);
        for name in ["resumed_from_resource", "resumed_checkpoint", "checkpointed_resource", "granted_at", "started_at", "ended_at"] {
            page.pair(name, attempt.get(name));
        }
        page.title("provenance");
        provenance(&mut page, attempt);
    }
    checkpoints(&mut page, trial.list("checkpoints"));
    page
}

fn head(page: &mut Details, trial: &Record) {
    let text = |name| trial.get(name).readable();
    page.title(text("name")).pair("state", trial.get("state"));
    if !trial.get("value").is_empty() {
        let resource = with_unit(&text("resource"), &trial.get("unit").plain());
        page.pair("value", format!("{} {} at {resource}", text("metric"), text("value")));
    }
    page.pair("place", trial.get("place"));
    let bracket = match trial.get("anchors") {
        Cell::Flag(true) => Cell::from("none: an anchor"),
        _ => trial.get("bracket"),
    };
    page.pair("bracket", bracket);
    if trial.get("repetition") != Cell::Int(0) {
        page.pair("repetition", trial.get("repetition"));
    }
    for name in ["rung", "params", "seed", "created_at"] {
        page.pair(name, trial.get(name));
    }
}

fn segments(page: &mut Details, segments: &[Record]) {
    if segments.is_empty() {
        return;
    }
    let names = [
        ("rung", Kind::Integer),
        ("from", Kind::Integer),
        ("to", Kind::Integer),
        ("state", Kind::Text),
        ("value", Kind::Number),
        ("place", Kind::Integer),
        ("promoted", Kind::Flag),
        ("attempt", Kind::Integer),
        ("settled_at", Kind::Time),
    ];
    let row = |segment: &Record| {
        names.map(|(name, _)| match name {
            "from" => segment.get("from_resource"),
            "to" => segment.get("target_resource"),
            name => segment.get(name),
        })
    };
    page.title("segments").table(columns(&names), &segments.iter().map(|segment| row(segment).to_vec()).collect::<Vec<_>>());
    for failed in segments {
        page.pair("failed", failed.get("why"));
    }
}

/// Whether something happened that a person should read.
fn has_evidence(attempt: &Record) -> bool {
    let ended_well = attempt.get("cause").is_empty() || attempt.get("cause") == Cell::from("completed");
    !ended_well || !attempt.list("notes").is_empty()
}

fn evidence(page: &mut Details, attempt: &Record) {
    page.pair("detail", attempt.get("detail"));
    for note in attempt.list("notes") {
        page.pair("note", note.get("note"));
    }
    page.pair("log", attempt.get("log"));
}

fn provenance(page: &mut Details, attempt: &Record) {
    for name in ["command", "directory", "slot", "host"] {
        let value = match (name, attempt.get(name)) {
            ("command", Cell::Json(serde_json::Value::Array(argv))) => words(&argv).into(),
            (_, value) => value,
        };
        page.pair(name, value);
    }
    for (name, of) in [("time", "seconds"), ("cpu_time", "cpu_seconds"), ("peak_memory", "peak_memory_bytes")] {
        page.pair(name, attempt.get(of));
    }
    let Some(surroundings) = attempt.record("surroundings") else { return };
    if let Cell::Text(commit) = surroundings.get("git_commit") {
        let dirty = surroundings.get("git_dirty") == Cell::Flag(true);
        page.pair("git", format!("{commit}{}", if dirty { ", with changes that are in no commit" } else { "" }));
    }
    page.pair("cpu", format!("{}, {} cores", surroundings.get("cpu").readable(), surroundings.get("cores").readable()));
    if surroundings.get("gpus") != Cell::Json(serde_json::json!([])) {
        page.pair("gpus", surroundings.get("gpus"));
    }
    page.pair("memory", surroundings.get("memory_bytes"));
    page.pair("versions", surroundings.get("versions"));
    if let Cell::Json(serde_json::Value::Object(variables)) = surroundings.get("environment") {
        page.title("environment");
        for (name, value) in variables {
            page.line(format!("{name}={}", Cell::Json(value).plain()));
        }
    }
}

/// An argv as one would type it.
fn words(argv: &[serde_json::Value]) -> String {
    let word = |argument: &serde_json::Value| crate::reading::quoted(argument.as_str().unwrap_or_default());
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn checkpoints(page: &mut Details, checkpoints: &[Record]) {
    if checkpoints.is_empty() {
        return;
    }
    let names = columns(&[
        ("resource", Kind::Integer),
        ("attempt", Kind::Integer),
        ("files", Kind::Integer),
        ("bytes", Kind::Bytes),
        ("directory", Kind::Text),
    ]);
    let rows: Vec<_> = checkpoints.iter().map(|checkpoint| checkpoint.row(&names)).collect();
    page.title("checkpoints").table(names, &rows);
}

fn columns(names: &[(&'static str, Kind)]) -> Vec<Column> {
    names.iter().map(|(name, kind)| Column::new(*name, *kind)).collect()
}
