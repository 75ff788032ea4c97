//! The records of a slot's journal: what was executed, what it said, how it ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ArrayNo, AttemptRef, JobId, Nonce, Number, Params, Record, Resource, Seconds, SlotId, TrialId};

/// A host as two observers can agree on it: its name and its boot id, both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Host {
    /// The host's name.
    pub name: String,
    /// The kernel's boot id: another one after each start of the machine.
    pub boot_id: String,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It reached its target and reported there.
    Completed,
    /// It exited with 0 and never reported at its target.
    NoResult,
    /// It exited with another code than 0.
    WrongExit,
    /// A signal ended it that nobody of ours sent.
    Signal,
    /// The kernel or the scheduler ended it for its memory.
    OutOfMemory,
    /// Its time was over, by the scheduler's or the sweep's limit.
    TimeLimit,
    /// It was asked to stop: pause, cancel, drain, Ctrl-C.
    Stopped,
    /// The scheduler took its nodes for another job.
    Preempted,
    /// Somebody cancelled its job, behind the searcher's back.
    Cancelled,
    /// A node failed under it.
    NodeFailure,
    /// Its program could not be started.
    CannotStart,
    /// What supervised it is gone, and it did not say why.
    Lost,
    /// A cause that this build does not know.
    #[serde(other)]
    Unknown,
}

impl Cause {
    /// As it stands in the ledger and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::NoResult => "no_result",
            Self::WrongExit => "wrong_exit",
            Self::Signal => "signal",
            Self::OutOfMemory => "out_of_memory",
            Self::TimeLimit => "time_limit",
            Self::Stopped => "stopped",
            Self::Preempted => "preempted",
            Self::Cancelled => "cancelled",
            Self::NodeFailure => "node_failure",
            Self::CannotStart => "cannot_start",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }

    /// Whether an attempt that ended so costs no retry, as long as attempts advance.
    pub fn is_free(self) -> bool {
        matches!(self, Self::TimeLimit | Self::Stopped | Self::Preempted | Self::Cancelled | Self::NodeFailure | Self::Lost)
    }
}

/// A checkpoint that was found and not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Its directory, below the campaign's.
    pub checkpoint: String,
    /// Why it was not used.
    pub why: String,
}

/// What surrounds the attempts of a slot. Written once, and again when it changed, so that an attempt stays small.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Surroundings {
    /// The commit of the working directory's git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    /// Whether that tree had changes that are in no commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_dirty: Option<bool>,
    /// The processor's model.
    #[serde(default)]
    pub cpu: String,
    /// Cores that the slot may use.
    #[serde(default)]
    pub cores: u32,
    /// The visible GPUs, as the driver names them.
    #[serde(default)]
    pub gpus: Vec<String>,
    /// The machine's memory in bytes.
    #[serde(default)]
    pub memory: u64,
    /// Versions of what trains, by name: interpreter, packages, this launcher, the kernel.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// The environment of the trials (Slurm's variables too), with what looks like a secret masked.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// What one attempt executes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// The argv after all placeholders were filled in.
    pub command: Vec<String>,
    /// The configuration.
    pub params: Params,
    /// The trial's seed.
    pub seed: u64,
    /// The working directory.
    pub directory: String,
}

/// What an attempt used up, its descendants included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// From start to end.
    pub wall: Seconds,
    /// User and system time.
    pub cpu: Seconds,
    /// The largest resident set of one process, in bytes.
    pub peak_memory: u64,
}

