//! Where slots run, behind one trait: this machine today, Slurm's job arrays next to it.
//!
//! A cluster is asked for three things and decides nothing: to start the tasks of an array whose file lies in the
//! campaign, to say who is alive, and to tell slots to stop. One conformance suite holds all of them to this contract.

use std::collections::BTreeMap;

use bandmaster_journal::{Campaign, FileError};
use bandmaster_record::{ArrayFile, ArrayNo, Cause, ClusterKind, JobId, Seen, SlotId, SweepId};

use crate::live::Live;

pub mod local;
pub mod slurm;

/// What a cluster could not do.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The program that a slot is cannot be started.
    #[error("cannot start {program}: {source}")]
    Launcher {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file in the campaign could not be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It does not answer, and what was asked may have been done or not.
    #[error("the cluster does not answer: {0}")]
    Away(String),
    /// It holds too many jobs of ours already; nothing was submitted.
    #[error("the cluster takes no more jobs for now: {0}")]
    Limit(String),
    /// It will never take such a job; nothing was submitted.
    #[error("the cluster refuses such a job: {0}")]
    Refused(String),
}

/// A slot that is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Which.
    pub slot: SlotId,
    /// The cause for what it ran.
    pub cause: Cause,
    /// What was seen, in a sentence.
    pub evidence: String,
}

/// What a cluster knows of one sweep's tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Tasks without reservations that have not begun but will.
    pub starting: BTreeMap<ArrayNo, u32>,
    /// Slots of which there is positive evidence that they are no more.
    pub gone: Vec<Gone>,
    /// Arrays about which something changed since it was recorded last.
    pub seen: BTreeMap<ArrayNo, Seen>,
}

/// Arrays whose submission was not recorded, and that the cluster has.
pub type Adopted = BTreeMap<ArrayNo, JobId>;

/// Where slots run.
pub trait Cluster {
    /// Which one.
    fn kind(&self) -> ClusterKind;

    /// Looks once at all that is there of these sweeps, before their journals are read: so whoever is called gone by
    /// what was seen has nothing unread.
    fn look(&mut self, sweeps: &[&Live]) -> Result<BTreeMap<SweepId, Adopted>, ClusterError>;

    /// Judges what was seen in the last look by what the journals say since: who writes is not missing. Slots that a
    /// sweep has only since that look must not be judged by it.
    fn survey(&mut self, sweeps: &[&Live]) -> Result<BTreeMap<SweepId, Survey>, ClusterError>;

    /// Starts the tasks of an array. Its file is written; a task that finds another owner runs nothing, so that a
    /// submission that is repeated or comes late does no harm.
    fn submit(&mut self, campaign: &Campaign, array: &ArrayFile, live: &Live) -> Result<JobId, ClusterError>;

    /// Submits what ticks when the array is over; `None` where the cluster needs no such thing.
    fn backstop(&mut self, campaign: &Campaign, array: ArrayNo, live: &Live) -> Result<Option<JobId>, ClusterError>;

    /// Tells the sweep's slots to stop at a checkpoint and end, and takes back what has not begun. Telling them again
    /// changes nothing.
    fn stop(&mut self, live: &Live) -> Result<(), ClusterError>;

    /// How often each of the cluster's commands was called since this was asked last.
    fn calls(&mut self) -> BTreeMap<String, u64>;
}
