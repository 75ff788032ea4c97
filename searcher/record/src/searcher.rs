//! The records of the searcher's journal: what was observed, asked for, and decided, in the one order there is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ArrayNo, AttemptRef, Cause, Epoch, Host, JobId, JournalId, Nonce, Number, Params, Record, RequestId, RungNo, Seconds, SlotId,
    Submission, SweepId, Timestamp, TrialId,
};

/// What a sweep is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Segments are granted.
    Running,
    /// Nothing new is granted and what runs was told to stop.
    Paused,
    /// It was cancelled: what runs was told to stop, nothing is accepted any more.
    Cancelled,
    /// Every bracket is decided.
    Finished,
}

impl Phase {
    /// As it stands in the ledger and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Finished => "finished",
        }
    }

    /// Whether nothing more can come of it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Cancelled | Self::Finished)
    }
}

/// What a person asked for: the content of a file in `requests/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Stop what runs, at a checkpoint, and grant nothing.
    Pause {
        /// The sweep.
        sweep: SweepId,
    },
    /// Go on.
    Resume {
        /// The sweep.
        sweep: SweepId,
    },
    /// Give the sweep up.
    Cancel {
        /// The sweep.
        sweep: SweepId,
    },
}

impl Request {
    /// The sweep it is about.
    pub fn sweep(&self) -> &SweepId {
        match self {
            Self::Pause { sweep } | Self::Resume { sweep } | Self::Cancel { sweep } => sweep,
        }
    }
}

/// An older journal of the searcher, closed by a newer holder of the lease: bytes beyond its length change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Whose journal.
    pub epoch: Epoch,
    /// Its length in bytes that counts.
    pub length: u64,
}

/// A trial's place in a rung's ranking, best first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// The trial.
    pub trial: TrialId,
    /// Its result; none where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Number>,
}

/// What changed about an array's tasks since the cluster was asked last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// How many tasks are in which state, in the cluster's own words, with the reason where tasks wait.
    pub states: BTreeMap<String, u32>,
    /// Tasks that are over since the last time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<u32>,
    /// Those among them that somebody cancelled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancelled: Vec<u32>,
    /// Tasks that are missing from a complete listing, for the first time as seen from this host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<u32>,
    /// Tasks that were over or missing, and are there again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<u32>,
}

/// One record of the searcher's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SearcherRecord {
    /// The first record of each journal: who holds, and where the older journals end.
    LeaseTaken {
        /// The lease's number, as in the journal's name.
        epoch: Epoch,
        /// The holder's host.
        host: Host,
        /// The holder's process id.
        pid: u32,
        /// The version of `bandmaster`.
        version: String,
        /// Older journals that no record has sealed before.
        sealed: Vec<Sealed>,
    },
    /// A sweep was found in `sweeps/` and taken in.
    SweepSubmitted {
        /// What its submission knew.
        submission: Box<Submission>,
        /// What sweep.toml means, as this version read it.
        spec: Box<serde_json::Value>,
    },
    /// A request was consumed.
    RequestTaken {
        /// Its file.
        request: RequestId,
        /// When it was asked, by the asker's clock.
        asked: Timestamp,
        /// What was asked; `None` if it could not be read.
        ask: Option<Request>,
        /// What came of it, in a sentence.
        outcome: String,
    },
    /// A slot's journal was read. From here on, and not before, the records up to `through_seq` count.
    Observed {
        /// The journal.
        journal: JournalId,
        /// The last record that counts.
        through_seq: u64,
        /// Where the next record begins, in bytes.
        offset: u64,
    },
    /// The cluster says that a slot is no more, though its journal is not closed.
    SlotGone {
        /// The sweep.
        sweep: SweepId,
        /// The slot.
        slot: SlotId,
        /// The cause for the attempt that it had open.
        cause: Cause,
        /// What was seen, in a sentence.
        evidence: String,
    },
    /// A trial exists.
    TrialCreated {
        /// The sweep.
        sweep: SweepId,
        /// The trial.
        trial: TrialId,
        /// The bracket, by its place in the plan.
        bracket: u32,
        /// Its configuration.
        params: Params,
        /// Its seed.
        seed: u64,
    },
    /// A segment may be run.
    Granted {
        /// The sweep.
        sweep: SweepId,
        /// Which segment, under which grant.
        attempt: AttemptRef,
    },
    /// The result of (trial, rung). It stands.
    Accepted {
        /// The sweep.
        sweep: SweepId,
        /// The attempt that brought it.
        attempt: AttemptRef,
        /// The objective at the rung's resource.
        value: Number,
    },
    /// An attempt is dead without having said so: a new grant may be given.
    AttemptLost {
        /// The sweep.
        sweep: SweepId,
        /// The attempt.
        attempt: AttemptRef,
        /// How it ended, as far as it can be told.
        cause: Cause,
        /// What was seen.
        evidence: String,
    },
    /// A segment failed for good: its trial counts as last at this rung.
    SegmentFailed {
        /// The sweep.
        sweep: SweepId,
        /// The last attempt.
        attempt: AttemptRef,
        /// Its cause.
        cause: Cause,
        /// Why it is not tried again, in a sentence.
        why: String,
    },
    /// All trials of a rung are in: these go on.
    RungDecided {
        /// The sweep.
        sweep: SweepId,
        /// The bracket, by its place in the plan.
        bracket: u32,
        /// The rung.
        rung: RungNo,
        /// How many are to be kept by the method.
        keep: u32,
        /// The rung's trials in the total order.
        ranking: Vec<Ranked>,
        /// Those promoted, best first.
        promoted: Vec<TrialId>,
    },
    /// The sweep's phase changed.
    PhaseChanged {
        /// The sweep.
        sweep: SweepId,
        /// What it is doing now.
        phase: Phase,
        /// Why, in a sentence.
        why: String,
    },
    /// An array is about to be submitted. Its file lies in `arrays/`.
    ArrayIntended {
        /// The sweep.
        sweep: SweepId,
        /// The array.
        array: ArrayNo,
        /// The nonce of this submission.
        nonce: Nonce,
        /// How many tasks.
        tasks: u32,
        /// Task by task, the attempt that is reserved for it; empty where tasks live from offers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reserved: Vec<AttemptRef>,
        /// So many of its tasks run at once; `None` for as many as the cluster runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_once: Option<u32>,
    },
    /// The cluster took an array.
    ArraySubmitted {
        /// The sweep.
        sweep: SweepId,
        /// The array.
        array: ArrayNo,
        /// Its job id.
        job: JobId,
    },
    /// An intended array will not run: `void` owns it.
    ArrayAbandoned {
        /// The sweep.
        sweep: SweepId,
        /// The array.
        array: ArrayNo,
        /// Why.
        why: String,
    },
    /// The cluster refused an array for now: a limit of jobs is reached.
    ArrayRefused {
        /// The sweep.
        sweep: SweepId,
        /// The array. It never runs; what it was to run is intended again under another number.
        array: ArrayNo,
        /// The cluster's own words.
        words: String,
        /// When the next one may be tried, unless tasks end before.
        not_before: Timestamp,
    },
    /// The job that ticks when the array is over, in case nobody else does; none where the cluster refused it.
    BackstopSubmitted {
        /// The sweep.
        sweep: SweepId,
        /// The array.
        array: ArrayNo,
        /// Its job id.
        job: Option<JobId>,
        /// What the cluster said where it refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        words: Option<String>,
    },
    /// What the cluster says of an array's tasks changed.
    ArraySeen {
        /// The sweep.
        sweep: SweepId,
        /// The array.
        array: ArrayNo,
        /// What changed.
        #[serde(flatten)]
        seen: Seen,
        /// The host that looked.
        observer: Host,
        /// How long it was up by then, suspended time included.
        uptime: Seconds,
    },
    /// How often the cluster's commands were called since the last such record.
    ClusterCalled {
        /// Calls by command, and how many ticks made them.
        calls: BTreeMap<String, u64>,
    },
    /// All tasks of an array are over.
    ArrayEnded {
        /// The sweep.
        sweep: SweepId,
        /// The array.
        array: ArrayNo,
    },
    /// A record of a kind that this build does not know, kept as it is; never written.
    #[serde(skip)]
    Unknown(serde_json::Value),
}

