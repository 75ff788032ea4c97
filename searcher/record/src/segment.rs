//! The contract between searcher and slot: what an array runs, and the segments that its slots may take.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ArrayNo, AttemptRef, Command, Epoch, Grant, Nonce, Params, Resource, RungNo, Seconds, SweepId};

/// Where a trial's metrics come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricSource {
    /// The trial appends JSON lines to `BANDMASTER_REPORT`.
    #[default]
    Report,
    /// The trial knows nothing of us and prints the objective: the last match of this expression's first group counts,
    /// at the target.
    Stdout(String),
}

/// What all trials of a sweep share when they are executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialSettings {
    /// The argv.
    pub command: Command,
    /// The user's own shell lines, run before the command in the one shell there is.
    #[serde(default)]
    pub setup: Vec<String>,
    /// Added to the environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The working directory, absolute.
    pub directory: String,
    /// The objective's name in reports.
    pub metric: String,
    /// Where reports come from.
    #[serde(default)]
    pub source: MetricSource,
    /// At most so long for one segment.
    #[serde(default)]
    pub time: Option<Seconds>,
    /// A signal to send beside the stop file: "USR1", "USR2", "TERM", "INT"; `None` for none.
    #[serde(default)]
    pub stop_signal: Option<String>,
    /// How long a trial may take to stop before it is killed.
    pub stop_grace: Seconds,
    /// Seconds between checkpoints; `None` for what the launcher reckons best.
    #[serde(default)]
    pub checkpoint_interval: Option<Seconds>,
    /// GPUs of one trial.
    #[serde(default)]
    pub gpus: u32,
    /// Cores of one trial, all its ranks together; 0 for what its slot has.
    #[serde(default)]
    pub cpus: u32,
}

/// Up to which grant the checkpoints of one rung may be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageStep {
    /// The rung.
    pub rung: RungNo,
    /// The accepted grant of a decided rung, or the newest closed one of the present rung.
    pub up_to: Grant,
}

/// One trial from one rung to the next, with the permission to run it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Which segment, and under which grant.
    #[serde(flatten)]
    pub attempt: AttemptRef,
    /// The configuration.
    pub params: Params,
    /// The trial's seed.
    pub seed: u64,
    /// The resource where the segment begins: that of the rung below, 0 at the first.
    pub from: Resource,
    /// The resource to reach.
    pub target: Resource,
    /// The sweep's final R, for schedules.
    pub max_resource: Resource,
    /// Whose checkpoints may be resumed.
    #[serde(default)]
    pub lineage: Vec<LineageStep>,
    /// How long it is expected to take, where something is known.
    #[serde(default)]
    pub predicted: Option<Seconds>,
}

impl Segment {
    /// Whether a checkpoint that this rung's grant published may be resumed.
    pub fn may_resume(&self, rung: RungNo, grant: Grant) -> bool {
        self.lineage.iter().any(|step| step.rung == rung && grant <= step.up_to)
    }
}

/// `arrays/<n>.json`: what array n runs, written before it is submitted. It is the record of the intent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArrayFile {
    /// The format's version.
    pub v: u32,
    /// The sweep.
    pub sweep: SweepId,
    /// The array's number.
    pub array: ArrayNo,
    /// Makes this submission recognizable (it stands in the job's name).
    pub nonce: Nonce,
    /// The lease under which it was written.
    pub epoch: Epoch,
    /// Which cluster runs it.
    pub cluster: ClusterKind,
    /// How many tasks.
    pub tasks: u32,
    /// How the trials run.
    pub trial: TrialSettings,
    /// The `bandmaster` to start for a tick: its path; `None` where slots must not start one.
    pub searcher: Option<String>,
    /// The segments reserved for its tasks, task by task; empty where the tasks live from offers.
    #[serde(default)]
    pub reserved: Vec<Segment>,
    /// How long a slot without an offer waits for one before it ends.
    pub idle: Seconds,
}

/// The clusters that Bandmaster knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterKind {
    /// Slots as processes of this machine.
    Local,
    /// Slots as tasks of Slurm job arrays.
    Slurm,
}

/// `claims/<trial>.<rung>.<grant>`: whose a segment is. Created once; the content read back decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The slot that runs it.
    pub slot: crate::SlotId,
    /// The attempt's nonce.
    pub nonce: Nonce,
}

/// `offers/<epoch>.json`: segments that slots may take, first come first served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offers {
    /// The format's version.
    pub v: u32,
    /// The segments, the most urgent first.
    pub segments: Vec<Segment>,
}

/// `submission.json` beside a sweep's frozen sweep.toml: what its submission knew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// The format's version.
    pub v: u32,
    /// The sweep.
    pub sweep: SweepId,
    /// The directory that the trials run in, absolute.
    pub directory: String,
    /// Where sweep.toml lay, absolute.
    pub file: String,
    /// BLAKE3 of sweep.toml, in hex: the same file finds its sweep again.
    pub hash: String,
    /// Who submitted: the user's name and numeric id.
    pub user: String,
    /// On which host.
    pub host: String,
    /// When, by that host's clock.
    pub at: crate::Timestamp,
    /// The version of `bandmaster` that submitted.
    pub version: String,
    /// The commit of the directory's git repository.
    #[serde(default)]
    pub git_commit: Option<String>,
    /// Whether its tree had changes that are in no commit.
    #[serde(default)]
    pub git_dirty: Option<bool>,
    /// Which cluster.
    pub cluster: ClusterKind,
    /// At most so many slots at once.
    pub slots: u32,
    /// So many tasks at most in one array, where the cluster has arrays.
    #[serde(default)]
    pub most_tasks: Option<u32>,
}
