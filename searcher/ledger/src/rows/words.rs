//! What the searcher recorded, in words. Each record but `observed` is a row of `decisions` with one sentence.

use bandmaster_record::{ArrayNo, AttemptRef, Cause, Number, Ranked, Request, RungNo, SearcherRecord, Seen, SlotId, SweepId, TrialId};
use serde_json::json;

/// So many trials are named in a sentence; the details name all.
const NAMED: usize = 12;

/// One row of `decisions`, but for its number and time.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) kind: String,
    pub(super) bracket: Option<u32>,
    pub(super) rung: Option<RungNo>,
    pub(super) trial: Option<TrialId>,
    pub(super) attempt: Option<AttemptRef>,
    pub(super) sentence: String,
    /// What the sentence leaves out, as JSON.
    pub(super) details: Option<String>,
}

impl Words {
    fn new(kind: &str, sentence: String) -> Self {
        Self { kind: kind.to_owned(), sentence, ..Self::default() }
    }

    fn about(self, attempt: &AttemptRef) -> Self {
        Self { rung: Some(attempt.rung), trial: Some(attempt.trial), attempt: Some(*attempt), ..self }
    }
}

/// Nothing for `observed` and `cluster_called`, which decide nothing.
pub(super) fn words(record: &SearcherRecord) -> Option<Words> {
    use SearcherRecord as R;
    Some(match record {
        R::Observed { .. } | R::ClusterCalled { .. } => return None,
        R::LeaseTaken { epoch, host, pid, version, .. } => {
            Words::new("lease_taken", format!("bandmaster {version} on {}, process {pid}, held the lease {epoch}", host.name))
        }
        R::SweepSubmitted { submission, .. } => {
            let words = format!("sweep {}, submitted by {} on {}, was taken in", submission.sweep, submission.user, submission.host);
            Words::new("sweep_submitted", words)
        }
        R::RequestTaken { request, ask, outcome, .. } => {
            let asked = match ask {
                Some(Request::Pause { sweep }) => format!("to pause {sweep}"),
                Some(Request::Resume { sweep }) => format!("to resume {sweep}"),
                Some(Request::Cancel { sweep }) => format!("to cancel {sweep}"),
                None => format!("something in {request}.json that cannot be read"),
            };
            Words::new("request_taken", format!("somebody asked {asked}: {outcome}"))
        }
        R::SlotGone { slot, cause, evidence, .. } => slot_gone(slot, *cause, evidence),
        R::TrialCreated { sweep, trial, bracket, seed, .. } => Words {
            bracket: Some(*bracket),
            trial: Some(*trial),
            ..Words::new("trial_created", format!("trial {sweep}/{trial} was drawn for bracket {bracket}, with the seed {seed}"))
        },
        R::Granted { sweep, attempt } => {
            let AttemptRef { rung, grant, .. } = attempt;
            let words = format!("{sweep}/{attempt} may run to rung {rung}, under the grant {grant} of that segment");
            Words::new("granted", words).about(attempt)
        }
        R::Accepted { sweep, attempt, value } => {
            let words = format!("{value} by {sweep}/{attempt} stands as the result of trial {} at rung {}", attempt.trial, attempt.rung);
            Words::new("accepted", words).about(attempt)
        }
        R::AttemptLost { sweep, attempt, cause, evidence } => {
            let words = format!("{sweep}/{attempt} is lost ({}): {evidence}", cause.as_str());
            Words::new("attempt_lost", words).about(attempt)
        }
        R::SegmentFailed { sweep, attempt, cause, why } => {
            let AttemptRef { trial, rung, .. } = attempt;
            let words = format!("trial {sweep}/{trial} failed at rung {rung} ({}): {why}", cause.as_str());
            Words::new("segment_failed", words).about(attempt)
        }
        R::RungDecided { sweep, bracket, rung, keep, ranking, promoted } => rung_decided(sweep, *bracket, *rung, *keep, ranking, promoted),
        R::PhaseChanged { sweep, phase, why } => Words::new("phase_changed", format!("{sweep} is {}: {why}", phase.as_str())),
        R::ArrayIntended { array, tasks, reserved, .. } => Words {
            rung: reserved.first().map(|attempt| attempt.rung),
            details: (!reserved.is_empty()).then(|| json!({"array": array, "trials": trials(reserved)}).to_string()),
            ..Words::new("array_intended", format!("array {array} of {} is to be submitted", counted(*tasks as usize, "task")))
        },
        R::ArraySubmitted { array, job, .. } => Words::new("array_submitted", format!("array {array} is job {job}")),
        R::ArrayAbandoned { array, why, .. } => Words::new("array_abandoned", format!("array {array} will not run: {why}")),
        R::ArrayRefused { array, words, .. } => {
            Words::new("array_refused", format!("the cluster refused array {array} for now, and it is tried again later: {words}"))
        }
        R::BackstopSubmitted { array, job: Some(job), .. } => {
            Words::new("backstop_submitted", format!("job {job} ticks when array {array} is over"))
        }
        R::BackstopSubmitted { array, words, .. } => {
            let why = words.as_deref().unwrap_or("the cluster did not say why");
            Words::new("backstop_submitted", format!("no job ticks when array {array} is over: {why}"))
        }
        R::ArraySeen { array, seen, observer, .. } => array_seen(*array, seen, &observer.name),
        R::ArrayEnded { array, .. } => Words::new("array_ended", format!("all tasks of array {array} are over")),
        R::Unknown(kept) => {
            let kind = kept.get("kind").and_then(serde_json::Value::as_str).unwrap_or("unknown");
            let words = format!("a newer bandmaster recorded `{kind}`, which this one does not know");
            Words { details: Some(kept.to_string()), ..Words::new(kind, words) }
        }
    })
}

