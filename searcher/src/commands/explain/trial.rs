//! Where a trial is, why, and what happens next, in sentences: a pure function of what the ledger knows.

use bandmaster_record::Cause;
use bandmaster_search::Budget;

use super::cause;
use super::facts::{Array, Attempt, Facts, Segment};
use crate::output::{Cell, Record, readable_seconds, readable_time};
use crate::reading::{meaning, without_phase};

/// The trial with all that is to be said about it.
pub(super) fn explain(facts: &Facts) -> Record {
    let mut record = Record::default();
    record.set("name", &*facts.name).set("sweep", &*facts.sweep.name).set("state", &*facts.state);
    record.set("rung", i64::from(facts.rung)).set("now", now(facts)).set("next", next(facts));
    let (attempts, budget) = attempts(facts);
    record.set("retries_allowed", i64::from(facts.sweep.retries));
    record.set("retries_left", i64::from(facts.sweep.retries.saturating_sub(budget.retries)));
    record.set_list("attempts", attempts);
    record
}

/// Each attempt, and what the last segment has spent.
fn attempts(facts: &Facts) -> (Vec<Record>, Budget) {
    let (mut budget, mut rung, mut furthest) = (Budget::default(), 0, 0);
    let mut told = Vec::new();
    for attempt in &facts.attempts {
        if attempt.rung != rung {
            (rung, budget) = (attempt.rung, Budget::default());
        }
        let advanced = attempt.checkpointed.is_some_and(|resource| resource > furthest);
        furthest = furthest.max(attempt.checkpointed.unwrap_or(0));
        let spent = match attempt.cause {
            Some(cause) if !attempt.has_result => {
                let cost = budget.charge(cause, advanced);
                Some((cause::word(cost), cause::costs(cause, cost, budget, facts.sweep.retries)))
            }
            _ => None,
        };
        told.push(self::attempt(facts, attempt, spent));
    }
    if facts.rung != rung {
        budget = Budget::default();
    }
    (told, budget)
}

fn attempt(facts: &Facts, attempt: &Attempt, spent: Option<(&'static str, String)>) -> Record {
    let mut record = Record::default();
    record.set("name", &*attempt.name).set("attempt", i64::from(attempt.number)).set("rung", i64::from(attempt.rung));
    record.set("state", &*attempt.state).set("cause", attempt.cause.map(Cause::as_str)).set("ran", ran(facts, attempt));
    record.set("means", attempt.cause.map(cause::means));
    record.set("evidence", Cell::Json(evidence(attempt).into()));
    let (word, sentence) = spent.unzip();
    record.set("cost", word).set("costs", sentence);
    let log = attempt.cause.filter(|cause| cause::has_words(*cause)).map(|_| format!("bandmaster logs {}", attempt.name));
    // Of what is lost, the slot's own log may tell more.
    let lost = attempt.cause == Some(Cause::Lost) && !attempt.slot_log.is_empty();
    record.set("log", if lost { Some(attempt.slot_log.clone()) } else { log.filter(|_| !attempt.slot.is_empty()) });
    record
}

/// Where and how long it ran, from where to where.
fn ran(facts: &Facts, attempt: &Attempt) -> String {
    let to = facts.sweep.at(attempt.target);
    if attempt.started_at.is_empty() {
        return match attempt.state.as_str() {
            "ended" => format!("it never began; it was to go to {to}"),
            _ => format!("no slot has begun it; it is to go to {to}"),
        };
    }
    let from = attempt.resumed_from.map_or_else(|| "the beginning".to_owned(), |resource| facts.sweep.at(resource));
    let since = format!("{} since {}, from {from} to {to}", on(&attempt.host), readable_time(&attempt.started_at));
    let length = attempt.seconds.map_or_else(String::new, |seconds| format!(", {} long", readable_seconds(seconds)));
    let brought = attempt.checkpointed.map_or_else(String::new, |resource| format!("; its furthest checkpoint is at {resource}"));
    format!("{since}{length}{brought}")
}

fn on(host: &str) -> String {
    if host.is_empty() { "somewhere".to_owned() } else { format!("on {host}") }
}

/// What tells so: the attempt's own words, the searcher's, and notes. Nothing twice.
fn evidence(attempt: &Attempt) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let said = std::iter::once(&attempt.detail).chain(&attempt.decisions).chain(std::iter::once(&attempt.slot_why)).chain(&attempt.notes);
    for line in said.filter(|line| !line.is_empty()) {
        if let Some(shorter) = lines.iter_mut().find(|known| line.ends_with(known.as_str())) {
            shorter.clone_from(line);
        } else if !lines.iter().any(|known| known.ends_with(line.as_str())) {
            lines.push(line.clone());
        }
    }
    lines
}

fn now(facts: &Facts) -> String {
    let Some(segment) = facts.segments.last() else {
        return "it is drawn, and its first segment is not granted yet".to_owned();
    };
    let (rung, target) = (segment.rung, facts.sweep.at(segment.target));
    let came = || place(segment);
    match facts.state.as_str() {
        "failed" => format!("it failed at rung {rung}, on its way to {target}: {}", segment.why),
        "stopped" => format!("it {} at rung {rung}, at {target}: others were better", came()),
        "finished" => {
            format!("it passed the last rung of its bracket, at {target}, with {} {}: it {}", facts.sweep.metric, segment.value, came())
        }
        "running" => format!("{} runs it to rung {rung}, at {target}{}", running(facts), reported(facts)),
        _ => match segment.state.as_str() {
            "accepted" if segment.place.is_some() => {
                format!("it {} at rung {rung} and is promoted: its next segment is not granted yet", came())
            }
            "accepted" => format!(
                "it is in at rung {rung}, with {} {} at {target}, and waits for the others of its rung",
                facts.sweep.metric, segment.value
            ),
            "waiting" => format!("its segment to rung {rung}, at {target}, waits for its next grant{}", last_end(facts)),
            _ => format!("{}its segment to rung {rung}, at {target}, is granted and waits for a slot{}", promoted(facts), last_end(facts)),
        },
    }
}

