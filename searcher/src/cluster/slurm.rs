//! Slots as tasks of Slurm's job arrays, one array a rung.
//!
//! Slurm is asked as little as possible: one squeue a tick for all sweeps, one sacct where squeue leaves something open,
//! one sbatch an array and one for the job that ticks at its end.

use std::collections::BTreeMap;
use std::path::Path;

use bandmaster_journal::{Campaign, Identity, boottime, nonce};
use bandmaster_record::{ArrayFile, ArrayNo, ClusterKind, Host, JobId, Seconds, SweepId, Timestamp};
use bandmaster_search::ArrayState;

use self::call::{CallError, Slurm};
use self::refusal::{Refusal, Refused};
use self::script::{ArrayJob, Size, TickJob};
use self::squeue::Listing;
use self::state::JobState;
use self::survey::Evidence;
use super::{Adopted, Cluster, ClusterError, Survey};
use crate::binaries::Binaries;
use crate::failure::{Failure, FailureKind};
use crate::live::Live;
use crate::sweepfile::{Resources, SweepFile};

pub mod call;
pub mod extra;
pub mod quote;
pub mod refusal;
pub mod sacct;
pub mod scancel;
pub mod scontrol;
pub mod script;
pub mod squeue;
pub mod state;
pub mod survey;

/// What Slurm says to who submits from where that is not allowed (`AllocNodes`).
const DENIED: &str = "Access/permission denied";

/// A lease whose holder died on another host is taken over after a while; the job behind an array waits so much longer.
const PATIENCE: Seconds = Seconds(60.0);

/// What is submitted: any other command may be missing on a node and is missed only when it is needed.
const SUBMITS: &str = "sbatch";

/// Whether this machine submits to a Slurm.
pub fn is_here() -> bool {
    let is_file = |directory: &Path| directory.join(SUBMITS).is_file();
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|directory| is_file(&directory)))
}

/// Asks Slurm whether it would take the sweep's arrays, before anything is made; and how many tasks one may have.
///
/// # Errors
/// It would not, in its own words; or it does not answer.
pub fn would_take(sweep: &SweepFile, directory: &Path) -> Result<u32, Failure> {
    let mut slurm = Slurm::default();
    let most_tasks = slurm.limits().map_err(away)?.tasks();
    if most_tasks == 0 {
        let help = "ask the site for them, or run the sweep on one machine with --local";
        return Err(Failure::say(FailureKind::Site, "this Slurm has no job arrays (MaxArraySize is 0)", help));
    }
    let largest = sweep.ladder.brackets.iter().filter_map(|bracket| bracket.rungs.first()).map(|rung| rung.trials).max().unwrap_or(1);
    let job = ArrayJob {
        sweep: SweepId::new(&sweep.name, 1).map_err(Failure::bug)?,
        array: ArrayNo(1),
        nonce: nonce(),
        tasks: largest.clamp(1, most_tasks),
        max_running: sweep.slurm.max_running,
        partition: sweep.slurm.partition.clone(),
        size: size(&sweep.resources),
        time: sweep.trial.time,
        stop_grace: sweep.trial.stop_grace,
        extra: sweep.slurm.extra.clone(),
        campaign: directory.to_owned(),
        launcher: directory.to_owned(),
    };
    match slurm.test_only(&job.options(), &job.script()) {
        // A limit passes: the arrays are submitted when there is room.
        Ok(()) | Err(Refused { refusal: Refusal::Limit, .. }) => Ok(most_tasks),
        Err(Refused { refusal: Refusal::Site, said }) => Err(Failure::say(
            FailureKind::Site,
            format!("Slurm would not take this sweep's arrays: {said}"),
            "nothing was submitted; correct [slurm] or [trial] in sweep.toml (`sinfo` shows partitions), or run it here with --local",
        )),
        Err(Refused { refusal: Refusal::Away, said }) => Err(away(said)),
    }
}

