//! A slot or an agent that is killed at each crash point in turn, and a next slot that goes on: nothing is lost, nothing
//! counts twice, nothing stays behind.

use std::collections::BTreeSet;
use std::fs;

use bandmaster_record::{Cause, SlotRecord};

use crate::stops::PATIENT;
use crate::world::{Ended, Running, World, again, bash, runs, segment, wait_for};

/// Runs a slot with that failpoint armed; `None` when it was killed before it was ready.
fn run(world: &World, failpoints: &str) -> Option<Ended> {
    let mut command = world.command();
    command.env("FAILPOINTS", failpoints);
    Running::try_spawn(&mut command).map(|slot| slot.wait(world))
}

/// All crash points of a slot: the launcher's, and those of the journal crate that it passes.
fn points() -> BTreeSet<&'static str> {
    bandmaster_launch::CRASH_POINTS.iter().chain(bandmaster_journal::CRASH_POINTS).copied().collect()
}

#[test]
fn whatever_is_killed_wherever_the_next_slot_goes_on() {
    let mut reached = BTreeSet::new();
    for point in points() {
        for passes in 0..3 {
            let world = World::new(bash(PATIENT));
            fs::write(world.work().join("go"), "").unwrap();
            // A searcher, so that the points around its start are passed.
            let mut world = world;
            world.array.searcher = Some("/bin/true".into());
            world.write(None, &[segment()]);
            let first = run(&world, &format!("{point}={passes}*off->return"));
            let killed = first.as_ref().is_none_or(|ended| ended.code.is_none() || ended.causes().contains(&Cause::Lost));
            if !killed {
                break;
            }
            reached.insert(point);
            // Whatever the first one has acknowledged must still be there for the second.
            let acknowledged = first.iter().flat_map(|ended| &ended.records).filter_map(|record| match record {
                SlotRecord::CheckpointPublished { resource, .. } => Some(resource.0),
                _ => None,
            });
            let acknowledged = acknowledged.max();
            let done = first.as_ref().is_some_and(|ended| ended.causes() == [Cause::Completed]);
            let second = world.run(&[again(&segment())]);
            assert_eq!((second.code, second.end().cause), (Some(0), Cause::Completed), "{point} {passes}: {second:?}");
            let resumed = second.records.iter().find_map(|record| match record {
                SlotRecord::AttemptStarted { resumed_from, passed_over, .. } => Some((*resumed_from, passed_over.clone())),
                _ => None,
            });
            let (resumed, passed) = resumed.unwrap();
            assert!(resumed.map(|at| at.0) >= acknowledged, "{point} {passes}: {resumed:?} after {acknowledged:?}");
            assert!(!done || resumed.is_some_and(|at| at.0 == 3), "{point} {passes}");
            assert!(passed.is_empty(), "{point} {passes}: {passed:?}");
            assert!(!world.dir().trials().join("4/staging").exists(), "{point} {passes}");
            nothing_stays(&world);
        }
    }
    // The searcher's own business, and what needs an attempt before.
    let never: Vec<_> = points().difference(&reached).copied().collect();
    assert!(never.iter().all(|point| point.starts_with("journal.lease") || point.starts_with("journal.publish")), "{never:?}");
}

/// No process works in the world's directory any more.
fn nothing_stays(world: &World) {
    let work = world.work();
    let at = || {
        let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        all.filter(|pid| runs(*pid) && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == work)).count()
    };
    wait_for("the trials' processes to go", || (at() == 0).then_some(()));
}