/// One record of a slot's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SlotRecord {
    /// The first record: who writes here.
    SlotStarted {
        /// The slot, the name of its directory.
        slot: SlotId,
        /// The array it is a task of.
        array: ArrayNo,
        /// The array's job id.
        job: JobId,
        /// The task's index in that array.
        task: u32,
        /// The host.
        host: Host,
        /// The slot's process id there.
        pid: u32,
        /// When that process started, in the kernel's ticks after boot (proc(5), `starttime`), so that a reused pid
        /// is not taken for it.
        start_time: u64,
        /// The launcher's version.
        version: String,
    },
    /// What surrounds the attempts from here on.
    Surroundings(Box<Surroundings>),
    /// An attempt begins. Its claim was won before.
    AttemptStarted {
        /// The attempt.
        attempt: AttemptRef,
        /// The random nonce in its claim.
        nonce: Nonce,
        /// The resource of the checkpoint that it resumes; `None` from scratch.
        #[serde(default)]
        resumed_from: Option<Resource>,
        /// The directory of that checkpoint, below the campaign's.
        #[serde(default)]
        checkpoint: Option<String>,
        /// Newer checkpoints that did not verify.
        #[serde(default)]
        passed_over: Vec<PassedOver>,
        /// What it executes, in the surroundings that the journal named last.
        execution: Box<Execution>,
    },
    /// The trial reported.
    Report {
        /// The attempt.
        attempt: AttemptRef,
        /// At which resource.
        resource: Resource,
        /// The metrics.
        metrics: BTreeMap<String, Number>,
    },
    /// A checkpoint is published.
    CheckpointPublished {
        /// The attempt.
        attempt: AttemptRef,
        /// The resource at which it was taken.
        resource: Resource,
        /// Its directory, below the campaign's.
        directory: String,
        /// How many files it has.
        files: u64,
        /// Their bytes together.
        bytes: u64,
        /// The BLAKE3 hash of its manifest, in hex.
        manifest: String,
        /// From the trial's rename to the publication.
        seconds: Seconds,
    },
    /// A checkpoint was offered by the trial and not published.
    CheckpointRefused {
        /// The attempt.
        attempt: AttemptRef,
        /// The name that the trial gave it.
        name: String,
        /// Why.
        why: String,
    },
    /// Something about an attempt that a person should see: garbage in the report file, a process that stayed.
    Note {
        /// The attempt.
        attempt: AttemptRef,
        /// One sentence.
        text: String,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The attempt.
        attempt: AttemptRef,
        /// How.
        cause: Cause,
        /// The exit code, if the process exited.
        #[serde(default)]
        exit_code: Option<i32>,
        /// The signal, if one ended it.
        #[serde(default)]
        signal: Option<i32>,
        /// One sentence for people.
        detail: String,
        /// The objective at the target, where the cause is `completed`.
        #[serde(default)]
        result: Option<Number>,
        /// The furthest resource with a published checkpoint of this attempt.
        #[serde(default)]
        checkpointed: Option<Resource>,
        /// What it used up.
        usage: Usage,
    },
    /// The last record: nothing follows, the journal is closed.
    SlotEnded {
        /// Why, in a sentence.
        why: String,
    },
    /// A record of a kind that this build does not know, kept as it is; never written.
    #[serde(skip)]
    Unknown(serde_json::Value),
}

impl Record for SlotRecord {
    const KINDS: &[&str] = &[
        "slot_started",
        "surroundings",
        "attempt_started",
        "report",
        "checkpoint_published",
        "checkpoint_refused",
        "note",
        "attempt_ended",
        "slot_ended",
    ];

    fn unknown(kept: serde_json::Value) -> Self {
        Self::Unknown(kept)
    }
}

impl SlotRecord {
    /// The trial that the record is about.
    pub fn trial(&self) -> Option<TrialId> {
        self.attempt().map(|attempt| attempt.trial)
    }

    /// The attempt that the record is about.
    pub fn attempt(&self) -> Option<AttemptRef> {
        match self {
            Self::AttemptStarted { attempt, .. }
            | Self::Report { attempt, .. }
            | Self::CheckpointPublished { attempt, .. }
            | Self::CheckpointRefused { attempt, .. }
            | Self::Note { attempt, .. }
            | Self::AttemptEnded { attempt, .. } => Some(*attempt),
            Self::SlotStarted { .. } | Self::Surroundings(_) | Self::SlotEnded { .. } | Self::Unknown(_) => None,
        }
    }
}
