//! Whole sweeps on this machine: real processes, real files, real deaths.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use bandmaster_tests::{World, assert_sound, processes_of, said, through_kills};

/// A trial whose value depends on its parameter and on how far it came, that counts in a checkpoint what it did: each
/// unit of resource is a line in `done`, so that what was lost or done twice in the lineage shows.
const TRIAL: &str = r#"#!/bin/sh
set -e
at=0
work=$(mktemp -d -p .)
trap 'rm -rf "$work"' EXIT
if [ -n "${BANDMASTER_RESUME_FROM:-}" ]; then cp "$BANDMASTER_RESUME_FROM/done" "$work/done"; at=$(wc -l < "$work/done"); fi
while [ "$at" -lt "$BANDMASTER_TARGET" ]; do
  at=$((at + 1))
  echo "$at" >> "$work/done"
  value=$(awk -v x="$1" -v at="$at" 'BEGIN { printf "%.6f", (x - 0.3) * (x - 0.3) + 1 / at }')
  echo "{\"resource\": $at, \"loss\": $value}" >> "$BANDMASTER_REPORT"
  mkdir "$BANDMASTER_CHECKPOINTS/tmp"
  cp "$work/done" "$BANDMASTER_CHECKPOINTS/tmp/done"
  mv "$BANDMASTER_CHECKPOINTS/tmp" "$BANDMASTER_CHECKPOINTS/$at.ready"
  while [ ! -e "$BANDMASTER_CHECKPOINTS/$at.published" ] && [ ! -e "$BANDMASTER_CHECKPOINTS/$at.refused" ]; do sleep 0.005; done
  if [ -e "$BANDMASTER_STOP" ]; then exit 0; fi
done
"#;

fn sweep(max_resource: u32, more: &str) -> String {
    format!(
        r#"name = "t"
seed = 3
[objective]
metric = "loss"
goal = "minimize"
[method]
kind = "hyperband"
max_resource = {max_resource}
eta = 3
[space]
x = {{ uniform = [0.0, 1.0] }}
[trial]
command = ["sh", "trial.sh", "{{x}}"]
{more}
"#
    )
}

fn world(world: World, max_resource: u32) -> World {
    world.write("trial.sh", TRIAL).unwrap();
    world.write("sweep.toml", &sweep(max_resource, "")).unwrap();
    world
}

#[test]
fn slots_and_kills_change_nothing_about_who_is_promoted() {
    let one = world(World::new().unwrap(), 9);
    let output = one.sweep(&["--slots", "1"]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let expected = one.promoted().unwrap();
    assert!(expected.lines().count() >= 5, "{expected}");
    assert_sound(&one).unwrap();

    let four = world(World::new().unwrap(), 9);
    let output = four.sweep(&["--slots", "4"]).unwrap();
    assert_eq!((output.status.code(), four.promoted().unwrap()), (Some(0), expected.clone()), "{}", said(&output));

    let stormy = world(World::new().unwrap(), 9);
    // Whoever dies is drawn, and a trial may be drawn more often than it may fail by itself.
    stormy.write("sweep.toml", &sweep(9, "retries = 20")).unwrap();
    let mut random = fastrand::Rng::new();
    let seed = random.get_seed();
    let kills = through_kills(&stormy, &["--slots", "3"], 12, Duration::from_millis(250), &mut random).unwrap();
    assert_eq!(stormy.promoted().unwrap(), expected, "after {kills} kills from seed {seed}");
    assert_sound(&stormy).unwrap();
    assert_eq!(stormy.sql("SELECT count(*) FROM attempts WHERE state <> 'ended'").unwrap(), "0");
}

/// Every file with its inode, size and time of change.
fn tree(directory: &Path, into: &mut BTreeMap<String, (u64, u64, i64)>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let meta = entry.metadata().unwrap();
        let path = entry.path();
        let name = path.display().to_string();
        if name.contains("/searcher/lease") || name.ends_with("/searcher/seen") {
            continue;
        }
        // Creating and removing the lease's probe changes a directory's time and nothing in it.
        let changed = if meta.is_dir() { 0 } else { meta.mtime() * 1_000_000_000 + meta.mtime_nsec() };
        into.insert(name, (meta.ino(), if meta.is_dir() { 0 } else { meta.size() }, changed));
        if meta.is_dir() {
            tree(&path, into);
        }
    }
}

