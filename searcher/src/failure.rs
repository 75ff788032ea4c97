//! How a command fails: what a person reads, and the exit code that a script reads.
//!
//! The codes are constant. Scripts, cron and Slurm's afterany jobs tell by them what to do next, so a number never
//! changes its meaning.

use std::fmt;
use std::io;

use miette::{MietteDiagnostic, Report};

/// Why a command did not end with 0. The numbers are the exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FailureKind {
    /// 1: a bug of ours.
    Bug = 1,
    /// 2: the command line is wrong.
    Usage = 2,
    /// 3: sweep.toml or campaign.toml is wrong.
    WrongFile = 3,
    /// 4: what was asked for does not exist.
    NotFound = 4,
    /// 5: the sweep is not finished.
    NotFinished = 5,
    /// 6: another holds the lease; harmless to cron.
    LeaseHeld = 6,
    /// 7: Slurm refused, or is away; trying again may help.
    Slurm = 7,
    /// 8: the ledger must be rebuilt, or is newer than this build.
    Ledger = 8,
    /// 9: finished, with failed trials.
    FailedTrials = 9,
    /// 10: the campaign is not safe: another user may write what a tick would execute.
    NotSafe = 10,
    /// 11: the disk or the file system.
    Disk = 11,
    /// 12: this site or machine cannot do that.
    Site = 12,
}

impl FailureKind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 12] = [
        Self::Bug,
        Self::Usage,
        Self::WrongFile,
        Self::NotFound,
        Self::NotFinished,
        Self::LeaseHeld,
        Self::Slurm,
        Self::Ledger,
        Self::FailedTrials,
        Self::NotSafe,
        Self::Disk,
        Self::Site,
    ];

    /// The exit code.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// How a command ended that has said all it had to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Ok,
    /// Another code, for a script that reads no text: `check --format json` of a wrong file, `run` with failed trials.
    Because(FailureKind),
}

impl Exit {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Because(kind) => kind.code(),
        }
    }
}

/// A command's failure: the exit code, and the report that `main` prints to stderr.
#[derive(Debug)]
pub struct Failure {
    /// The exit code's meaning.
    pub kind: FailureKind,
    /// What, where, why, what to do.
    pub report: Report,
}

impl Failure {
    /// A failure with a diagnostic of its own.
    pub fn new(kind: FailureKind, report: impl Into<Report>) -> Self {
        Self { kind, report: report.into() }
    }

    /// A failure told in a sentence, and in another what to do about it.
    pub fn say(kind: FailureKind, what: impl fmt::Display, help: impl fmt::Display) -> Self {
        Self::new(kind, MietteDiagnostic::new(what.to_string()).with_help(help.to_string()))
    }

    /// A failure that an error of a library explains: the error and its sources are told, one after another.
    pub fn because<E>(kind: FailureKind, error: E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        Self { kind, report: Report::from_err(error) }
    }

    /// What can only be a mistake of ours.
    pub fn bug<E>(error: E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        Self::because(FailureKind::Bug, error)
    }

    /// The command's own output could not be written.
    pub fn output(error: io::Error) -> Self {
        Self { kind: FailureKind::Disk, report: Report::new(OutputError(error)) }
    }

    /// Whether it is only that nobody reads the output any more, as in `bandmaster trials | head`: no error.
    pub fn is_closed_pipe(&self) -> bool {
        self.report.downcast_ref::<OutputError>().is_some_and(|error| error.0.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Writing the command's own output failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot write the output: {0}")]
struct OutputError(#[source] io::Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_constant() {
        let codes: Vec<u8> = FailureKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes, (1..=12).collect::<Vec<u8>>());
        assert_eq!((FailureKind::WrongFile.code(), FailureKind::LeaseHeld.code(), FailureKind::FailedTrials.code()), (3, 6, 9));
        assert_eq!((Exit::Ok.code(), Exit::Because(FailureKind::Site).code()), (0, 12));
    }

    #[test]
    fn a_closed_pipe_is_told_from_a_full_disk() {
        assert!(Failure::output(io::ErrorKind::BrokenPipe.into()).is_closed_pipe());
        assert!(!Failure::output(io::ErrorKind::StorageFull.into()).is_closed_pipe());
        assert!(!Failure::say(FailureKind::Disk, "full", "delete something").is_closed_pipe());
    }

    #[test]
    fn a_librarys_error_keeps_its_text() {
        let failure = Failure::because(FailureKind::NotFound, io::Error::other("the shelf is bare"));
        assert_eq!(failure.report.to_string(), "the shelf is bare");
    }
}
