//! What a slot does beside running trials: whose it is, what it takes, whom it wakes, how it refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use bandmaster_record::{ArrayNo, Cause, Seconds, Segment, SlotRecord};

use crate::stops::PATIENT;
use crate::world::{Running, World, again, bash, segment, wait_for};

const REPORT: &str = r#"echo '{"resource": 3, "loss": 1}' >> $BANDMASTER_REPORT"#;

fn trials(count: u32) -> Vec<Segment> {
    let mut all = vec![segment(); count as usize];
    all.iter_mut().zip(0..).for_each(|(segment, trial)| segment.attempt.trial.0 = trial);
    all
}

/// What a slot that never becomes ready says.
fn refused(world: &World) -> (Option<i32>, String) {
    let output = world.command().output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn slots_share_the_offers_and_run_each_segment_once() {
    let world = World::new(bash(&format!("sleep 0.02; echo x >> $(basename $BANDMASTER_TRIAL); {REPORT}")));
    world.write(None, &trials(12));
    let slots: Vec<Running> = (0..3).map(|_| world.start()).collect();
    let ended: Vec<_> = slots.into_iter().map(|slot| slot.wait(&world)).collect();
    assert_eq!(ended.iter().map(|ended| ended.causes().len()).sum::<usize>(), 12);
    assert!(ended.iter().all(|ended| ended.is_closed() && ended.causes().iter().all(|cause| *cause == Cause::Completed)));
    for trial in 0..12 {
        assert_eq!(fs::read_to_string(world.work().join(trial.to_string())).unwrap(), "x\n");
    }
    assert_eq!(fs::read_dir(world.dir().claims()).unwrap().count(), 12);
}

#[test]
fn a_task_of_another_array_runs_nothing() {
    let world = World::new(bash(REPORT));
    world.write(None, &[segment()]);
    fs::write(world.dir().owner(ArrayNo(1)), "void").unwrap();
    let (code, stderr) = refused(&world);
    assert_eq!(code, Some(0));
    assert!(stderr.contains("void"), "{stderr}");
    assert!(!world.dir().slots().exists());
}

#[test]
fn offers_that_are_taken_back_are_not_run() {
    let world = World::new(bash(&format!("echo > first; until [ -e go ]; do sleep 0.01; done; {REPORT}")));
    world.write(None, &trials(3));
    let slot = world.start();
    wait_for("the first trial", || world.work().join("first").exists().then_some(()));
    fs::remove_dir_all(world.dir().offers()).unwrap();
    fs::create_dir(world.dir().offers()).unwrap();
    fs::write(world.work().join("go"), "").unwrap();
    assert_eq!(slot.wait(&world).causes(), [Cause::Completed]);
}

/// A searcher that writes down how it was called.
fn with_searcher(world: &mut World, script: &str) {
    let path = world.temp.path().join("searcher");
    fs::write(&path, format!("#!/bin/bash\necho \"$@\" >> {}\n{script}", world.temp.path().join("ticks").display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    world.array.searcher = Some(path.display().to_string());
}

fn ticks(world: &World) -> Vec<String> {
    fs::read_to_string(world.temp.path().join("ticks")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn a_tick_is_started_when_nobody_takes_the_wanted_file_and_one_at_the_end() {
    let mut world = World::new(bash(REPORT));
    let wanted = world.campaign.wanted();
    with_searcher(&mut world, &format!("rm -f {}/*\n", wanted.display()));
    world.array.idle = Seconds(0.6);
    let ended = world.run(&[segment()]);
    assert_eq!((ended.code, ended.causes()), (Some(0), vec![Cause::Completed]));
    let call = format!("tick --campaign {}", world.campaign.root().display());
    wait_for("two ticks", || (ticks(&world).len() == 2).then_some(()));
    assert_eq!(ticks(&world), [call.clone(), call]);
}

#[test]
fn a_busy_slot_starts_ticks_too_and_a_stopped_one_none() {
    let mut world = World::new(bash("if [ $BANDMASTER_TRIAL = digits-1/1 ]; then until [ -e $BANDMASTER_STOP ]; do sleep 0.01; done; fi"));
    with_searcher(&mut world, "");
    world.write(None, &trials(2));
    let slot = world.start();
    wait_for("a tick", || (!ticks(&world).is_empty()).then_some(()));
    let began = Instant::now();
    slot.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = slot.wait(&world);
    assert_eq!((ended.code, ended.causes()), (Some(85), vec![Cause::NoResult, Cause::Stopped]));
    assert!(began.elapsed() < Duration::from_secs(2));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(ticks(&world).len(), 1);
    assert_eq!(fs::read_dir(world.campaign.wanted()).unwrap().count(), 1);
}

#[test]
fn a_reserved_segment_is_run_and_no_other() {
    let mut world = World::new(bash(REPORT));
    world.array.reserved = vec![segment(), trials(1).remove(0)];
    let ended = world.run(&trials(3));
    assert_eq!((ended.code, ended.end().cause), (Some(0), Cause::Completed));
    assert!(world.dir().claim(segment().attempt.trial, segment().attempt.rung, segment().attempt.grant).exists());
    assert_eq!(fs::read_dir(world.dir().claims()).unwrap().count(), 1);
    // The task runs again, although its segment is done: it does not wait, and does not take what is offered.
    world.array.idle = Seconds(1000.0);
    let ended = world.run(&[again(&segment())]);
    assert_eq!((ended.code, ended.causes().len(), ended.is_closed()), (Some(0), 0, true), "{ended:?}");
}

#[test]
fn a_task_that_runs_again_waits_for_the_next_grant_of_its_segment_alone() {
    let mut world = World::new(bash(PATIENT));
    world.array.reserved = vec![segment()];
    world.array.idle = Seconds(0.3);
    world.write(None, &trials(2));
    let first = world.start();
    wait_for("the trial at 2", || world.work().join("waiting").exists().then_some(()));
    first.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(first.wait(&world).causes(), [Cause::Stopped]);
    // Nobody grants it again.
    let ended = world.start().wait(&world);
    assert_eq!((ended.code, ended.causes().len(), ended.is_closed()), (Some(0), 0, true));
    assert_eq!(fs::read_dir(world.campaign.wanted()).unwrap().count(), 2);
    world.array.idle = Seconds(1000.0);
    world.write(None, &trials(2));
    let third = world.start();
    fs::write(world.work().join("go"), "").unwrap();
    world.write(None, &[trials(3).remove(2), again(&segment())]);
    let ended = third.wait(&world);
    assert_eq!((ended.code, ended.end().cause, ended.end().checkpointed), (Some(0), Cause::Completed, Some(3)));
    assert_eq!(fs::read_dir(world.dir().claims()).unwrap().count(), 2);
}

#[test]
fn what_is_wrong_with_the_campaign_is_said_in_one_line() {
    let world = World::new(bash(REPORT));
    let (code, stderr) = refused(&world);
    assert_eq!((code, stderr.lines().count()), (Some(4), 1), "{stderr}");
    world.write(None, &[]);
    fs::remove_file(world.dir().array(ArrayNo(1))).unwrap();
    let (code, stderr) = refused(&world);
    assert!(code == Some(4) && stderr.contains("array 1 of digits-1"), "{stderr}");
    world.write(None, &[]);
    fs::write(world.dir().array(ArrayNo(1)), "{").unwrap();
    assert_eq!(refused(&world).0, Some(8));
    fs::set_permissions(world.campaign.root(), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, stderr) = refused(&world);
    assert!(code == Some(10) && stderr.contains("chmod go-w"), "{stderr}");
}

#[test]
fn an_agent_that_no_slot_started_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_bandmaster-launch")).arg("agent").stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("slot"));
}

#[test]
fn surroundings_are_written_once() {
    let world = World::new(bash(REPORT));
    let ended = world.run(&trials(3));
    assert_eq!(ended.records.iter().filter(|record| matches!(record, SlotRecord::Surroundings(_))).count(), 1);
}
