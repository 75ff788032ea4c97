//! What can go wrong with a file: what was tried, on which path, why it failed, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bandmaster_record::FrameError;

/// An operation on a file that failed.
#[derive(Debug)]
pub struct FileError {
    /// What was tried, as it stands after "cannot": "create", "read", …
    pub doing: &'static str,
    /// On which file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    /// An operation on `path` that failed with `source`.
    pub fn new(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self { doing, path: path.into(), source }
    }

    /// For `map_err`: an error of the system becomes one about `path`.
    pub fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::new(doing, path, source)
    }

    /// The file is refused because another user owns it or may write it.
    pub(crate) fn not_safe(path: &Path, why: String) -> Self {
        Self::new("trust", path, io::Error::new(io::ErrorKind::PermissionDenied, NotSafe(why)))
    }

    /// Whether the disk is full, or the quota used up: the same call may succeed later.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
    }

    /// Whether the file was refused because another user owns it or may write it (exit code 10).
    pub fn is_unsafe(&self) -> bool {
        self.source.get_ref().is_some_and(|inner| inner.is::<NotSafe>())
    }

    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    fn advice(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::StorageFull => " (make room there; nothing is lost)",
            io::ErrorKind::QuotaExceeded => " (your quota is used up: make room there; nothing is lost)",
            io::ErrorKind::ReadOnlyFilesystem => " (a campaign needs a file system that every node may write)",
            _ => "",
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}{}", self.doing, self.path.display(), self.source, self.advice())
    }
}

// The reason stands in the message already: a source would make reports say it twice.
impl std::error::Error for FileError {}

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotSafe(String);

/// A journal whose bytes are not what its writer wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged at byte {offset}: {kind}{}", path.display(), after(*.good_after))]
pub struct Damage {
    /// The journal.
    pub path: PathBuf,
    /// Where the damage begins, in bytes from the journal's beginning. Everything before it is good.
    pub offset: u64,
    /// What is wrong.
    pub kind: DamageKind,
    /// How many good frames stand behind it. None: the writer's node may have crashed before it could make its last
    /// bytes durable, and nobody was told that they were. Some: bytes were lost that somebody may have relied on.
    pub good_after: u64,
}

fn after(good: u64) -> String {
    if good == 0 { String::new() } else { format!(" ({good} good records stand behind it; restore the file from a backup)") }
}

/// What is wrong with a journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// A whole line that is no frame.
    #[error(transparent)]
    Frame(FrameError),
    /// A good frame that does not follow the one before.
    #[error("record {found} stands where record {expected} should")]
    Sequence {
        /// The number that should follow.
        expected: u64,
        /// The number that was found.
        found: u64,
    },
    /// The file is shorter than it was known to be.
    #[error("the file ends before byte {known}, up to which it was read or sealed before")]
    Short {
        /// The length that it had, in bytes.
        known: u64,
    },
}

impl Damage {
    /// Whether a newer Bandmaster wrote the record: nothing is broken, this build is too old.
    pub fn is_newer(&self) -> bool {
        matches!(self.kind, DamageKind::Frame(FrameError::Newer(_)))
    }
}

/// A journal that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its bytes are not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
}
