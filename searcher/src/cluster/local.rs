//! Slots as processes of this machine, as many as its cores or GPUs allow.
//!
//! They are started in process groups of their own, so that Ctrl-C reaches the searcher alone, and they outlive it: a
//! killed searcher costs nothing, since slots go on with what is on offer and start a tick themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use bandmaster_journal::{Campaign, FileError, Identity, crash_point, open_log};
use bandmaster_record::{ArrayFile, ArrayNo, Cause, ClusterKind, JobId, SlotId, SweepId};
use bandmaster_search::SlotState;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Adopted, Cluster, ClusterError, Gone, Survey};
use crate::binaries::Binaries;
use crate::live::Live;

/// How long a slot may take to open its journal before the searcher goes on without waiting for it, in milliseconds.
const READY_WITHIN: u16 = 10_000;

/// This machine.
pub struct Local {
    binaries: Binaries,
    /// Slots that this process started, kept so that their ends are reaped.
    children: Vec<Child>,
    /// What the last look saw.
    seen: BTreeMap<SweepId, Survey>,
}

impl Local {
    /// Slots are started from that `bandmaster-launch`.
    pub fn new(binaries: Binaries) -> Self {
        Self { binaries, children: Vec::new(), seen: BTreeMap::new() }
    }

    /// How many slots of such trials may run at once.
    pub fn slots(gpus: u32, cores: u32) -> u32 {
        let have = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        let by_cores = have / cores.max(1);
        let by_gpus = visible_gpus().checked_div(gpus).unwrap_or(u32::MAX);
        by_cores.min(by_gpus).max(1)
    }

    fn task(&self, campaign: &Campaign, array: &ArrayFile, job: &JobId, task: u32) -> Result<Command, FileError> {
        let path = campaign.sweep(&array.sweep).arrays().join(format!("{}.log", array.array));
        let log = open_log(&path)?;
        let mut command = Command::new(&self.binaries.kept()?.launcher);
        command
            .arg("slot")
            .arg("--campaign")
            .arg(campaign.root())
            .args([
                "--sweep",
                array.sweep.as_str(),
                "--array",
                &array.array.to_string(),
                "--task",
                &task.to_string(),
                "--job",
                job.as_str(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0);
        if array.trial.gpus > 0 {
            let first = task * array.trial.gpus;
            let mine: Vec<String> = (first..first + array.trial.gpus).map(|gpu| gpu.to_string()).collect();
            command.env("CUDA_VISIBLE_DEVICES", mine.join(","));
        }
        Ok(command)
    }
}

/// GPUs that this machine shows: NVIDIA's device files.
fn visible_gpus() -> u32 {
    let Ok(devices) = std::fs::read_dir("/dev") else { return 0 };
    let is_gpu = |name: &str| name.strip_prefix("nvidia").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    devices.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_gpu)).count() as u32
}

/// Waits until the slot says that its journal is open, or closes its output, or the time is over.
fn await_ready(child: &mut Child) {
    let Some(stdout) = child.stdout.take() else { return };
    let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
    if poll(&mut fds, PollTimeout::from(READY_WITHIN)).is_ok_and(|ready| ready > 0) {
        // What it says does not matter: the journal does, and the next tick reads it.
        let _ = BufReader::new(stdout).read_line(&mut String::new());
    }
}

impl Cluster for Local {
    fn kind(&self) -> ClusterKind {
        ClusterKind::Local
    }

    fn submit(&mut self, campaign: &Campaign, array: &ArrayFile, live: &Live) -> Result<JobId, ClusterError> {
        let job = JobId::new(format!("local-{}", array.nonce)).map_err(|error| ClusterError::Refused(error.to_string()))?;
        let mut started = Vec::new();
        // A task's number is its lane, which no live slot has: GPUs are dealt out by it.
        let taken: BTreeSet<u32> = live.state.slots.values().map(|slot| slot.task).collect();
        for task in (0..).filter(|lane| !taken.contains(lane)).take(array.tasks as usize) {
            crash_point("local.spawn");
            let mut command = self.task(campaign, array, &job, task)?;
            let program = command.get_program().to_string_lossy().into_owned();
            started.push(command.spawn().map_err(|source| ClusterError::Launcher { program, source })?);
        }
        started.iter_mut().for_each(await_ready);
        self.children.append(&mut started);
        Ok(job)
    }

    fn look(&mut self, sweeps: &[&Live]) -> Result<BTreeMap<SweepId, Adopted>, ClusterError> {
        self.children.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
        self.seen = sweeps.iter().map(|live| (live.state.sweep.clone(), survey(live))).collect();
        Ok(BTreeMap::new())
    }

    fn survey(&mut self, _: &[&Live]) -> Result<BTreeMap<SweepId, Survey>, ClusterError> {
        Ok(std::mem::take(&mut self.seen))
    }

    fn backstop(&mut self, _: &Campaign, _: ArrayNo, _: &Live) -> Result<Option<JobId>, ClusterError> {
        Ok(None)
    }

    fn stop(&mut self, live: &Live) -> Result<(), ClusterError> {
        for state in live.state.slots.values() {
            if Identity::is_alive(&state.host, state.pid, state.start_time) == Some(true) {
                // It may end between the look and the signal: then there is nothing left to stop.
                let _ = kill(Pid::from_raw(state.pid as i32), Signal::SIGTERM);
            }
        }
        Ok(())
    }

    fn calls(&mut self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}

/// Slots on this host whose process is no more. Those of other hosts are neither alive nor dead from here.
fn survey(live: &Live) -> Survey {
    let is_gone = |(_, slot): &(&SlotId, &SlotState)| Identity::is_alive(&slot.host, slot.pid, slot.start_time) == Some(false);
    let gone = live.state.slots.iter().filter(is_gone).map(|(id, slot)| Gone {
        slot: id.clone(),
        cause: Cause::Lost,
        evidence: format!("process {} on {} is no more", slot.pid, slot.host.name),
    });
    Survey { gone: gone.collect(), ..Survey::default() }
}
