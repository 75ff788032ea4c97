//! The states of a job, as squeue and sacct write them.

use std::fmt;

use bandmaster_record::Cause;

/// What a job or a task of an array is doing. A state that this build does not know is kept: releases add some.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
    /// Its nodes could not be started.
    BootFail,
    /// Somebody cancelled it.
    Cancelled,
    /// It ended with exit code 0.
    Completed,
    /// It is ending; processes of it may still run.
    Completing,
    /// It has nodes and they are being prepared.
    Configuring,
    /// It would have ended after its deadline.
    Deadline,
    /// It waits to run again, first of all, after a node failed.
    Expediting,
    /// It ended with another exit code than 0.
    Failed,
    /// A node failed under it.
    NodeFail,
    /// It wanted more memory than it has.
    OutOfMemory,
    /// It waits.
    Pending,
    /// It ended for another job.
    Preempted,
    /// It is put back into the queue. In sacct: that run of it is over.
    Requeued,
    /// The same, in a federation of clusters.
    RequeueFed,
    /// It was put back into the queue and waits to be released.
    RequeueHold,
    /// Its size is being changed.
    Resizing,
    /// It waits, since its reservation was deleted.
    ResvDelHold,
    /// It was given to another cluster.
    Revoked,
    /// It runs.
    Running,
    /// It is being signalled.
    Signaling,
    /// It was put back into the queue with a mark and waits to be released.
    SpecialExit,
    /// Its files are being copied away.
    StageOut,
    /// It was stopped and keeps its cores.
    Stopped,
    /// It was suspended and gave its cores to others.
    Suspended,
    /// Its time was over.
    Timeout,
    /// Any other.
    Other(String),
}

use JobState::*;

/// All known states with their names.
const NAMES: &[(&str, JobState)] = &[
    ("BOOT_FAIL", BootFail),
    ("CANCELLED", Cancelled),
    ("COMPLETED", Completed),
    ("COMPLETING", Completing),
    ("CONFIGURING", Configuring),
    ("DEADLINE", Deadline),
    ("EXPEDITING", Expediting),
    ("FAILED", Failed),
    ("NODE_FAIL", NodeFail),
    ("OUT_OF_MEMORY", OutOfMemory),
    ("PENDING", Pending),
    ("PREEMPTED", Preempted),
    ("REQUEUED", Requeued),
    ("REQUEUE_FED", RequeueFed),
    ("REQUEUE_HOLD", RequeueHold),
    ("RESIZING", Resizing),
    ("RESV_DEL_HOLD", ResvDelHold),
    ("REVOKED", Revoked),
    ("RUNNING", Running),
    ("SIGNALING", Signaling),
    ("SPECIAL_EXIT", SpecialExit),
    ("STAGE_OUT", StageOut),
    ("STOPPED", Stopped),
    ("SUSPENDED", Suspended),
    ("TIMEOUT", Timeout),
];

/// The cause of what somebody cancelled.
const CANCELLED: Cause = Cause::Stopped;

impl JobState {
    /// Reads a state: `RUNNING`, `CANCELLED by 1001`, `CANCELLED+` (cut by sacct).
    pub fn parse(text: &str) -> Self {
        let word = text.split_whitespace().next().unwrap_or_default();
        let word = word.strip_suffix('+').unwrap_or(word);
        match NAMES.iter().find(|(name, _)| *name == word) {
            Some((_, state)) => state.clone(),
            None => Other(text.trim().to_owned()),
        }
    }

    /// Whether that run is over and nothing of it executes any more. A requeued one may run again, as another run.
    pub fn is_over(&self) -> bool {
        match self {
            BootFail | Cancelled | Completed | Deadline | Failed | NodeFail | OutOfMemory | Preempted | Requeued | Revoked | Timeout => {
                true
            }
            Completing | Configuring | Expediting | Pending | RequeueFed | RequeueHold | Resizing | ResvDelHold | Running | Signaling
            | SpecialExit | StageOut | Stopped | Suspended | Other(_) => false,
        }
    }

    /// Whether it is in the queue to run, for the first time or again.
    pub fn waits(&self) -> bool {
        matches!(self, Configuring | Expediting | Pending | Requeued | RequeueFed | RequeueHold | ResvDelHold | SpecialExit)
    }

    /// Whether it holds nodes and processes of it may execute.
    pub fn runs(&self) -> bool {
        matches!(self, Completing | Resizing | Running | Signaling | StageOut | Stopped | Suspended)
    }

    /// The cause for what a slot had open when its task ended so; `None` while it is not over.
    pub fn cause(&self) -> Option<Cause> {
        self.is_over().then_some(match self {
            Preempted => Cause::Preempted,
            BootFail | NodeFail => Cause::NodeFailure,
            OutOfMemory => Cause::OutOfMemory,
            Deadline | Timeout => Cause::TimeLimit,
            Cancelled => CANCELLED,
            // The slot ended, well or not, and did not say why.
            _ => Cause::Lost,
        })
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Other(text) => f.pad(text),
            known => f.pad(NAMES.iter().find(|(_, state)| state == known).map_or("", |(name, _)| name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_state_is_read_as_it_is_written() {
        for (name, state) in NAMES {
            assert_eq!(&JobState::parse(name), state);
            assert_eq!(state.to_string(), *name);
        }
        assert!(NAMES.is_sorted_by_key(|(_, state)| state));
    }

    #[test]
    fn what_stands_behind_a_state_is_no_part_of_it() {
        for text in ["CANCELLED by 20001", "CANCELLED+", "CANCELLED ", " CANCELLED"] {
            assert_eq!(JobState::parse(text), Cancelled, "{text:?}");
        }
    }

    #[test]
    fn an_unknown_state_is_kept_and_says_nothing() {
        let state = JobState::parse("LEVITATING");
        assert_eq!(state.to_string(), "LEVITATING");
        assert!(!state.is_over() && !state.waits() && !state.runs() && state.cause().is_none());
    }

    #[test]
    fn a_state_that_is_not_over_has_no_cause() {
        for (name, state) in NAMES {
            assert_eq!(state.cause().is_some(), state.is_over(), "{name}");
            assert!(state.is_over() || state.waits() != state.runs(), "{name}");
            assert!(!(state.is_over() && state.runs()), "{name}");
        }
        assert_eq!(JobState::parse("COMPLETING").cause(), None);
    }

    #[test]
    fn a_requeued_run_is_over_and_its_task_waits() {
        assert!(Requeued.is_over() && Requeued.waits());
    }

    #[test]
    fn the_site_is_told_from_the_trial() {
        let cause = |text| JobState::parse(text).cause();
        assert_eq!(cause("PREEMPTED"), Some(Cause::Preempted));
        assert_eq!((cause("NODE_FAIL"), cause("BOOT_FAIL")), (Some(Cause::NodeFailure), Some(Cause::NodeFailure)));
        assert_eq!(cause("OUT_OF_MEMORY"), Some(Cause::OutOfMemory));
        assert_eq!((cause("TIMEOUT"), cause("DEADLINE")), (Some(Cause::TimeLimit), Some(Cause::TimeLimit)));
        assert_eq!((cause("FAILED"), cause("COMPLETED")), (Some(Cause::Lost), Some(Cause::Lost)));
        assert!(cause("CANCELLED by 0").unwrap().is_free());
    }

    proptest! {
        #[test]
        fn any_text_is_a_state(text in ".*") {
            let state = JobState::parse(&text);
            let _ = (state.to_string(), state.cause(), state.waits());
        }
    }
}