/// Task by task, the trial that it is there for.
fn trials(reserved: &[AttemptRef]) -> Vec<TrialId> {
    reserved.iter().map(|attempt| attempt.trial).collect()
}

fn slot_gone(slot: &SlotId, cause: Cause, evidence: &str) -> Words {
    Words::new("slot_gone", format!("slot {slot} is gone ({}): {evidence}", cause.as_str()))
}

fn array_seen(array: ArrayNo, seen: &Seen, observer: &str) -> Words {
    let states: Vec<String> = seen.states.iter().map(|(state, tasks)| format!("{tasks} {state}")).collect();
    let mut sentence = format!("tasks of array {array}: {}", if states.is_empty() { "none listed".to_owned() } else { states.join(", ") });
    for (tasks, what) in [
        (&seen.over, "now over"),
        (&seen.cancelled, "of these cancelled"),
        (&seen.silent, "missing from the listing"),
        (&seen.back, "back"),
    ] {
        if !tasks.is_empty() {
            sentence.push_str(&format!("; {} {what}", tasks.len()));
        }
    }
    sentence.push_str(&format!(" (seen from {observer})"));
    Words { details: Some(json!({"array": array, "seen": seen}).to_string()), ..Words::new("array_seen", sentence) }
}

fn rung_decided(sweep: &SweepId, bracket: u32, rung: RungNo, keep: u32, ranking: &[Ranked], promoted: &[TrialId]) -> Words {
    let mut names: Vec<String> = promoted.iter().take(NAMED).map(|trial| trial.to_string()).collect();
    if let Some(more) = promoted.len().checked_sub(NAMED).filter(|more| *more > 0) {
        names.push(format!("and {more} more"));
    }
    let trials = counted(ranking.len(), "trial");
    let sentence = match (promoted.len(), ranking.first()) {
        (0, Some(Ranked { trial, value: Some(Number(value)) })) => {
            format!(
                "rung {rung} of bracket {bracket} of {sweep} is decided and none of its {trials} goes on; the best is {trial} with {value}"
            )
        }
        (0, _) => format!("rung {rung} of bracket {bracket} of {sweep} is decided and none of its {trials} goes on"),
        (some, _) => format!("rung {rung} of bracket {bracket} of {sweep}: {some} of {trials} go on (keep {keep}): {}", names.join(", ")),
    };
    Words {
        bracket: Some(bracket),
        rung: Some(rung),
        details: Some(json!({"keep": keep, "ranking": ranking, "promoted": promoted}).to_string()),
        ..Words::new("rung_decided", sentence)
    }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(members: u32, promoted: u32) -> String {
        let ranking = (0..members).map(|trial| Ranked { trial: TrialId(trial), value: Some(Number(0.5)) }).collect();
        let record = SearcherRecord::RungDecided {
            sweep: "digits-1".parse().unwrap(),
            bracket: 0,
            rung: RungNo(1),
            keep: promoted,
            ranking,
            promoted: (0..promoted).map(TrialId).collect(),
        };
        words(&record).unwrap().sentence
    }

    #[test]
    fn a_decided_rung_reads_as_a_sentence() {
        assert_eq!(decided(9, 3), "rung 1 of bracket 0 of digits-1: 3 of 9 trials go on (keep 3): 0, 1, 2");
        assert_eq!(decided(1, 0), "rung 1 of bracket 0 of digits-1 is decided and none of its 1 trial goes on; the best is 0 with 0.5");
        assert!(decided(81, 27).ends_with("10, 11, and 15 more"), "{}", decided(81, 27));
    }

    #[test]
    fn the_kind_of_a_decision_is_that_of_its_record() {
        let sweep: SweepId = "digits-1".parse().unwrap();
        let record = SearcherRecord::ArrayEnded { sweep, array: bandmaster_record::ArrayNo(3) };
        let kind = serde_json::to_value(&record).unwrap()["kind"].clone();
        assert_eq!(kind, words(&record).unwrap().kind);
    }
}