/// Where it came in its rung.
fn place(segment: &Segment) -> String {
    let of = format!("of {}", segment.members);
    match segment.place {
        Some(place) if segment.keeps.is_some() => format!("came in place {place} {of}, of which {} go on,", segment.kept),
        Some(place) => format!("came in place {place} {of}"),
        None => format!("is one {of}"),
    }
}

fn promoted(facts: &Facts) -> String {
    match facts.segments.iter().rev().nth(1) {
        Some(below) if below.place.is_some() => format!("it {} at rung {}; ", place(below), below.rung),
        _ => String::new(),
    }
}

fn running(facts: &Facts) -> String {
    let attempt = facts.attempts.iter().rfind(|attempt| attempt.state == "running");
    attempt.map_or_else(|| "a slot".to_owned(), |attempt| format!("{} {}", attempt.name, on(&attempt.host)))
}

fn reported(facts: &Facts) -> String {
    let at = facts.attempts.iter().rfind(|attempt| attempt.state == "running").and_then(|attempt| attempt.reported);
    at.map_or_else(|| ", and has not reported yet".to_owned(), |resource| format!("; it last reported at {resource}"))
}

/// How the attempt before ended, if there was one at this rung.
fn last_end(facts: &Facts) -> String {
    let ended = |attempt: &&Attempt| attempt.rung == facts.rung && attempt.state == "ended";
    let last = facts.attempts.iter().rfind(ended).and_then(|attempt| Some((&attempt.name, attempt.cause?)));
    last.map_or_else(String::new, |(name, cause)| format!("; {name} ended with {}", cause.as_str()))
}

fn next(facts: &Facts) -> String {
    let sweep = &facts.sweep;
    match (facts.state.as_str(), sweep.phase.as_str()) {
        ("failed", _) => "nothing: its rung counts it as the last, and goes on without it".to_owned(),
        ("stopped", _) => "nothing: it is trained no further".to_owned(),
        ("finished", _) => "nothing: it is done".to_owned(),
        (_, "cancelled" | "finished") => format!("nothing: the sweep is {}", sweep.phase),
        (_, "paused") => paused(&sweep.name, &sweep.phase_why),
        (state, _) => match facts.segments.last() {
            None => "a grant, when the searcher ticks next".to_owned(),
            Some(segment) if segment.state == "accepted" && segment.place.is_none() => rung(segment),
            Some(segment) if state == "running" => format!("it reaches its target; then: {}", rung(segment)),
            Some(segment) if segment.state == "accepted" || segment.state == "waiting" => {
                "a grant, when the searcher ticks next".to_owned()
            }
            Some(_) => slot(facts),
        },
    }
}

/// What a pause means, with the sentence that tells why it is one.
pub(super) fn paused(sweep: &str, why: &str) -> String {
    let why = without_phase(why);
    let help = if why.contains("bandmaster resume") { String::new() } else { format!("; `bandmaster resume {sweep}` goes on") };
    format!("nothing while the sweep is paused: {why}{help}")
}

/// What its rung waits for.
fn rung(segment: &Segment) -> String {
    let missing = segment.members.saturating_sub(segment.settled);
    let goes_on = match segment.keeps {
        Some(keeps) => format!("then the best {keeps} go on"),
        None => "it is the last of its bracket".to_owned(),
    };
    format!("rung {} is decided when all {} of its trials are in, and {missing} are missing; {goes_on}", segment.rung, segment.members)
}

/// What it waits for that has a grant and no slot.
fn slot(facts: &Facts) -> String {
    if facts.sweep.cluster != "slurm" {
        return "the next slot that is free runs it, the higher rungs first".to_owned();
    }
    let out = |array: &&Array| ["submitted", "intended"].contains(&array.state.as_str());
    if let Some(array) = facts.arrays.iter().rfind(|array| out(array) && array.task.is_some()) {
        return self::array(array);
    }
    match facts.arrays.last().filter(|array| ["refused", "abandoned"].contains(&array.state.as_str())) {
        Some(refused) => self::array(refused),
        None => "the searcher's next tick submits an array for it".to_owned(),
    }
}

/// Where an array stands in Slurm, in its words and in plain ones.
pub(super) fn array(array: &Array) -> String {
    let Array { number, job, tasks, .. } = array;
    let theirs = match array.task {
        Some(task) => format!("task {job}_{task} is there for it, of the {tasks} of array {number}"),
        None => format!("array {number} is job {job}, with {tasks} task{}", if *tasks == 1 { "" } else { "s" }),
    };
    match array.state.as_str() {
        "refused" => {
            format!("Slurm refused array {number} for now, and a tick tries again when a job ends, or after a while: {}", array.why)
        }
        "abandoned" => format!("array {number} will not run: {}", array.why),
        _ if job.is_empty() => format!("array {number} is about to be submitted"),
        _ if array.states.is_empty() => format!("{theirs}; Slurm has not said anything about it yet"),
        _ => {
            let states: Vec<String> = array.states.iter().map(|(state, tasks)| format!("{tasks} {state}")).collect();
            let means: Vec<String> =
                array.states.keys().filter_map(|state| meaning(state, job)).map(|means| format!(". {means}")).collect();
            format!("{theirs}; Slurm said at {}: {}{}", array.seen_at, states.join(", "), means.concat())
        }
    }
}
