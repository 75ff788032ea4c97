//! Where slots run, behind one trait: this machine today, Slurm's job arrays next to it.
//!
//! A cluster is asked for three things and decides nothing: to start the tasks of an array whose file lies in the
//! campaign, to say who is alive, and to tell slots to stop.

use std::collections::BTreeMap;

use bandmaster_journal::{Campaign, FileError};
use bandmaster_record::{ArrayFile, ArrayNo, Cause, ClusterKind, JobId, SlotId, SweepId};
use bandmaster_search::{ArrayState, SlotState};

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
    /// The cluster is away or refuses; trying again may help.
    #[error("{0}")]
    Refused(String),
}

/// What a cluster is asked about one sweep.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The sweep.
    pub sweep: &'a SweepId,
    /// Its arrays that are not over.
    pub arrays: &'a BTreeMap<ArrayNo, ArrayState>,
    /// Its slots whose journals are open.
    pub slots: &'a BTreeMap<SlotId, SlotState>,
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
    /// Tasks that have not begun but will.
    pub starting: BTreeMap<ArrayNo, u32>,
    /// Slots of which there is positive evidence that they are no more.
    pub gone: Vec<Gone>,
    /// Slots that cannot be seen from here, on which hosts: they are neither alive nor dead.
    pub out_of_sight: BTreeMap<String, u32>,
}

/// Where slots run.
pub trait Cluster {
    /// Which one.
    fn kind(&self) -> ClusterKind;

    /// How many slots of such trials may run at once.
    fn slots(&self, gpus: u32, cores: u32) -> u32;

    /// Starts the tasks of an array. Its file is written; a task that finds another owner runs nothing, so that a
    /// submission that is repeated or comes late does no harm.
    fn submit(&mut self, campaign: &Campaign, array: &ArrayFile, asked: Asked<'_>) -> Result<JobId, ClusterError>;

    /// Says who is alive.
    fn survey(&mut self, asked: Asked<'_>) -> Result<Survey, ClusterError>;

    /// Tells slots to stop at a checkpoint and end. Telling them again changes nothing.
    fn stop(&mut self, asked: Asked<'_>) -> Result<(), ClusterError>;
}
