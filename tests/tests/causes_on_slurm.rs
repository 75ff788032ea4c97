//! Sweeps on a real Slurm cluster in which each trial ends in its own bad way: the ledger tells the causes apart, what is
//! free of charge costs nothing, what is the trial's own fault costs its retries, and `explain` says all of it.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::process::Output;

use bandmaster_tests::{Place, TestCluster, said, wait_for};
use serde_json::Value;

/// Trains to 6, checkpoints and reports at each step, and goes on from where it was. What is bad about it, its first
/// argument says: most stay at their first step until something happens to them.
const TRIAL: &str = r#"#!/bin/bash
case=$1 at=0
[ -z "$BANDMASTER_RESUME_FROM" ] || at=$(cat "$BANDMASTER_RESUME_FROM/model")
step() {
  at=$((at + 1))
  mkdir "$BANDMASTER_CHECKPOINTS/tmp" && echo "$at" > "$BANDMASTER_CHECKPOINTS/tmp/model"
  mv "$BANDMASTER_CHECKPOINTS/tmp" "$BANDMASTER_CHECKPOINTS/$at.ready"
  echo "{\"resource\": $at, \"loss\": 0.$at}" >> "$BANDMASTER_REPORT"
  until [ -e "$BANDMASTER_CHECKPOINTS/$at.published" ]; do sleep 0.01; done
}
stay() { until [ -e "$BANDMASTER_STOP" ]; do sleep 0.05; done; }
case $case in
  wrong_exit) echo "no such data"; exit 3 ;;
  out_of_memory) { head -c 900M /dev/zero; while echo; do sleep 0.1; done; } 2> /dev/null | tail -c 900M > /dev/null; exit 1 ;;
  stuck) stay; exit 0 ;;
  preempted | node_failure | lost | time_limit)
    if [ "$at" = 0 ]; then step; hostname > "at.$case"; stay; cat "$BANDMASTER_STOP" > "stop.$case"; exit 0; fi ;;
  cancelled)
    step
    echo "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" > "at.$case"
    while [ ! -e was.cancelled ]; do if [ -e "$BANDMASTER_STOP" ]; then exit 0; fi; sleep 0.05; done ;;
esac
while [ "$at" -lt "$BANDMASTER_TARGET" ]; do step; done
"#;

/// The bad ways, in the order of their trials. A task takes a whole node, so that what happens to one node happens to one
/// trial.
const CASES: &[&str] = &["preempted", "node_failure", "lost", "wrong_exit", "out_of_memory", "good", "cancelled"];

/// Those that end by their time limit. The others' is long, so that however busy the machine is nothing else comes to it.
const LIMITED: &[&str] = &["time_limit", "stuck"];

fn sweep(cases: &[&str], time: &str) -> String {
    format!(
        r#"name = "causes"
seed = 1
[objective]
metric = "loss"
goal = "minimize"
[method]
kind = "grid"
max_resource = 6
[space]
case = {{ choice = {cases:?} }}
[trial]
command = ["bash", "trial.sh", "{{case}}"]
retries = 1
cpus_per_rank = 4
memory_per_rank = "300M"
time = "{time}"
stop_grace = "2s"
"#
    )
}

/// What a command on a host prints, as ada. It must succeed.
fn on(place: &Place<'_>, host: &str, argv: &[&str]) -> String {
    let output = place.on(host, argv).unwrap();
    assert!(output.status.success(), "{argv:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// What `bandmaster` prints on the login host.
fn bandmaster(place: &Place<'_>, arguments: &[&str]) -> String {
    on(place, "login", &[&["./bin/bandmaster"], arguments].concat())
}

/// Everything that the ledger knows of how this came about, for the message of a failed test.
fn course(place: &Place<'_>) -> String {
    let attempts = "SELECT name, cause, detail, started_at, ended_at, slot FROM attempts ORDER BY trial, attempt";
    let decisions = "SELECT decided_at, sentence FROM decisions WHERE kind NOT IN ('lease_taken', 'trial_created') ORDER BY epoch, seq";
    [attempts, decisions].map(|sql| bandmaster(place, &["ledger", "sql", "--format", "csv", sql])).concat()
}

/// `bandmaster run` to its end, which must be with this exit code.
fn ended(place: &Place<'_>, output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}\n{}", said(output), course(place));
}

/// A place with the programs and a sweep in it.
fn prepared<'a>(cluster: &'a TestCluster, sweep: &str) -> Place<'a> {
    let place = cluster.place().unwrap();
    on(&place, "login", &["mkdir", "-m", "700", "bin", "campaign"]);
    for program in ["bandmaster", "bandmaster-launch"] {
        on(&place, "login", &["cp", cluster.program(program).unwrap().to_str().unwrap(), "bin"]);
    }
    place.write("trial.sh", TRIAL).unwrap();
    place.write("sweep.toml", sweep).unwrap();
    place.write("campaign/campaign.toml", "poll = \"1s\"\n").unwrap();
    place
}

/// What `explain` says of a trial.
fn explained(place: &Place<'_>, cases: &[&str], case: &str) -> Value {
    let trial = cases.iter().position(|known| *known == case).unwrap();
    let text = bandmaster(place, &["explain", &format!("causes-1/{trial}"), "--format", "json"]);
    serde_json::from_str::<Value>(&text).unwrap().get("trial").unwrap().clone()
}

/// How its attempts ended and what each cost, those left out that only the pause ended.
fn ends(told: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let attempts = told["attempts"].as_array().unwrap().iter();
    attempts.map(|attempt| (word(&attempt["cause"]), word(&attempt["cost"]))).filter(|(cause, _)| cause != "stopped").collect()
}

