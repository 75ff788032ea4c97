//! What differs from cluster to cluster where a rule is tried.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bandmaster::binaries::Binaries;
use bandmaster::cluster::Cluster;
use bandmaster::cluster::local::Local;
use bandmaster::cluster::slurm::SlurmCluster;
use bandmaster_record::{ClusterKind, JobId, Seconds};
use bandmaster_search::SlotState;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A place where slots run.
pub(crate) trait Ground {
    /// Which kind of cluster is there.
    const KIND: ClusterKind;
    /// Between two looks.
    const PAUSE: Duration;
    /// Whether a job of its own ticks when an array is over.
    const TICKS: bool;

    /// A new directory that all its hosts see.
    fn directory() -> TempDir;
    /// The cluster, for slots that are those programs.
    fn cluster(programs: Binaries) -> Box<dyn Cluster>;
    /// Kills a slot's process, as the kernel does where memory is short.
    fn kill(job: &JobId, slot: &SlotState);
}

/// This machine.
pub(crate) struct ThisMachine;

impl Ground for ThisMachine {
    const KIND: ClusterKind = ClusterKind::Local;
    const PAUSE: Duration = Duration::from_millis(10);
    const TICKS: bool = false;

    fn directory() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    fn cluster(programs: Binaries) -> Box<dyn Cluster> {
        Box::new(Local::new(programs))
    }

    fn kill(_: &JobId, slot: &SlotState) {
        kill(Pid::from_raw(slot.pid.cast_signed()), Signal::SIGKILL).unwrap();
    }
}

/// The Slurm whose login host this is.
pub(crate) struct Slurm;

impl Ground for Slurm {
    const KIND: ClusterKind = ClusterKind::Slurm;
    const PAUSE: Duration = Duration::from_millis(200);
    const TICKS: bool = true;

    fn directory() -> TempDir {
        // The working directory is on the file system that all hosts share.
        tempfile::tempdir_in(std::path::absolute(Path::new(".")).unwrap()).unwrap()
    }

    fn cluster(programs: Binaries) -> Box<dyn Cluster> {
        // No rule waits so long: whoever is gone, Slurm says so.
        Box::new(SlurmCluster::new(programs, Seconds(3600.0), Seconds(120.0)).unwrap())
    }

    fn kill(job: &JobId, slot: &SlotState) {
        let task = format!("{job}_{}", slot.task);
        assert!(Command::new("scancel").args(["--batch", "--signal=KILL", &task]).status().unwrap().success());
    }
}
