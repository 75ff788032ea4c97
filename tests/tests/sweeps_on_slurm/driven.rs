//! The ways in which a sweep is driven, and the sites on which it runs.

use std::fs;
use std::time::Duration;

use bandmaster_tests::{TestCluster, processes_of, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::storm::{RUNNING, is_slot, preempt};
use crate::sweep::{Outcome, Sweep};

/// Submits, and does no more: slots and the jobs behind their arrays drive the sweep.
fn submit(sweep: &Sweep<'_>) {
    let output = sweep.run("login", &["submit", "sweep.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_sweep_of_which_every_slot_is_killed_goes_on_by_itself() {
    let expected = Outcome::undisturbed();
    let cluster = TestCluster::shared().unwrap();
    let sweep = Sweep::new(&cluster, "0.5", "");
    submit(&sweep);
    sweep.wait_for_count("running trials", RUNNING, 4);
    // Nobody is left to say or to submit anything, but for the jobs that wait for the arrays' ends.
    for pid in processes_of(sweep.place.path()).unwrap().into_iter().filter(|pid| is_slot(*pid)) {
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
    }
    sweep.wait_for_the_end();
    sweep.assert_same_as(&expected);
    assert_ne!(sweep.sql("SELECT count(*) FROM attempts WHERE cause = 'lost'"), "0");
}

/// The number that a process has on its own host.
fn pid_on_host(pid: Pid) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap();
    numbers.split_whitespace().next_back().unwrap().to_owned()
}

#[test]
fn a_service_drives_what_others_submit_and_leaves_when_it_is_told() {
    let cluster = TestCluster::shared().unwrap();
    let sweep = Sweep::new(&cluster, "1", "");
    submit(&sweep);
    let mut service = sweep.spawn("login", &["serve"]);
    // Slots and the jobs behind their arrays drive the sweep as well: what the service does is told by its process.
    let lease = format!("bandmaster % on login, process {}, held the lease %", pid_on_host(service.pid().unwrap()));
    let decided = format!(
        "SELECT count(*) FROM decisions WHERE kind <> 'lease_taken' AND epoch IN \
         (SELECT epoch FROM decisions WHERE kind = 'lease_taken' AND sentence LIKE '{lease}')"
    );
    sweep.wait_for_count("decisions of the service", &decided, 1);
    sweep.wait_for_the_end();
    service.signal(Signal::SIGTERM).unwrap();
    let output = service.wait().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_terminal_that_is_closed_costs_nothing_and_the_same_command_attaches_again() {
    let cluster = TestCluster::shared().unwrap();
    let sweep = Sweep::new(&cluster, "0.5", "");
    let mut run = sweep.spawn("login", &["run", "sweep.toml"]);
    sweep.wait_for_count("running trials", RUNNING, 2);
    run.signal(Signal::SIGINT).unwrap();
    let left = run.wait().unwrap();
    assert_eq!(left.status.code(), Some(5), "{}", said(&left));
    assert!(said(&left).contains("goes on without this terminal"), "{}", said(&left));
    let again = sweep.run("login", &["run", "sweep.toml"]);
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(said(&again).contains("digits-1 goes on"), "{}", said(&again));
    assert_eq!(sweep.sql("SELECT count(*) FROM sweeps"), "1");
}

/// The sweep on a site of its own, preempted twice; driven by itself, or by somebody who stays.
fn on_a_site(options: &[&str], stays: bool) {
    let expected = Outcome::undisturbed();
    let cluster = TestCluster::up(options).unwrap();
    let sweep = Sweep::new(&cluster, "1", "");
    submit(&sweep);
    let _service = stays.then(|| sweep.spawn("login", &["serve"]));
    for _ in 0..2 {
        sweep.wait_for_count("running trials", RUNNING, 2);
        preempt(&cluster, "4");
        std::thread::sleep(Duration::from_secs(2));
    }
    // Where Slurm does not put preempted tasks back, and slots had no time to start a tick, the arrays' ends do.
    sweep.wait_for_the_end();
    sweep.assert_same_as(&expected);
}

#[test]
#[ignore = "takes minutes: tests/run.sh --soak"]
fn on_a_site_that_cancels_what_it_preempts() {
    on_a_site(&["--preempt", "CANCEL"], false);
}

#[test]
#[ignore = "takes minutes: tests/run.sh --soak"]
fn on_a_site_without_accounts() {
    on_a_site(&["--no-accounting"], false);
}

#[test]
#[ignore = "takes minutes: tests/run.sh --soak"]
fn on_a_site_that_gives_no_time_to_leave() {
    on_a_site(&["--grace", "0", "--kill-wait", "2"], false);
}

#[test]
#[ignore = "takes minutes: tests/run.sh --soak"]
fn on_a_site_whose_nodes_submit_nothing() {
    on_a_site(&["--no-submit-from-nodes"], true);
}

#[test]
#[ignore = "takes minutes: tests/run.sh --soak"]
fn on_a_site_of_small_arrays_and_few_jobs() {
    // The limit leaves no place for the jobs behind the arrays at times, so that somebody must wait it out.
    on_a_site(&["--max-array", "4", "--max-submit", "5"], true);
}

#[test]
#[ignore = "takes minutes: tests/run.sh --soak"]
fn on_a_site_that_follows_process_groups() {
    on_a_site(&["--proctrack", "pgid"], false);
}
