//! kill -9 of each process in turn.

use std::fs;
use std::path::PathBuf;

use bandmaster_record::{Cause, SlotRecord};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stops::PATIENT;
use crate::world::{World, again, bash, runs, segment, wait_for, wait_for_file};

/// A trial that leaves a process in a session of its own, and stays.
const STRAY: &str = "dirname $(dirname $BANDMASTER_REPORT) > home; setsid sleep 1000 & echo $! > stray; echo $$ > pid; sleep 1000";

fn pids(world: &World) -> [i32; 2] {
    ["pid", "stray"].map(|file| wait_for_file(&world.work().join(file)))
}

fn gone(pids: [i32; 2]) {
    for pid in pids {
        wait_for("a process to go", || (!runs(pid)).then_some(()));
    }
}

#[test]
fn when_the_slot_is_killed_nothing_of_it_stays() {
    let world = World::new(bash(STRAY));
    world.write(None, &[segment()]);
    let slot = world.start();
    let (pids, agent) = (pids(&world), slot.agent());
    let home: PathBuf = wait_for_file(&world.work().join("home"));
    slot.signal(Signal::SIGKILL);
    assert_eq!(slot.wait_code().0, None);
    gone(pids);
    wait_for("the agent's end", || (!runs(agent) && !home.exists()).then_some(()));
}

#[test]
fn when_the_agent_is_killed_the_attempt_is_lost_and_the_slot_goes_on() {
    let world =
        World::new(bash(&format!("if [ -e pid ]; then echo '{{\"resource\": 3, \"loss\": 1}}' >> $BANDMASTER_REPORT; exit; fi; {STRAY}")));
    world.write(None, &[segment(), again(&segment())]);
    let slot = world.start();
    let pids = pids(&world);
    let home: PathBuf = wait_for_file(&world.work().join("home"));
    kill(Pid::from_raw(slot.agent()), Signal::SIGKILL).unwrap();
    let ended = slot.wait(&world);
    gone(pids);
    assert!(!home.exists());
    assert_eq!((ended.code, ended.causes()), (Some(0), vec![Cause::Lost, Cause::Completed]));
    assert!(ended.ends()[0].detail.contains("SIGKILL"), "{:?}", ended.ends());
}

#[test]
fn agents_that_die_at_once_end_the_slot_and_not_one_attempt_after_another() {
    let mut world = World::new(bash("true"));
    world.array.idle = bandmaster_record::Seconds(1000.0);
    world.write(None, &[]);
    let slot = world.start();
    let mut last = 0;
    for _ in 0..3 {
        last = wait_for("another agent", || Some(slot.agent()).filter(|agent| *agent != last && runs(*agent)));
        kill(Pid::from_raw(last), Signal::SIGKILL).unwrap();
    }
    let ended = slot.wait(&world);
    assert_eq!((ended.code, ended.is_closed()), (Some(1), true), "{ended:?}");
    assert!(ended.stderr.contains("SIGKILL"), "{}", ended.stderr);
}

#[test]
fn an_attempt_whose_agent_is_the_last_one_is_ended_before_its_slot_fails() {
    let mut world = World::new(bash("true"));
    world.array.idle = bandmaster_record::Seconds(1000.0);
    world.write(None, &[]);
    let slot = world.start();
    let mut agent = slot.agent();
    for _ in 0..2 {
        kill(Pid::from_raw(agent), Signal::SIGKILL).unwrap();
        agent = wait_for("another agent", || Some(slot.agent()).filter(|next| *next != agent && runs(*next)));
    }
    // It is told to start a trial, and dies of it.
    suspend(agent);
    world.write(None, &[segment()]);
    let began = |record: &SlotRecord| matches!(record, SlotRecord::AttemptStarted { .. });
    wait_for("the attempt", || world.records(&slot.id).iter().any(began).then_some(()));
    kill(Pid::from_raw(agent), Signal::SIGKILL).unwrap();
    let ended = slot.wait(&world);
    assert_eq!((ended.code, ended.end().cause), (Some(1), Cause::Lost));
    let Some(SlotRecord::SlotEnded { why }) = ended.records.last() else { panic!("{ended:?}") };
    assert!(why.contains("agents") && why.contains("SIGKILL"), "{why}");
}

