//! Checkpoints between a real trial and the campaign.

use std::fs;
use std::time::{Duration, Instant};

use bandmaster_record::{AttemptNo, Cause, Grant, LineageStep, PassedOver, Resource, RungNo, SlotRecord};

use crate::stops::PATIENT;
use crate::world::{Ended, World, again, bash, segment, wait_for, wait_for_file};

/// Bash functions: `offer NAME FILE…` makes a checkpoint, `answer NAME` waits for what is said of it.
const OFFER: &str = r#"
    offer() { mkdir $BANDMASTER_CHECKPOINTS/tmp; echo $1 > $BANDMASTER_CHECKPOINTS/tmp/model; mv $BANDMASTER_CHECKPOINTS/tmp $BANDMASTER_CHECKPOINTS/$1.ready; }
    answer() { until [ -e $BANDMASTER_CHECKPOINTS/$1.published ] || [ -e $BANDMASTER_CHECKPOINTS/$1.refused ]; do sleep 0.002; done; }
    "#;

fn script(text: &str) -> World {
    World::new(bash(&format!("{OFFER}{text}")))
}

fn published(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.dir().checkpoints(segment().attempt.trial)).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn passed_over(ended: &Ended) -> (Option<Resource>, Vec<PassedOver>) {
    let started = ended.records.iter().find_map(|record| match record {
        SlotRecord::AttemptStarted { resumed_from, passed_over, .. } => Some((*resumed_from, passed_over.clone())),
        _ => None,
    });
    started.unwrap()
}

#[test]
fn a_checkpoint_is_published_within_milliseconds_and_recorded() {
    let world = script(
        "offer 1; a=$(date +%s%N); answer 1; b=$(date +%s%N); echo $(((b - a) / 1000000)) > took; ls $BANDMASTER_CHECKPOINTS > answers",
    );
    let ended = world.run(&[segment()]);
    assert_eq!(published(&world), ["1.g1"]);
    assert_eq!(fs::read_to_string(world.work().join("answers")).unwrap(), "1.published\n");
    // Without inotify it would take the poll's second.
    let took: u64 = wait_for_file(&world.work().join("took"));
    assert!(took < 900, "{took} ms");
    let at = world.dir().checkpoints(segment().attempt.trial).join("1.g1");
    let manifest = fs::read(at.join("bandmaster-manifest.json")).unwrap();
    let hash = blake3::hash(&manifest).to_hex().to_string();
    let json: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let bound = ["sweep", "trial", "rung", "grant", "resource"].map(|key| json[key].clone());
    assert_eq!(serde_json::Value::from(bound.to_vec()), serde_json::json!(["digits-1", 4, 0, 1, 1]));
    assert_eq!(json["files"][0]["path"], "model");
    let recorded = ended.records.iter().find_map(|record| match record {
        SlotRecord::CheckpointPublished { directory, files, bytes, manifest, .. } => {
            Some((directory.clone(), *files, *bytes, manifest.clone()))
        }
        _ => None,
    });
    assert_eq!(recorded, Some(("sweeps/digits-1/trials/4/checkpoints/1.g1".into(), 1, 2, hash)));
    assert!(!world.has_staging());
}

