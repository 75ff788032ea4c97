//! What the rows say: of results that are no numbers, of kinds from the future, of trials, curves and ranks, and of what
//! slots and searchers say against each other.

use bandmaster_journal::Campaign;
use bandmaster_ledger::rebuild;
use bandmaster_record::*;

use crate::fold::{count, small, started, text, whole};
use crate::pen::{Pen, attempt};
use crate::plan;

fn ended(attempt: AttemptRef, cause: Cause) -> SlotRecord {
    let usage = Usage { wall: Seconds(1.0), cpu: Seconds(1.0), peak_memory: 1 };
    SlotRecord::AttemptEnded { attempt, cause, exit_code: None, signal: None, detail: "so".into(), result: None, checkpointed: None, usage }
}

#[test]
fn what_is_not_a_number_is_kept_as_what_it_is() {
    let (_temp, ledger, _) = whole();
    assert_eq!(count(&ledger, "segments WHERE trial = 3 AND value IS NULL AND non_finite = 'NaN' AND state = 'accepted'"), 1);
    assert_eq!(count(&ledger, "metrics WHERE trial = 3 AND metric = 'val_loss' AND value IS NULL AND non_finite = 'NaN'"), 1);
    assert_eq!(count(&ledger, "metrics WHERE trial = 6 AND value IS NULL AND non_finite = 'Infinity'"), 1);
    assert_eq!(count(&ledger, "metrics WHERE value IS NULL AND non_finite IS NULL"), 0);
    // Diverged, it is the last of those that have a result, and before the one that has none.
    assert_eq!(
        text(
            &ledger,
            "SELECT group_concat(trial) FROM (SELECT trial FROM segments WHERE bracket = 0 AND rung = 0 ORDER BY place DESC LIMIT 2)"
        ),
        "2,3"
    );
}

#[test]
fn unknown_kinds_are_kept_and_harmless() {
    let (_temp, ledger, _) = whole();
    assert!(count(&ledger, "notes WHERE kind = 'unknown' AND json_extract(note, '$.verses') = 3") > 0);
    assert!(count(&ledger, "decisions WHERE kind = 'thought_about_it' AND json_extract(details, '$.long')") > 0);
}

#[test]
fn the_states_of_trials_and_segments_are_those_that_people_expect() {
    let (_temp, ledger, _) = whole();
    let states = text(
        &ledger,
        "SELECT group_concat(state || ' ' || number, ', ') FROM (SELECT state, count(*) AS number FROM trials GROUP BY state ORDER BY state)",
    );
    assert_eq!(states, "failed 1, finished 5, stopped 11");
    let table = text(
        &ledger,
        "SELECT group_concat(planned || '=' || finished || '+' || failed || '>' || promoted, ' ') FROM (SELECT * FROM rung_table ORDER BY bracket, rung)",
    );
    assert_eq!(table, "9=8+1>3 3=3+0>1 1=1+0>0 5=5+0>1 1=1+0>0 3=3+0>0");
    assert_eq!(text(&ledger, "SELECT phase || ', ' || trials_planned || ', ' || max_resource FROM sweeps"), "finished, 17, 9");
    assert_eq!(count(&ledger, "attempts WHERE state <> 'ended'"), 0);
    let lost = text(&ledger, "SELECT state || ' ' || cause || ' ' || detail || ' ' || host FROM attempts WHERE name = 'digits-1/10.1'");
    assert_eq!(lost, "ended node_failure sacct says NODE_FAIL node03");
    assert_eq!(
        text(
            &ledger,
            "SELECT group_concat(ended || ' ' || number, ', ') FROM (SELECT ended, count(*) AS number FROM slots GROUP BY ended)"
        ),
        "closed 4, gone 1"
    );
    assert_eq!(text(&ledger, "SELECT group_concat(state, ' ') FROM (SELECT state FROM arrays ORDER BY \"array\")"), "ended abandoned");
}

#[test]
fn a_curve_follows_the_checkpoints_that_were_resumed() {
    let (_temp, ledger, _) = whole();
    // Trial 14 reported 5 epochs, had a checkpoint at 4, and its second attempt went on there to 9.
    let curve = text(
        &ledger,
        "SELECT group_concat(resource || '.' || attempt, ' ') FROM (SELECT * FROM curves WHERE trial = 14 AND metric = 'val_loss' ORDER BY resource)",
    );
    assert_eq!(curve, "1.1 2.1 3.1 4.1 5.2 6.2 7.2 8.2 9.2");
    assert_eq!(count(&ledger, "metrics WHERE trial = 14 AND metric = 'val_loss' AND resource = 5"), 2);
    // Each finished trial has one whole curve.
    assert_eq!(
        count(
            &ledger,
            "(SELECT trial FROM trials WHERE state = 'finished' AND (SELECT count(*) FROM curves WHERE curves.trial = trials.trial AND metric = 'val_loss') <> 9)"
        ),
        0
    );
}

