//! Why a command of the launcher fails, and its exit code: the codes are a contract with scripts.

use std::io;

use bandmaster_journal::FileError;
use bandmaster_record::{ArrayNo, SweepId};

use crate::agent::AgentError;

/// What ends a command early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no such array.
    #[error("array {array} of {sweep} is not in this campaign: its file {path} is not there")]
    NoArray {
        /// The sweep.
        sweep: SweepId,
        /// The array.
        array: ArrayNo,
        /// The file that was sought.
        path: String,
    },
    /// A file of the campaign does not say what it must.
    #[error("{path} cannot be understood: {why} (was it written by another version of bandmaster?)")]
    NotUnderstood {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// This machine lacks what a slot needs.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Its agents die before they start anything.
    #[error("the agents of this slot die before a trial starts: {0}")]
    Agents(String),
    /// An agent's own failure.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    /// For `map_err`: something that this machine lacks.
    pub fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NoArray { .. } => 4,
            Self::NotUnderstood { .. } => 8,
            Self::File(error) if error.is_unsafe() => 10,
            Self::File(error) if error.is_missing() => 4,
            Self::File(_) => 11,
            Self::System { .. } => 12,
            Self::Agents(_) | Self::Agent(_) => 1,
        }
    }
}