#[test]
fn what_is_no_checkpoint_of_this_segment_is_refused_with_the_reason() {
    let world = script(
        r#"offer 4; answer 4; offer best; answer best; offer 2; answer 2; offer 2; until [ -e $BANDMASTER_CHECKPOINTS/2.refused ]; do sleep 0.01; done
        cat $BANDMASTER_CHECKPOINTS/*.refused > refused
        cd $BANDMASTER_CHECKPOINTS
        mkdir tmp; ln -s /etc/passwd tmp/model; mv tmp 3.ready; answer 3; rm 3.refused
        mkdir tmp; mkfifo tmp/model; mv tmp 3.ready; answer 3; rm 3.refused
        mkdir tmp; echo > tmp/bandmaster-manifest.json; mv tmp 3.ready; answer 3; rm 3.refused
        echo > 3.ready; answer 3; rm 3.refused; ls -d *.ready; offer 3; answer 3"#,
    );
    let ended = world.run(&[segment()]);
    assert_eq!(published(&world), ["2.g1", "3.g1"]);
    let refusals = ended.refusals();
    let expected = [
        "not in this segment",
        "whole number",
        "already published",
        "symbolic link",
        "neither",
        "kept for the launcher",
        "not a directory",
    ];
    assert_eq!(refusals.len(), expected.len(), "{refusals:?}");
    for ((_, why), word) in refusals.iter().zip(expected) {
        assert!(why.contains(word), "{why}");
    }
    assert!(fs::read_to_string(world.work().join("refused")).unwrap().contains("whole number"));
}

#[test]
fn a_checkpoint_that_is_offered_with_the_last_breath_is_published() {
    for end in ["exit 0", "kill -9 $$"] {
        let world = script(&format!("offer 1; offer 2; {end}"));
        let ended = world.run(&[segment()]);
        assert_eq!((published(&world), ended.end().checkpointed), (vec!["1.g1".into(), "2.g1".into()], Some(2)));
    }
}

#[test]
fn what_is_unfinished_is_not_left_behind() {
    let world = script("mkdir $BANDMASTER_CHECKPOINTS/tmp; echo > $BANDMASTER_CHECKPOINTS/tmp/half; kill -9 $$");
    world.run(&[segment()]);
    assert!(!world.dir().trials().exists() && !world.has_staging());
}

#[test]
fn a_truncated_checkpoint_is_passed_over_and_told() {
    let world = World::new(bash(PATIENT));
    fs::write(world.work().join("go"), "").unwrap();
    world.run(&[segment()]);
    let checkpoints = world.dir().checkpoints(segment().attempt.trial);
    fs::write(checkpoints.join("3.g1/model"), "").unwrap();
    let ended = world.run(&[again(&segment())]);
    assert_eq!(ended.end().cause, Cause::Completed);
    let (from, passed) = passed_over(&ended);
    assert_eq!((from, passed.len()), (Some(Resource(2)), 1));
    assert!(passed[0].checkpoint.ends_with("3.g1") && passed[0].why.contains("0 bytes instead of 2"), "{passed:?}");
    // The good one was taken anew beside it.
    assert_eq!(published(&world), ["1.g1", "2.g1", "3.g1", "3.g2"]);
}

#[test]
fn another_trials_checkpoint_is_not_resumed() {
    let world = World::new(bash(PATIENT));
    fs::write(world.work().join("go"), "").unwrap();
    world.run(&[segment()]);
    let mut other = again(&segment());
    other.attempt.trial.0 = 5;
    other.lineage = vec![LineageStep { rung: RungNo(0), up_to: Grant(9) }];
    let (theirs, its) = (world.dir().checkpoints(segment().attempt.trial), world.dir().checkpoints(other.attempt.trial));
    fs::create_dir_all(its.parent().unwrap()).unwrap();
    fs::rename(theirs, its).unwrap();
    let ended = world.run(&[other]);
    let (from, passed) = passed_over(&ended);
    assert_eq!((from, passed.len()), (None, 3));
    assert!(passed.iter().all(|passed| passed.why.contains("digits-1/4")), "{passed:?}");
    assert_eq!(fs::read_to_string(world.work().join("course")).unwrap(), "from 0\nfrom 0\n");
}

#[test]
fn checkpoints_outside_the_lineage_are_not_resumed() {
    let world = World::new(bash(PATIENT));
    fs::write(world.work().join("go"), "").unwrap();
    world.run(&[segment()]);
    let mut next = segment();
    next.attempt.grant = Grant(2);
    next.attempt.attempt = AttemptNo(2);
    let (from, passed) = passed_over(&world.run(&[next]));
    assert_eq!((from, passed.len()), (None, 3));
}

#[test]
fn an_older_attempt_that_still_lives_cannot_publish() {
    let world = script(
        r#"case $BANDMASTER_CHECKPOINTS in
        *.g1) echo $$ > old; until [ -e new ]; do sleep 0.01; done; offer 2; sleep 0.2; ls -d $BANDMASTER_CHECKPOINTS && echo there > zombie;;
        *) offer 1; answer 1; echo $$ > new; until [ -e done ]; do sleep 0.01; done;;
        esac"#,
    );
    world.write(None, &[segment()]);
    let old = world.start();
    let _: i32 = wait_for_file(&world.work().join("old"));
    world.write(None, &[again(&segment())]);
    let new = world.start();
    let _: i32 = wait_for_file(&world.work().join("new"));
    let ended = old.wait(&world);
    assert_eq!(ended.end().checkpointed, None);
    assert!(!world.work().join("zombie").exists());
    fs::write(world.work().join("done"), "").unwrap();
    new.wait(&world);
    assert_eq!(published(&world), ["1.g2"]);
}

#[test]
fn a_large_checkpoint_does_not_keep_the_loop_from_stopping() {
    let mut world = script(
        "truncate -s 1G $BANDMASTER_CHECKPOINTS/model; mkdir $BANDMASTER_CHECKPOINTS/tmp; mv $BANDMASTER_CHECKPOINTS/model $BANDMASTER_CHECKPOINTS/tmp; mv $BANDMASTER_CHECKPOINTS/tmp $BANDMASTER_CHECKPOINTS/1.ready; echo $$ > pid; until [ -e $BANDMASTER_STOP ]; do sleep 0.001; done; date +%s%N > stopped",
    );
    world.array.trial.stop_grace = bandmaster_record::Seconds(20.0);
    world.write(None, &[segment()]);
    let slot = world.start();
    let _: i32 = wait_for_file(&world.work().join("pid"));
    let began = Instant::now();
    slot.signal(nix::sys::signal::Signal::SIGTERM);
    wait_for("the trial to stop", || world.work().join("stopped").exists().then_some(()));
    let stopped = began.elapsed();
    let ended = slot.wait(&world);
    assert!(stopped < Duration::from_millis(500), "{stopped:?}");
    assert_eq!((ended.end().cause, ended.end().checkpointed), (Cause::Stopped, Some(1)));
}
