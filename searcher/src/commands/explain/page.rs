//! The pages that a person reads.

use crate::output::{Cell, Details, Record};

/// A trial, with its attempts.
pub(super) fn trial(trial: &Record) -> Details {
    let mut page = Details::default();
    page.title(trial.get("name").readable());
    page.pair("now", trial.get("now")).pair("next", trial.get("next"));
    for attempt in trial.list("attempts") {
        let heading = match attempt.get("cause") {
            Cell::Empty => attempt.get("state").readable(),
            cause => cause.readable(),
        };
        page.title(format!("{}: {heading}", attempt.get("name").readable()));
        page.pair("ran", attempt.get("ran")).pair("means", attempt.get("means"));
        if let Cell::Json(serde_json::Value::Array(lines)) = attempt.get("evidence") {
            lines.into_iter().for_each(|line| {
                page.pair("evidence", Cell::Json(line).plain().into_owned());
            });
        }
        page.pair("costs", attempt.get("costs"));
        page.pair("see", attempt.get("log"));
    }
    page
}

/// A sweep or rungs of it.
pub(super) fn other(record: &Record) -> Details {
    let mut page = Details::default();
    page.title(record.get("name").readable());
    page.pair("now", record.get("now")).pair("next", record.get("next"));
    for array in record.list("arrays") {
        page.pair("array", array.get("says"));
    }
    for missing in record.list("missing") {
        page.pair("missing", missing.get("says"));
    }
    let causes = record.list("causes");
    if !causes.is_empty() {
        page.title("attempts that brought no result");
    }
    for cause in causes {
        page.line(cause.get("says"));
    }
    page
}