#[test]
fn ticks_on_a_finished_sweep_write_nothing_but_the_lease() {
    let world = world(World::new().unwrap(), 3);
    let output = world.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    // The last slots may have left word that they ended.
    assert_eq!(world.run(&["tick"]).unwrap().status.code(), Some(0));
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    tree(&world.campaign(), &mut before);
    for _ in 0..100 {
        let output = world.run(&["tick"]).unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    tree(&world.campaign(), &mut after);
    assert_eq!(before, after);
}

#[test]
fn of_two_ticks_at_once_one_works_and_the_other_exits_with_6() {
    let world = world(World::new().unwrap(), 3);
    assert_eq!(world.sweep(&[]).unwrap().status.code(), Some(0));
    let campaign = bandmaster_journal::Campaign::at(world.campaign());
    let taken = bandmaster_journal::Lease::take(&campaign, Duration::from_secs(120)).unwrap();
    assert!(matches!(taken, bandmaster_journal::Taken::Mine(_)));
    let output = world.run(&["tick"]).unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    drop(taken);
    assert_eq!(world.run(&["tick"]).unwrap().status.code(), Some(0));
}

#[test]
fn failed_trials_are_ranked_last_and_the_sweep_ends_with_9() {
    let world = World::new().unwrap();
    world.write("trial.sh", "case $1 in 0.0*|0.1*|0.2*) exit 3;; 0.3*|0.4*) echo '{\"resource\": '$BANDMASTER_TARGET', \"loss\": NaN}' >> $BANDMASTER_REPORT;; *) echo '{\"resource\": '$BANDMASTER_TARGET', \"loss\": '$1'}' >> $BANDMASTER_REPORT;; esac").unwrap();
    world.write("sweep.toml", &sweep(9, "retries = 1")).unwrap();
    let output = world.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    assert_eq!(world.sql("SELECT DISTINCT cause, exit_code FROM attempts WHERE cause <> 'completed'").unwrap(), "wrong_exit|3");
    assert_ne!(world.sql("SELECT count(*) FROM segments WHERE non_finite = 'NaN'").unwrap(), "0");
    let twice = "SELECT count(*) FROM (SELECT trial FROM attempts WHERE cause = 'wrong_exit' GROUP BY trial, rung HAVING count(*) <> 2)";
    assert_eq!(world.sql(twice).unwrap(), "0", "one retry each");
    assert_eq!(world.sql("SELECT phase FROM sweeps").unwrap(), "finished");
    assert_sound(&world).unwrap();
}

#[test]
fn a_missing_program_is_said_at_once() {
    let world = World::new().unwrap();
    world.write("sweep.toml", &sweep(3, "").replace("\"sh\", ", "\"no-such-program\", ")).unwrap();
    let output = world.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("no-such-program"), "{}", said(&output));
    assert!(!world.campaign().join("sweeps/t-1").exists());
}

#[test]
fn a_paused_sweep_stops_and_a_resumed_one_comes_to_the_same_end() {
    let whole = world(World::new().unwrap(), 9);
    assert_eq!(whole.sweep(&[]).unwrap().status.code(), Some(0));
    let paused = world(World::new().unwrap(), 9);
    let mut run = paused.begin("run", "sweep.toml", &[]).stderr(Stdio::null()).spawn().unwrap();
    while !paused.campaign().join("sweeps/t-1/trials").is_dir() {
        thread::sleep(Duration::from_millis(10));
    }
    let output = paused.run(&["pause", "t"]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(run.wait().unwrap().code(), Some(5), "paused is not finished");
    assert!(processes_of(paused.path()).unwrap().is_empty(), "nothing of it runs on");
    let output = paused.run(&["resume", "t"]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let output = paused.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(paused.promoted().unwrap(), whole.promoted().unwrap());
    assert_eq!(paused.sql("SELECT count(*) FROM sweeps").unwrap(), "1", "it attached to the same sweep");
}