#[test]
fn a_slot_writes_its_end_before_it_waits_for_its_agent() {
    let mut world = World::new(bash("true"));
    world.array.idle = bandmaster_record::Seconds(1000.0);
    world.write(None, &[]);
    let slot = world.start();
    let agent = slot.agent();
    suspend(agent);
    slot.signal(Signal::SIGTERM);
    wait_for("the slot's end in its journal", || world.records(&slot.id).iter().any(is_end).then_some(()));
    let waits = runs(agent);
    kill(Pid::from_raw(agent), Signal::SIGCONT).unwrap();
    assert!(waits, "the agent was waited for first");
    assert_eq!(slot.wait(&world).code, Some(85));
}

/// Stops an agent, once it is one: the slot waits for a child of it to execute its program.
fn suspend(agent: i32) {
    let is_agent = || fs::read_to_string(format!("/proc/{agent}/cmdline")).is_ok_and(|words| words.ends_with("\0agent\0"));
    wait_for("the agent", || is_agent().then_some(()));
    kill(Pid::from_raw(agent), Signal::SIGSTOP).unwrap();
}

fn is_end(record: &SlotRecord) -> bool {
    matches!(record, SlotRecord::SlotEnded { .. })
}

#[test]
fn an_agent_that_does_nothing_more_does_not_keep_its_slot() {
    let mut world = World::new(bash(STRAY));
    world.array.trial.stop_grace = bandmaster_record::Seconds(0.1);
    world.write(None, &[segment()]);
    let slot = world.start();
    let pids = pids(&world);
    suspend(slot.agent());
    slot.signal(Signal::SIGTERM);
    let ended = slot.wait(&world);
    gone(pids);
    assert_eq!((ended.code, ended.end().cause, ended.is_closed()), (Some(85), Cause::Stopped, true), "{ended:?}");
    assert!(ended.end().detail.contains("did not go when it was killed"), "{}", ended.end().detail);
}

#[test]
fn a_trial_that_is_killed_is_resumed_where_it_was() {
    let world = World::new(bash(PATIENT));
    world.write(None, &[segment()]);
    let slot = world.start();
    let trial: i32 = wait_for_file(&world.work().join("waiting"));
    kill(Pid::from_raw(trial), Signal::SIGKILL).unwrap();
    let ended = slot.wait(&world);
    assert_eq!((ended.end().cause, ended.end().checkpointed), (Cause::Signal, Some(2)));
    fs::write(world.work().join("go"), "").unwrap();
    assert_eq!(world.run(&[again(&segment())]).end().cause, Cause::Completed);
    assert_eq!(fs::read_to_string(world.work().join("course")).unwrap(), "from 0\nfrom 2\n");
}

#[test]
fn a_slot_that_is_killed_leaves_checkpoints_that_the_next_one_resumes() {
    let world = World::new(bash(PATIENT));
    world.write(None, &[segment()]);
    let slot = world.start();
    let trial: i32 = wait_for_file(&world.work().join("waiting"));
    slot.signal(Signal::SIGKILL);
    slot.wait_code();
    wait_for("the trial's end", || (!runs(trial)).then_some(()));
    fs::write(world.work().join("go"), "").unwrap();
    let ended = world.run(&[again(&segment())]);
    assert_eq!(ended.end().cause, Cause::Completed);
    assert_eq!(fs::read_to_string(world.work().join("course")).unwrap(), "from 0\nfrom 2\n");
    // The staging of the attempt that died is gone as well.
    assert!(!world.has_staging());
}
