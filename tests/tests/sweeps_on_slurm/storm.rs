//! The worst hour of a cluster, in a minute: whatever happens to a sweep, it comes to what it would have come to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bandmaster_tests::{TestCluster, processes_of, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::calls::Calls;
use crate::sweep::{Outcome, Sweep, ended};

/// How long a host is cut off.
const CUT: Duration = Duration::from_secs(30);

pub(crate) const RUNNING: &str = "SELECT count(*) FROM attempts WHERE state = 'running'";

/// Waits until a trial runs whose attempt began after the last of these attempts: those of a host that was cut off still
/// count as running.
fn wait_for_another(sweep: &Sweep<'_>, last: &str) {
    sweep.wait_for_count("trials that run again", &format!("{RUNNING} AND started_at > '{last}'"), 1);
}

/// When the last attempt began.
fn last_began(sweep: &Sweep<'_>) -> String {
    let last = sweep.sql("SELECT max(started_at) FROM attempts");
    assert!(!last.is_empty(), "{}", sweep.told());
    last
}

/// A job that no other may share a node with takes all of them for a moment.
pub(crate) fn preempt(cluster: &TestCluster, nodes: &str) {
    let urgent = ["sbatch", "-p", "urgent", "--exclusive", "-N", nodes, "-o", "/dev/null", "--wrap", "sleep 2", "--wait"];
    // Not ada, whose number of jobs may be limited.
    let output = ended(cluster.command_with("login", &["--as", "bob"], &urgent)).unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// The searcher dies at a crash point. Says whether it came there.
pub(crate) fn dies_at(sweep: &Sweep<'_>, programs: &std::path::Path, point: &str, args: &[&str]) -> bool {
    let command = sweep.program(programs, "login", &[format!("FAILPOINTS={point}=return")], args);
    // 137 or a signal: nsenter passes the death on.
    ended(command).unwrap().status.code().is_none_or(|code| code == 137)
}

#[test]
fn a_sweep_in_a_storm_comes_to_the_same_promotions_and_the_same_bits() {
    let expected = Outcome::undisturbed();
    let cluster = TestCluster::shared().unwrap();
    let sweep = Sweep::new(&cluster, "4", "");
    let calls = Calls::counted(&sweep);
    let crashing = sweep.with_crash_points();

    assert!(dies_at(&sweep, &crashing, "tick.submit.before", &["submit", "sweep.toml"]), "between intent and sbatch");
    assert!(dies_at(&sweep, &crashing, "tick.submit.after", &["tick"]), "between sbatch and record");

    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A second searcher ticks from another host all the time.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                ended(sweep.bandmaster("n4", &["tick", "--quiet"])).unwrap();
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        let _over = Over(&over);
        let run = sweep.spawn("login", &["run", "sweep.toml"]);
        sweep.wait_for_count("running trials", RUNNING, 6);
        cluster.fault(&["cut", "n3"]).unwrap();
        let cut = Instant::now();
        let before = last_began(&sweep);
        preempt(&cluster, "3");
        wait_for_another(&sweep, &before);

        let slots = processes_of(sweep.place.path()).unwrap().into_iter().filter(|pid| is_slot(*pid));
        let slot = slots.max().expect("trials run, so slots do");
        // At least the trial of this slot begins again after it.
        let before = last_began(&sweep);
        kill(Pid::from_raw(slot.cast_signed()), Signal::SIGKILL).unwrap();

        cluster.fault(&["kill", "n1"]).unwrap();
        assert!(dies_at(&sweep, &crashing, "tick.committed", &["tick", "--patience", "60s"]), "between ingest and publish");
        cluster.fault(&["ctld", "restart"]).unwrap();
        cluster.fault(&["start", "n1"]).unwrap();
        wait_for_another(&sweep, &before);
        preempt(&cluster, "2");
        std::thread::sleep(CUT.saturating_sub(cut.elapsed()));
        cluster.fault(&["join", "n3"]).unwrap();
        sweep.wait_for_the_end();
        drop(run);
    });
    sweep.assert_same_as(&expected);
    let preempted: u32 = sweep.sql("SELECT count(*) FROM attempts WHERE cause = 'preempted'").parse().unwrap();
    assert!(preempted >= 2, "{preempted} attempts were preempted");
    calls.assert_few(&sweep);
}

/// Tells the second searcher that it is over, however the test ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether the process is a slot: the launcher's first argument says what it is.
pub(crate) fn is_slot(pid: u32) -> bool {
    let argv = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut argv = argv.split(|byte| *byte == 0);
    argv.next().is_some_and(|program| program.ends_with(b"/bandmaster-launch")) && argv.next() == Some(b"slot")
}
