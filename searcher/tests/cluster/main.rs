//! The rules that every cluster keeps, tried with real slots: on this machine, and within a real Slurm.

#![cfg(test)]

mod bench;
mod ground;
mod rules;

use std::fs;

use bandmaster::binaries::Programs;
use bandmaster_tests::{TestCluster, said};

/// Each rule as a test on this machine, and as one that runs within a cluster.
macro_rules! rules {
    ($($rule:ident)*) => {
        /// How many there are.
        const RULES: usize = [$(stringify!($rule)),*].len();

        mod local {
            $(#[test] fn $rule() { crate::rules::$rule::<crate::ground::ThisMachine>(); })*
        }

        mod slurm {
            $(#[test]
            #[ignore = "runs on a host of a Slurm cluster: `slurm_keeps_every_rule` takes it there"]
            fn $rule() { crate::rules::$rule::<crate::ground::Slurm>(); })*
        }
    };
}

rules! {
    tasks_open_journals_under_their_job
    nothing_is_said_of_slots_that_live
    a_killed_slot_is_gone_and_a_living_one_is_not
    an_array_submitted_twice_runs_each_segment_once
    an_array_belongs_to_the_job_that_came_first
    an_array_that_was_given_up_runs_nothing
    what_is_told_to_stop_stops_and_what_waits_never_begins
    where_nothing_is_out_nothing_is_asked
    a_submission_that_nobody_recorded_is_found_again
    after_the_end_every_array_is_over
    what_ticks_at_the_end_waits_for_it
}

#[test]
fn slurm_keeps_every_rule() {
    let cluster = TestCluster::shared().unwrap();
    let place = cluster.place().unwrap();
    let Programs { searcher, launcher } = bench::programs();
    let [this, ..] = [std::env::current_exe().unwrap(), searcher, launcher].map(|program| {
        let copy = place.path().join(program.file_name().unwrap());
        fs::copy(&program, &copy).unwrap();
        copy
    });
    let output = place.command("login", &[this.to_str().unwrap(), "--ignored", "--test-threads=3", "slurm::"]).output().unwrap();
    let said = said(&output);
    // A filter that selects nothing would succeed too.
    assert!(said.contains(&format!("test result: ok. {RULES} passed")), "{said}");
}