fn away(words: impl std::fmt::Display) -> Failure {
    Failure::say(
        FailureKind::Slurm,
        format!("Slurm does not answer: {words}"),
        "nothing was submitted; try again when `sinfo` answers, or run the sweep on this machine with --local",
    )
}

/// What one task needs.
fn size(resources: &Resources) -> Size {
    let Resources { gpus, ranks, ranks_per_node, cpus_per_rank, memory_per_rank } = *resources;
    let nodes = match ranks_per_node {
        _ if ranks == 1 => Some(1),
        Some(on_node) => Some(ranks.div_ceil(on_node.max(1))),
        None => None,
    };
    Size { ranks, nodes, cpus_per_rank, gpus, memory_per_rank }
}

/// Slurm, for the sweeps of a campaign.
pub struct SlurmCluster {
    slurm: Slurm,
    /// Calls that were told already.
    told: call::Counts,
    binaries: Binaries,
    observer: Host,
    lost_after: Seconds,
    /// So long the job behind an array waits for a lease that somebody dead still holds, or for Slurm.
    patience: Seconds,
    /// The last listing, and how long this host was up when it was asked for.
    seen: Option<(Listing, Seconds)>,
}

impl SlurmCluster {
    /// Slots are started from the launcher that the campaign keeps.
    ///
    /// # Errors
    /// This process cannot learn on which host it is.
    pub fn new(binaries: Binaries, lost_after: Seconds, lease_takeover: Seconds) -> std::io::Result<Self> {
        let observer = Identity::current()?.host;
        let patience = Seconds(lease_takeover.0 + PATIENCE.0);
        Ok(Self { slurm: Slurm::default(), told: call::Counts::default(), binaries, observer, lost_after, patience, seen: None })
    }

    /// What sacct says of these jobs; nothing where no accounts are kept, or they are away: then squeue has to do.
    fn accounts(&mut self, asked: &[(JobId, Timestamp)]) -> Vec<sacct::Row> {
        let jobs: Vec<JobId> = asked.iter().map(|(job, _)| job.clone()).collect();
        let Some(since) = asked.iter().map(|(_, since)| *since).min() else { return Vec::new() };
        match self.slurm.sacct(&jobs, since) {
            Ok(rows) => rows.unwrap_or_default(),
            Err(error) => {
                tracing::info!("{error}; without accounts a job that squeue does not list is lost only after a while");
                Vec::new()
            }
        }
    }
}

impl Cluster for SlurmCluster {
    fn kind(&self) -> ClusterKind {
        ClusterKind::Slurm
    }

    fn look(&mut self, sweeps: &[&Live]) -> Result<BTreeMap<SweepId, Adopted>, ClusterError> {
        self.seen = None;
        let nothing_is_out = |live: &&Live| live.state.arrays.is_empty() && live.state.slots.is_empty();
        if sweeps.iter().all(nothing_is_out) {
            return Ok(BTreeMap::new());
        }
        let listing = self.slurm.squeue()?;
        let adopted = sweeps.iter().map(|live| (live.state.sweep.clone(), survey::adopted(&listing, live))).collect();
        self.seen = Some((listing, Seconds(boottime().as_secs_f64())));
        Ok(adopted)
    }

    fn survey(&mut self, sweeps: &[&Live]) -> Result<BTreeMap<SweepId, Survey>, ClusterError> {
        let Some((listing, uptime)) = self.seen.take() else {
            return Ok(sweeps.iter().map(|live| (live.state.sweep.clone(), Survey::default())).collect());
        };
        let (observer, lost_after) = (self.observer.clone(), self.lost_after);
        let mut evidence = Evidence { listing: &listing, rows: &[], observer: &observer, uptime, lost_after };
        let unexplained: Vec<_> = sweeps.iter().flat_map(|live| evidence.unexplained(live)).collect();
        let rows = self.accounts(&unexplained);
        evidence.rows = &rows;
        Ok(sweeps.iter().map(|live| (live.state.sweep.clone(), evidence.survey(live))).collect())
    }