/// A case ended so, each end at that cost, and its trial is in that state with so many retries left. All that is told of it.
fn assert_told(place: &Place<'_>, cases: &[&str], case: &str, expected: &[(&str, &str)], state: &str, left: u32) -> String {
    let told = explained(place, cases, case);
    let expected: Vec<_> = expected.iter().map(|(cause, cost)| ((*cause).to_owned(), (*cost).to_owned())).collect();
    assert_eq!(ends(&told), expected, "{told}\n{}", course(place));
    assert_eq!((told.get("state"), told.get("retries_left")), (Some(&state.into()), Some(&left.into())), "{told}");
    told.to_string()
}

#[test]
fn every_cause_is_told_from_the_others_and_costs_what_it_must() {
    let is_shared = std::env::var("BANDMASTER_TEST_CLUSTER").is_ok_and(|name| !name.is_empty());
    let cluster = if is_shared { TestCluster::shared() } else { TestCluster::up(&["--node-timeout", "10"]) }.unwrap();
    let place = prepared(&cluster, &sweep(CASES, "00:10:00"));
    let run = || place.spawn("login", &["./bin/bandmaster", "run", "sweep.toml"]).unwrap();
    let at = |case: &str| place.wait_for(&format!("at.{case}"), "\n").unwrap().trim_end().to_owned();

    let first = run();
    let host = at("preempted");
    on(&place, "login", &["sbatch", "-p", "urgent", "--exclusive", "-w", &host, "-o", "/dev/null", "--wrap", "true"]);
    // As when its power fails: nothing of it says that it ends.
    let failed = at("node_failure");
    cluster.fault(&["cut", &failed]).unwrap();
    cluster.fault(&["kill", &failed, "--all"]).unwrap();
    let host = at("lost");
    let slot = on(&place, &host, &["pgrep", "-f", "^[^ ]*bandmaster-launch slot"]);
    on(&place, &host, &["kill", "-KILL", &slot]);
    // What is on a failed node cannot be asked to stop.
    let node_failed = || bandmaster(&place, &["explain", "causes-1/1"]).contains("node_failure");
    wait_for("Slurm to see the failed node", || node_failed().then_some(())).unwrap();
    on(&place, "login", &["scancel", &at("cancelled")]);
    ended(&place, &first.wait().unwrap(), 5);
    let paused = bandmaster(&place, &["explain", "causes-1"]);
    assert!(paused.contains("cancelled outside of Bandmaster") && paused.contains("bandmaster resume causes-1"), "{paused}");
    let queued = on(&place, "login", &["squeue", "-h", "-t", "PENDING,RUNNING", "-o", "%j"]);
    let is_array = |name: &str| name.starts_with("causes-1.") && !name.ends_with(".tick");
    assert!(!queued.lines().any(is_array), "nothing is submitted again: {queued}");
    cluster.fault(&["start", &failed]).unwrap();
    cluster.fault(&["join", &failed]).unwrap();
    place.write("was.cancelled", "").unwrap();
    bandmaster(&place, &["resume", "causes-1"]);
    ended(&place, &run().wait().unwrap(), 9);

    let is = |case: &str, expected: &[(&str, &str)], state: &str, left: u32| assert_told(&place, CASES, case, expected, state, left);
    // What is not the trial's fault is free, as it advanced, and it goes on to its end.
    for (case, said) in [("preempted", "PreemptTime="), ("node_failure", "NODE_FAIL"), ("lost", "FAILED"), ("cancelled", "")] {
        let told = is(case, &[(case, "nothing"), ("completed", "-")], "finished", 1);
        assert!(told.contains("from 1 (resource) to 6") && told.contains(said), "it went on from its checkpoint: {told}");
    }
    // What is its fault costs its one retry, and then it has failed.
    for (case, said) in [("wrong_exit", "it exited with 3"), ("out_of_memory", "memory")] {
        let told = is(case, &[(case, "retry"), (case, "retry")], "failed", 0);
        assert!(told.contains(said), "{told}");
    }
    is("good", &[("completed", "-")], "finished", 1);

    for (trial, cause) in CASES.iter().enumerate().take(3) {
        let shown = bandmaster(&place, &["show", &format!("causes-1/{trial}")]);
        assert!(shown.contains(cause), "{cause}: {shown}");
    }
    bandmaster(&place, &["ledger", "check"]);
}

#[test]
fn a_time_limit_is_free_of_charge_where_the_trial_advanced_and_costs_a_retry_where_it_did_not() {
    let cluster = TestCluster::shared().unwrap();
    let place = prepared(&cluster, &sweep(LIMITED, "30s"));
    let output = place.spawn("login", &["./bin/bandmaster", "run", "sweep.toml"]).unwrap().wait().unwrap();
    ended(&place, &output, 9);
    assert!(place.read("stop.time_limit").contains("time_limit"));
    let told = assert_told(&place, LIMITED, "time_limit", &[("time_limit", "nothing"), ("completed", "-")], "finished", 1);
    assert!(told.contains("from 1 (resource) to 6") && told.contains("it had 30 s"), "it went on from its checkpoint: {told}");
    let told = assert_told(&place, LIMITED, "stuck", &[("time_limit", "retry"), ("time_limit", "retry")], "failed", 0);
    assert!(told.contains("a retry, since it brought no further checkpoint"), "{told}");
    bandmaster(&place, &["ledger", "check"]);
}