impl Record for SearcherRecord {
    const KINDS: &[&str] = &[
        "lease_taken",
        "sweep_submitted",
        "request_taken",
        "observed",
        "slot_gone",
        "trial_created",
        "granted",
        "accepted",
        "attempt_lost",
        "segment_failed",
        "rung_decided",
        "phase_changed",
        "array_intended",
        "array_submitted",
        "array_abandoned",
        "array_refused",
        "backstop_submitted",
        "array_seen",
        "cluster_called",
        "array_ended",
    ];

    fn unknown(kept: serde_json::Value) -> Self {
        Self::Unknown(kept)
    }
}

impl SearcherRecord {
    /// The sweep that the record is about.
    pub fn sweep(&self) -> Option<&SweepId> {
        match self {
            Self::SweepSubmitted { submission, .. } => Some(&submission.sweep),
            Self::RequestTaken { ask, .. } => ask.as_ref().map(Request::sweep),
            Self::Observed { journal: JournalId::Slot(sweep, _), .. } => Some(sweep),
            Self::SlotGone { sweep, .. }
            | Self::TrialCreated { sweep, .. }
            | Self::Granted { sweep, .. }
            | Self::Accepted { sweep, .. }
            | Self::AttemptLost { sweep, .. }
            | Self::SegmentFailed { sweep, .. }
            | Self::RungDecided { sweep, .. }
            | Self::PhaseChanged { sweep, .. }
            | Self::ArrayIntended { sweep, .. }
            | Self::ArraySubmitted { sweep, .. }
            | Self::ArrayAbandoned { sweep, .. }
            | Self::ArrayRefused { sweep, .. }
            | Self::BackstopSubmitted { sweep, .. }
            | Self::ArraySeen { sweep, .. }
            | Self::ArrayEnded { sweep, .. } => Some(sweep),
            Self::LeaseTaken { .. } | Self::Observed { .. } | Self::ClusterCalled { .. } | Self::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SlotRecord;

    /// serde itself lists the kinds it knows when it meets one that it does not.
    fn kinds_that_serde_knows<R: Record>() -> Vec<String> {
        let error = serde_json::from_str::<R>(r#"{"kind":"?"}"#).err().unwrap().to_string();
        let (_, list) = error.split_once("expected one of ").unwrap();
        list.split(", ").map(|kind| kind.split('`').nth(1).unwrap().to_owned()).collect()
    }

    #[test]
    fn the_list_of_kinds_is_complete() {
        assert_eq!(kinds_that_serde_knows::<SearcherRecord>(), SearcherRecord::KINDS);
        assert_eq!(kinds_that_serde_knows::<SlotRecord>(), SlotRecord::KINDS);
    }
}
