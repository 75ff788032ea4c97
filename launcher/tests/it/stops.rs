//! Being asked to stop: by a person, by the time limit, politely and not.

use std::fs;
use std::time::{Duration, Instant};

use bandmaster_record::{Cause, MetricSource, Resource, Seconds, SlotRecord};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::{Running, World, again, bash, runs, segment, wait_for, wait_for_file};

/// Trains to 3, checkpoints and reports at each resource, resumes, and leaves when it is asked to; stays at resource 2
/// until `go` is there.
pub(crate) const PATIENT: &str = r#"
    at=0
    if [ -n "$BANDMASTER_RESUME_FROM" ]; then at=$(cat "$BANDMASTER_RESUME_FROM/model"); fi
    echo "from $at" >> course
    if [ $at = $BANDMASTER_TARGET ]; then echo "{\"resource\": $at, \"loss\": 0.$at}" >> $BANDMASTER_REPORT; fi
    while [ $at -lt $BANDMASTER_TARGET ]; do
        while [ $at = 2 ] && [ ! -e go ] && [ ! -e "$BANDMASTER_STOP" ]; do echo $$ > waiting; sleep 0.01; done
        if [ -e "$BANDMASTER_STOP" ]; then cat "$BANDMASTER_STOP" >> asked; exit 0; fi
        at=$((at + 1))
        mkdir $BANDMASTER_CHECKPOINTS/tmp && echo $at > $BANDMASTER_CHECKPOINTS/tmp/model
        mv $BANDMASTER_CHECKPOINTS/tmp $BANDMASTER_CHECKPOINTS/$at.ready
        echo "{\"resource\": $at, \"loss\": 0.$at}" >> $BANDMASTER_REPORT
        until [ -e $BANDMASTER_CHECKPOINTS/$at.published ]; do sleep 0.01; done
    done"#;

fn waiting(world: &World) -> i32 {
    wait_for_file(&world.work().join("waiting"))
}

#[test]
fn a_stopped_attempt_is_resumed_from_its_checkpoint() {
    let world = World::new(bash(PATIENT));
    world.write(None, &[segment()]);
    let slot = world.start();
    waiting(&world);
    slot.signal(Signal::SIGTERM);
    slot.signal(Signal::SIGTERM);
    let ended = slot.wait(&world);
    assert_eq!((ended.code, ended.is_closed()), (Some(85), true), "{}", ended.stderr);
    let end = ended.end();
    assert_eq!((end.cause, end.code, end.checkpointed), (Cause::Stopped, Some(0), Some(2)));
    assert!(fs::read_to_string(world.work().join("asked")).unwrap().contains("\"reason\":\"asked\""));
    fs::write(world.work().join("go"), "").unwrap();
    let ended = world.run(&[again(&segment())]);
    assert_eq!((ended.end().cause, ended.end().checkpointed), (Cause::Completed, Some(3)));
    assert_eq!(fs::read_to_string(world.work().join("course")).unwrap(), "from 0\nfrom 2\n");
    let resumed = ended.records.iter().find_map(|record| match record {
        SlotRecord::AttemptStarted { resumed_from, checkpoint, .. } => Some((*resumed_from, checkpoint.clone())),
        _ => None,
    });
    assert_eq!(resumed, Some((Some(Resource(2)), Some("sweeps/digits-1/trials/4/checkpoints/2.g1".into()))));
}

#[test]
fn each_of_the_five_signals_asks_for_the_end_and_so_does_one_to_the_agent() {
    for signal in [Some(Signal::SIGINT), Some(Signal::SIGHUP), Some(Signal::SIGUSR1), Some(Signal::SIGUSR2), None] {
        let world = World::new(bash(PATIENT));
        world.write(None, &[segment()]);
        let slot = world.start();
        waiting(&world);
        match signal {
            Some(signal) => slot.signal(signal),
            None => kill(Pid::from_raw(slot.agent()), Signal::SIGTERM).unwrap(),
        }
        let ended = slot.wait(&world);
        assert_eq!((ended.code, ended.end().cause), (Some(85), Cause::Stopped), "{signal:?}");
    }
}

#[test]
fn a_trial_that_ignores_the_stop_file_is_killed_after_the_grace() {
    let mut world = World::new(bash("setsid sleep 1000 & echo $! > stray; echo $$ > pid; sleep 1000"));
    world.array.trial.stop_grace = Seconds(0.3);
    world.write(None, &[segment()]);
    let slot = world.start();
    let (pid, stray): (i32, i32) = (wait_for_file(&world.work().join("pid")), wait_for_file(&world.work().join("stray")));
    let began = Instant::now();
    slot.signal(Signal::SIGINT);
    let ended = slot.wait(&world);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!((ended.code, ended.end().cause), (Some(85), Cause::Stopped));
    assert!(ended.end().detail.contains("did not leave within 0.3 s"), "{}", ended.end().detail);
    assert!(!runs(pid) && !runs(stray));
}