#[test]
fn the_best_are_those_that_were_trained_longest_and_then_best() {
    let (_temp, ledger, _) = whole();
    let best =
        text(&ledger, "SELECT group_concat(trial || '@' || resource, ' ') FROM (SELECT * FROM best WHERE place <= 6 ORDER BY place)");
    let mut finished: Vec<u32> = ledger
        .connection()
        .prepare("SELECT trial FROM trials WHERE state = 'finished'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    finished.sort_by(|a, b| plan::loss(*a, 9).total_cmp(&plan::loss(*b, 9)));
    let expected: Vec<String> = finished.iter().map(|trial| format!("{trial}@9")).collect();
    assert!(best.starts_with(&expected.join(" ")) && best.ends_with("@3"), "{best}");
}

#[test]
fn an_attempt_that_was_declared_lost_keeps_its_cause() {
    let temp = tempfile::tempdir().unwrap();
    let mut pen = small(&temp);
    let slot = pen.start_slot(1, 0);
    let lost = attempt(0, 0, 1, 1);
    pen.tell(slot, &started(lost));
    pen.observe(slot);
    pen.decide(&SearcherRecord::AttemptLost { sweep: pen.sweep.clone(), attempt: lost, cause: Cause::Lost, evidence: "silence".into() });
    pen.decide(&SearcherRecord::Granted { sweep: pen.sweep.clone(), attempt: attempt(0, 0, 2, 2) });
    pen.tell(slot, &ended(lost, Cause::Preempted));
    pen.observe(slot);
    let (ledger, _) = rebuild(&pen.campaign, &temp.path().join("new.db"), &mut ()).unwrap();
    assert_eq!(text(&ledger, "SELECT cause || ' ' || seconds FROM attempts WHERE attempt = 1"), "lost 1.0");
    assert_eq!(text(&ledger, "SELECT state || ' ' || grant_number FROM segments"), "offered 2");
}

#[test]
fn a_slot_that_runs_what_another_claimed_is_evidence_and_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let mut pen = small(&temp);
    let (first, second) = (pen.start_slot(1, 0), pen.start_slot(1, 1));
    for slot in [first, second] {
        pen.tell(slot, &started(attempt(0, 0, 1, 1)));
        pen.observe(slot);
    }
    pen.tell(second, &ended(attempt(0, 0, 1, 1), Cause::Completed));
    pen.observe(second);
    let (ledger, _) = rebuild(&pen.campaign, &temp.path().join("new.db"), &mut ()).unwrap();
    assert_eq!(text(&ledger, "SELECT state || ' ' || slot FROM attempts"), format!("running {}", pen.slots[first].id));
    assert_eq!(count(&ledger, "notes WHERE kind = 'evidence'"), 2);
}

#[test]
fn a_spec_that_cannot_be_read_is_kept_whole() {
    let temp = tempfile::tempdir().unwrap();
    let mut pen = Pen::new(Campaign::at(temp.path().join("campaign")));
    pen.take_lease();
    let submission = serde_json::json!({"v": 1, "sweep": "digits-1", "directory": "/", "file": "/s", "hash": "", "user": "ada", "host": "h", "at": 0,
        "version": "9", "cluster": "local", "slots": 1});
    pen.decide_raw(
        serde_json::json!({"kind": "sweep_submitted", "submission": submission, "spec": {"plan": "to be delivered", "search": [1]}}),
    );
    pen.decide(&SearcherRecord::TrialCreated { sweep: pen.sweep.clone(), trial: TrialId(0), bracket: 0, params: Params::new(), seed: 1 });
    pen.decide(&SearcherRecord::Granted { sweep: pen.sweep.clone(), attempt: attempt(0, 0, 1, 1) });
    pen.decide(&SearcherRecord::Accepted { sweep: pen.sweep.clone(), attempt: attempt(0, 0, 1, 1), value: Number(0.5) });
    let (ledger, _) = rebuild(&pen.campaign, &temp.path().join("new.db"), &mut ()).unwrap();
    assert_eq!(text(&ledger, "SELECT json_extract(spec, '$.plan') FROM sweeps WHERE goal IS NULL AND method IS NULL"), "to be delivered");
    assert_eq!(text(&ledger, "SELECT state || ' ' || value FROM trials"), "finished 0.5");
}
