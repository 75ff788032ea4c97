//! A slot or an agent that is killed at each crash point in turn, and a next slot that goes on: nothing is lost, nothing
//! counts twice, nothing stays behind.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;

use bandmaster_record::{Cause, SlotRecord};

use crate::stops::PATIENT;
use crate::world::{Ended, Running, World, again, bash, runs, segment, wait_for};

/// How many worlds are explored at the same time: most of the time they wait for the disk.
const THREADS: usize = 4;

/// Each point is armed for the first, the second and the third time that it is passed.
const PASSES: u32 = 3;

/// All crash points that a slot of this machine may pass: the launcher's own, but where Slurm is asked, and the journal
/// crate's but what is the searcher's.
fn points() -> BTreeSet<&'static str> {
    let journal = bandmaster_journal::CRASH_POINTS.iter().filter(|point| !point.starts_with("journal.lease"));
    let own = bandmaster_launch::CRASH_POINTS.iter().filter(|point| !point.starts_with("launch.ask"));
    own.chain(journal.filter(|point| !point.starts_with("journal.publish"))).copied().collect()
}

#[test]
fn whatever_is_killed_wherever_the_next_slot_goes_on() {
    let todo = Mutex::new(points());
    let missed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(point) = { todo.lock().unwrap().pop_first() } {
                    let killed = (0..PASSES).take_while(|passes| is_survived(point, *passes)).count();
                    if killed == 0 {
                        missed.lock().unwrap().push(point);
                    }
                }
            });
        }
    });
    assert_eq!(*missed.lock().unwrap(), [""; 0], "points that nobody passed");
}

/// Kills at that point after so many passes, and lets another slot go on. False if the point was not passed so often.
fn is_survived(point: &str, passes: u32) -> bool {
    let at = format!("{point} after {passes}");
    let mut world = World::new(bash(PATIENT));
    fs::write(world.work().join("go"), "").unwrap();
    // A searcher, so that the points around its start are passed; an older grant's staging, so that there is a fence.
    world.array.searcher = Some("/bin/true".into());
    let old = segment().attempt;
    fs::create_dir_all(world.dir().staging(old.trial, old.rung, old.grant).join("tmp")).unwrap();
    let segment = again(&segment());
    world.write(None, std::slice::from_ref(&segment));
    let mut command = world.command();
    command.env("FAILPOINTS", format!("{point}={passes}*off->return"));
    let first = Running::try_spawn(&mut command).map(|slot| slot.wait(&world));
    let killed = first.as_ref().is_none_or(|ended| ended.code.is_none() || ended.causes().contains(&Cause::Lost));
    if !killed {
        return false;
    }
    // What the first one has acknowledged must still be there for the second.
    let records = first.as_ref().map(|ended| ended.records.as_slice()).unwrap_or_default();
    let published = records.iter().filter_map(|record| match record {
        SlotRecord::CheckpointPublished { resource, .. } => Some(*resource),
        _ => None,
    });
    let acknowledged = published.max();
    // As the searcher does: what a new grant offers is offered no more under the old one.
    fs::remove_dir_all(world.dir().offers()).unwrap();
    let second = world.run(&[again(&segment)]);
    assert_eq!((second.code, second.end().cause), (Some(0), Cause::Completed), "{at}: {second:?}");
    let (resumed, passed_over) = resumption(&second);
    assert!(resumed >= acknowledged, "{at}: {resumed:?} after {acknowledged:?}");
    assert_eq!(passed_over, 0, "{at}: {second:?}");
    assert!(!world.has_staging(), "{at}");
    nothing_stays(&world);
    true
}

/// The resource that the attempt resumed, and how many checkpoints it passed over.
fn resumption(ended: &Ended) -> (Option<bandmaster_record::Resource>, usize) {
    let started = ended.records.iter().find_map(|record| match record {
        SlotRecord::AttemptStarted { resumed_from, passed_over, .. } => Some((*resumed_from, passed_over.len())),
        _ => None,
    });
    started.unwrap()
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
