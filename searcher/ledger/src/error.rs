//! What can go wrong with a ledger, and what to do about it. Nothing here loses anything: the journals are the truth.

use std::io;
use std::path::{Path, PathBuf};

use bandmaster_journal::{Damage, FileError, JournalError};
use bandmaster_record::JournalId;
use rusqlite::ErrorCode;

/// A ledger that cannot be used, or an operation on it that failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A newer Bandmaster made it.
    #[error(
        "the ledger {} has version {found}, and this bandmaster knows up to version {known}: use the newer bandmaster",
        path.display()
    )]
    Newer {
        /// The ledger.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version that this build writes.
        known: i64,
    },
    /// An older Bandmaster made it. Ledgers are never migrated: the journals say all of it again.
    #[error(
        "the ledger {} has version {found}, and this bandmaster writes version {known}: make it anew with `bandmaster ledger rebuild`",
        path.display()
    )]
    Older {
        /// The ledger.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version that this build writes.
        known: i64,
    },
    /// The file is something else.
    #[error("{} is no ledger: {why}; if it should be one, make it anew with `bandmaster ledger rebuild`", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// SQLite cannot read it any more.
    #[error("the ledger {} is damaged: {why}; make it anew from the journals with `bandmaster ledger rebuild`", path.display())]
    Damaged {
        /// The ledger.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// Rows were folded from bytes that a newer holder of the lease sealed away.
    #[error(
        "the ledger {} holds records of {journal} up to byte {folded}, of which only {counts} bytes count: \
         its writer went on after it was taken for dead; make it anew with `bandmaster ledger rebuild`",
        path.display()
    )]
    Overtaken {
        /// The ledger.
        path: PathBuf,
        /// The journal.
        journal: JournalId,
        /// Up to where it was folded, in bytes.
        folded: u64,
        /// How many of its bytes count.
        counts: u64,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A journal says what cannot be believed, at its very beginning.
    #[error(transparent)]
    Journal(Box<Damage>),
    /// SQLite failed otherwise.
    #[error("cannot {doing} the ledger {}: {source}", path.display())]
    Sqlite {
        /// What was tried, as it stands after "cannot": "read", "write", …
        doing: &'static str,
        /// The ledger.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl LedgerError {
    /// For `map_err`: an error of SQLite becomes one about `path`.
    pub(crate) fn at(doing: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path: path.to_owned(), why: source.to_string() },
            Some(ErrorCode::NotADatabase) => Self::NotALedger { path: path.to_owned(), why: "it is no SQLite file".to_owned() },
            Some(ErrorCode::DiskFull) => Self::File(FileError::new("write", path, io::ErrorKind::StorageFull.into())),
            _ => Self::Sqlite { doing, path: path.to_owned(), source },
        }
    }

    /// Whether the disk is full: the same call may succeed later (exit code 11).
    pub fn is_full(&self) -> bool {
        matches!(self, Self::File(error) if error.is_full())
    }

    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::File(error) if error.is_missing())
    }

    /// Whether the ledger itself is at fault, and not the disk: it must be rebuilt, or read by a newer build (exit code 8).
    pub fn is_about_the_ledger(&self) -> bool {
        matches!(self, Self::Newer { .. } | Self::Older { .. } | Self::NotALedger { .. } | Self::Damaged { .. } | Self::Overtaken { .. })
    }
}

impl From<JournalError> for LedgerError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::File(error) => Self::File(error),
            JournalError::Damaged(damage) => Self::Journal(Box::new(damage)),
        }
    }
}
