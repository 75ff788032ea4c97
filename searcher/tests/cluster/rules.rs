//! What every cluster does, and never does.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use bandmaster::cluster::Survey;
use bandmaster_journal::{Created, Lease, Taken, create_once};
use bandmaster_record::{Cause, Phase, SearcherRecord};

use crate::bench::{Bench, VOID};
use crate::ground::Ground;

pub(crate) fn tasks_open_journals_under_their_job<G: Ground>() {
    let mut bench = Bench::<G>::new(2, 2);
    let (array, job) = bench.start();
    bench.until_running(2);
    let started: BTreeSet<_> = bench.started().into_iter().collect();
    assert_eq!(started, [(array, job.clone(), 0), (array, job, 1)].into());
    bench.finish();
}

pub(crate) fn nothing_is_said_of_slots_that_live<G: Ground>() {
    let mut bench = Bench::<G>::new(2, 2);
    bench.start();
    bench.until_running(2);
    // What is new now is recorded.
    bench.look();
    bench.cluster.calls();
    for _ in 0..3 {
        assert_eq!(bench.survey(), Survey::default());
    }
    let calls = bench.cluster.calls();
    assert!(calls.values().sum::<u64>() <= 3, "one look asks once: {calls:?}");
    bench.finish();
}

pub(crate) fn a_killed_slot_is_gone_and_a_living_one_is_not<G: Ground>() {
    let mut bench = Bench::<G>::new(2, 2);
    bench.start();
    bench.until_running(2);
    let victim = bench.state().slots.keys().next().unwrap().clone();
    bench.kill(&victim);
    bench.until("the end of the killed slot", |bench| !bench.state().slots.contains_key(&victim));
    assert_eq!((bench.state().slots.len(), bench.ended().len()), (1, 0));
    bench.go();
    bench.until_rest();
    assert_eq!((bench.ended(), bench.closed()), (vec![Cause::Completed], 1));
}

pub(crate) fn an_array_submitted_twice_runs_each_segment_once<G: Ground>() {
    let mut bench = Bench::<G>::new(2, 2);
    let (array, _) = bench.start();
    bench.submit(array);
    bench.until_running(2);
    bench.finish();
    bench.submit(array);
    bench.until("all tasks", |bench| bench.came() == 6);
    bench.until_rest();
    bench.assert_each_ran_once(2);
    let jobs: BTreeSet<_> = bench.started().into_iter().map(|(_, job, _)| job).collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
}

/// The submission that was recorded need not be the one whose tasks came first.
pub(crate) fn an_array_belongs_to_the_job_that_came_first<G: Ground>() {
    let mut bench = Bench::<G>::new(2, 2);
    let array = bench.intend();
    bench.submit(array);
    let late = bench.submit(array);
    bench.record_submitted(array, &late);
    bench.until_running(2);
    let owner = fs::read_to_string(bench.owner_file(array)).unwrap();
    assert_eq!(bench.job(array).unwrap().as_str(), owner);
    bench.finish();
    bench.until("all tasks", |bench| bench.came() == 4);
    bench.until_rest();
}

pub(crate) fn an_array_that_was_given_up_runs_nothing<G: Ground>() {
    let mut bench = Bench::<G>::new(2, 2);
    let array = bench.intend();
    assert_eq!(create_once(&bench.owner_file(array), VOID).unwrap(), Created::Mine);
    bench.abandon(array);
    bench.submit(array);
    bench.until("all tasks", |bench| bench.came() == 2);
    assert_eq!(bench.started(), []);
    bench.assert_each_ran_once(0);
}

pub(crate) fn what_is_told_to_stop_stops_and_what_waits_never_begins<G: Ground>() {
    let mut bench = Bench::<G>::new(3, 2);
    bench.start();
    bench.until_running(2);
    bench.record(SearcherRecord::PhaseChanged { sweep: bench.sweep.clone(), phase: Phase::Paused, why: "paused".to_owned() });
    bench.stop();
    bench.stop();
    bench.until_rest();
    assert_eq!((bench.ended(), bench.closed()), (vec![Cause::Stopped; 2], 2));
    bench.assert_each_ran_once(2);
    // Who asked for it is not surprised by it.
    assert_eq!((bench.state().phase, &bench.state().cancelled), (Phase::Paused, &None));
    bench.cluster.calls();
    bench.stop();
    assert_eq!(bench.cluster.calls(), [].into());
}

pub(crate) fn where_nothing_is_out_nothing_is_asked<G: Ground>() {
    let mut bench = Bench::<G>::new(2, 2);
    assert_eq!((bench.survey(), bench.cluster.calls()), (Survey::default(), [].into()));
    bench.start();
    bench.finish();
    bench.cluster.calls();
    assert_eq!((bench.survey(), bench.cluster.calls()), (Survey::default(), [].into()));
}

pub(crate) fn a_submission_that_nobody_recorded_is_found_again<G: Ground>() {
    let mut bench = Bench::<G>::new(2, 2);
    let array = bench.intend();
    let job = bench.submit(array);
    bench.look();
    assert_eq!(bench.job(array), Some(job));
    bench.finish();
}

pub(crate) fn after_the_end_every_array_is_over<G: Ground>() {
    let mut bench = Bench::<G>::new(3, 2);
    bench.start();
    bench.finish();
    assert_eq!((bench.ended(), bench.closed()), (vec![Cause::Completed; 3], bench.started().len()));
}

pub(crate) fn what_ticks_at_the_end_waits_for_it<G: Ground>() {
    let mut bench = Bench::<G>::new(1, 1);
    let (array, job) = bench.start();
    bench.until_running(1);
    let live = bench.live().clone();
    let ticks = bench.cluster.backstop(&bench.campaign, array, &live).unwrap();
    assert!(ticks.is_some() == G::TICKS && ticks.as_ref() != Some(&job), "{ticks:?}");
    let leases = |bench: &Bench<G>| fs::read_dir(bench.campaign.lease_dir()).unwrap().count();
    assert_eq!(leases(&bench), 0);
    bench.finish();
    if G::TICKS {
        // It took the lease, and gave it back.
        bench.until("a tick", |bench| leases(bench) > 0);
        bench.until("its end", |bench| match Lease::take(&bench.campaign, Duration::from_secs(3600)).unwrap() {
            Taken::Mine(lease) => lease.release().is_ok(),
            Taken::Held(_) => false,
        });
    }
}