    fn submit(&mut self, campaign: &Campaign, array: &ArrayFile, live: &Live) -> Result<JobId, ClusterError> {
        let at_once = live.state.arrays.get(&array.array).and_then(|array| array.at_once);
        let job = ArrayJob {
            sweep: array.sweep.clone(),
            array: array.array,
            nonce: array.nonce.clone(),
            tasks: array.tasks,
            max_running: at_once,
            partition: live.slurm.partition.clone(),
            size: size(&live.resources),
            time: live.settings.time,
            stop_grace: live.settings.stop_grace,
            extra: live.slurm.extra.clone(),
            campaign: campaign.root().to_owned(),
            launcher: self.binaries.kept()?.launcher.clone(),
        };
        self.slurm.sbatch(&job.options(), &job.script()).map_err(refused)
    }

    fn backstop(&mut self, campaign: &Campaign, number: ArrayNo, live: &Live) -> Result<Option<JobId>, ClusterError> {
        let Some((array, after)) = live.state.arrays.get(&number).and_then(|array| Some((array, array.job.clone()?))) else {
            return Ok(None);
        };
        let job = TickJob {
            sweep: live.state.sweep.clone(),
            array: number,
            nonce: array.nonce.clone(),
            after,
            partition: live.slurm.partition.clone(),
            extra: live.slurm.extra.clone(),
            campaign: campaign.root().to_owned(),
            searcher: self.binaries.kept()?.searcher.clone(),
            patience: self.patience,
        };
        self.slurm.sbatch(&job.options(), &job.script()).map(Some).map_err(refused)
    }

    fn stop(&mut self, live: &Live) -> Result<(), ClusterError> {
        // Most arrays have nothing left that waits: Slurm is not asked about them.
        let may_wait = |array: &&ArrayState| array.out() > 0 && (array.states.is_empty() || array.states.keys().any(|state| waits(state)));
        let arrays = live.state.arrays.values().filter(may_wait);
        let jobs: Vec<JobId> = arrays.filter_map(|array| array.job.clone()).collect();
        let job_of = |array: &ArrayNo| live.state.arrays.get(array)?.job.clone();
        let slots: Vec<(JobId, u32)> = live.state.slots.values().filter_map(|slot| Some((job_of(&slot.array)?, slot.task))).collect();
        if !jobs.is_empty() {
            self.slurm.scancel(&scancel::withdraw(&jobs))?;
        }
        if !slots.is_empty() {
            self.slurm.scancel(&scancel::ask_to_stop(&slots))?;
        }
        Ok(())
    }

    fn calls(&mut self) -> BTreeMap<String, u64> {
        let (now, told) = (self.slurm.counts(), std::mem::replace(&mut self.told, self.slurm.counts()));
        let since = [
            ("squeue", now.squeue - told.squeue),
            ("sacct", now.sacct - told.sacct),
            ("sbatch", now.sbatch - told.sbatch),
            ("scancel", now.scancel - told.scancel),
            ("scontrol", now.scontrol - told.scontrol),
        ];
        since.into_iter().filter(|(_, calls)| *calls > 0).map(|(command, calls)| (command.to_owned(), calls)).collect()
    }
}

/// Whether a described state is one of a task that waits.
fn waits(described: &str) -> bool {
    JobState::parse(described).waits()
}

/// What a refusal of a tick's submission means. Many sites take no jobs from their compute nodes: to a tick that runs in
/// a job such a denial says nothing about the sweep, and a tick elsewhere submits.
fn refused(Refused { refusal, said }: Refused) -> ClusterError {
    let in_a_job = || std::env::var_os("SLURM_JOB_ID").is_some();
    match refusal {
        Refusal::Limit => ClusterError::Limit(said),
        Refusal::Site if said.contains(DENIED) && in_a_job() => {
            ClusterError::Away(format!("no jobs may be submitted from this node: {said}"))
        }
        Refusal::Site => ClusterError::Refused(said),
        Refusal::Away => ClusterError::Away(said),
    }
}

impl From<CallError> for ClusterError {
    fn from(error: CallError) -> Self {
        Self::Away(error.to_string())
    }
}
