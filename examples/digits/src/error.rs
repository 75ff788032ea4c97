//! What can go wrong, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a training ended before its target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file or directory that the operating system would not give.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// Completes "cannot …".
        doing: &'static str,
        /// Which one.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The images that this program was built with.
    #[error("examples/digits/data/digits.csv, line {line}: {why}; restore the file and build again")]
    Data {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// The hyperparameters.
    #[error("hyperparameters from {from}: {why}")]
    Hyperparameters {
        /// Flags, or the parameter file.
        from: String,
        /// What is wrong.
        why: String,
    },
    /// A checkpoint that this trial cannot go on from.
    #[error("cannot resume from {}: {why}", directory.display())]
    Checkpoint {
        /// The checkpoint.
        directory: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A checkpoint from after the target.
    #[error("the checkpoint is of epoch {epoch}, beyond the target {target}: resume an earlier one, or raise the target")]
    Beyond {
        /// The checkpoint's.
        epoch: u64,
        /// Where this attempt was to end.
        target: u64,
    },
    /// A checkpoint that nobody took.
    #[error("nobody took the checkpoint {}: {why}", ready.display())]
    Unanswered {
        /// What this trial left.
        ready: PathBuf,
        /// Why it no longer waits.
        why: &'static str,
    },
}

impl Error {
    /// For `map_err`: what was being done, and to what.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { doing, path: path.to_owned(), source }
    }
}