#[test]
fn the_time_limit_asks_first_and_the_slot_goes_on() {
    let mut world = World::new(bash(PATIENT));
    world.array.trial.time = Some(Seconds(1.0));
    let ended = world.run(&[segment(), again(&segment())]);
    assert_eq!((ended.code, ended.causes()), (Some(0), vec![Cause::TimeLimit, Cause::TimeLimit]));
    assert!(fs::read_to_string(world.work().join("asked")).unwrap().contains("time_limit"));
    assert_eq!(fs::read_to_string(world.work().join("course")).unwrap(), "from 0\nfrom 2\n");
}

#[test]
fn a_result_that_was_reported_before_the_stop_counts() {
    let world = World::new(bash(
        r#"echo '{"resource": 3, "loss": 1}' >> $BANDMASTER_REPORT; echo $$ > pid; until [ -e $BANDMASTER_STOP ]; do sleep 0.01; done; exit 7"#,
    ));
    world.write(None, &[segment()]);
    let slot = world.start();
    let _: i32 = wait_for_file(&world.work().join("pid"));
    slot.signal(Signal::SIGTERM);
    let ended = slot.wait(&world);
    assert_eq!((ended.code, ended.end().cause, ended.end().code), (Some(85), Cause::Completed, Some(7)));
}

#[test]
fn the_stop_signal_reaches_the_trial_alone_and_only_when_the_sweep_wants_it() {
    for (wanted, trap) in [(Some("USR1"), "USR1"), (Some("TERM"), "TERM"), (None, "USR1")] {
        let mut world = World::new(bash(&format!(
            "trap 'echo heard >> heard; exit 0' {trap}; (trap 'echo child >> heard' {trap}; while :; do sleep 0.02; done) & echo $$ > pid; while [ ! -e $BANDMASTER_STOP ] || [ -n \"{}\" ]; do sleep 0.01; done",
            wanted.unwrap_or_default()
        )));
        world.array.trial.stop_signal = wanted.map(str::to_owned);
        world.write(None, &[segment()]);
        let slot = world.start();
        let _: i32 = wait_for_file(&world.work().join("pid"));
        slot.signal(Signal::SIGTERM);
        assert_eq!(slot.wait(&world).end().cause, Cause::Stopped);
        assert_eq!(fs::read_to_string(world.work().join("heard")).ok().as_deref(), wanted.map(|_| "heard\n"), "{wanted:?}");
    }
}

#[test]
fn what_a_scheduler_sends_to_everybody_does_not_kill_the_trial() {
    let world = World::new(bash(PATIENT));
    world.write(None, &[segment()]);
    let slot = world.start();
    let trial = waiting(&world);
    for signal in [Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGCONT] {
        kill(Pid::from_raw(trial), signal).unwrap();
    }
    std::thread::sleep(Duration::from_millis(50));
    assert!(runs(trial));
    fs::write(world.work().join("go"), "").unwrap();
    assert_eq!(slot.wait(&world).end().cause, Cause::Completed);
}

#[test]
fn what_an_interrupted_trial_printed_is_no_result() {
    let mut world = World::new(bash("echo val_loss=0.9; trap 'exit 0' USR1; echo $$ > pid; while :; do sleep 0.01; done"));
    world.array.trial.source = MetricSource::Stdout(r"val_loss=(\S+)".into());
    world.array.trial.stop_signal = Some("USR1".into());
    world.write(None, &[segment()]);
    let slot = world.start();
    let _: i32 = wait_for_file(&world.work().join("pid"));
    slot.signal(Signal::SIGTERM);
    assert_eq!(slot.wait(&world).end().cause, Cause::Stopped);
}

#[test]
fn a_slot_without_work_stops_at_once() {
    let mut world = World::new(bash("true"));
    world.array.idle = Seconds(1000.0);
    world.write(None, &[]);
    let slot: Running = world.start();
    let agent = slot.agent();
    slot.signal(Signal::SIGTERM);
    let ended = slot.wait(&world);
    assert_eq!((ended.code, ended.is_closed(), ended.causes().len()), (Some(85), true, 0));
    wait_for("the agent's end", || (!runs(agent)).then_some(()));
}
