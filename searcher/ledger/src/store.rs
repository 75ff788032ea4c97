//! The ledger as its writer holds it: a SQLite file with one connection, that nobody else opens.
//!
//! On a shared file system several connections lose commits while every check says "ok". So the holder of the lease
//! alone opens this file, for itself, and readers get a published copy. Never WAL, which needs shared memory.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use bandmaster_journal::{FileError, write_new};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{LedgerError, Transaction, schema};

/// Statements that stay prepared: more than there are.
const STATEMENTS: usize = 128;

/// A ledger that this process writes.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
}

impl Ledger {
    /// An empty ledger in a file that must not be there yet.
    pub fn create(path: &Path) -> Result<Self, LedgerError> {
        write_new(path, &[])?;
        let ledger = Self::connect(path)?;
        schema::create(&ledger.connection).map_err(LedgerError::at("create", path))?;
        Ok(ledger)
    }

    /// The ledger in that file. One of another version is refused.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        if let Err(source) = fs::metadata(path) {
            return Err(FileError::new("open the ledger", path, source).into());
        }
        let ledger = Self::connect(path)?;
        schema::verify(&ledger.connection, path)?;
        Ok(ledger)
    }

    /// A ledger in the new file `path` that begins with what `published` holds, or empty where nothing was published.
    /// What was published and cannot be read any more is an error: the caller rebuilds.
    pub fn begin_anew(published: &Path, path: &Path) -> Result<Self, LedgerError> {
        let mut from = match File::open(published) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::create(path),
            Err(source) => return Err(FileError::new("read the ledger", published, source).into()),
        };
        write_new(path, &[])?;
        let mut to = OpenOptions::new().write(true).open(path).map_err(FileError::at("open", path))?;
        // Not through memory: the searcher is small, and the ledger need not be.
        io::copy(&mut from, &mut to).map_err(FileError::at("copy the ledger to", path))?;
        Self::open(path)
    }

    /// A ledger that no file holds and that goes with this value; SQLite moves it to disk, out of sight, if it grows.
    pub(crate) fn transient() -> Result<Self, LedgerError> {
        let path = PathBuf::from("(transient)");
        let connection = Connection::open("").map_err(LedgerError::at("create", &path))?;
        let set = connection.pragma_update(None, "synchronous", "OFF").and_then(|()| schema::create(&connection));
        set.map_err(LedgerError::at("create", &path))?;
        Ok(Self::with(connection, path))
    }

    fn connect(path: &Path) -> Result<Self, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(LedgerError::at("open", path))?;
        let set = || {
            connection.busy_timeout(std::time::Duration::ZERO)?;
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            connection.pragma_update(None, "journal_mode", "TRUNCATE")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            // In KiB: a searcher is to stay small.
            connection.pragma_update(None, "cache_size", -8192)?;
            connection.pragma_update(None, "trusted_schema", false)
        };
        set().map_err(LedgerError::at("open", path))?;
        Ok(Self::with(connection, path.to_owned()))
    }

    pub(crate) fn with(connection: Connection, path: PathBuf) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Self { connection, path }
    }

    /// Begins a transaction. What is not committed never was.
    pub fn begin(&mut self) -> Result<Transaction<'_>, LedgerError> {
        let inner =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(LedgerError::at("write", &self.path))?;
        Ok(Transaction::new(inner, &self.path))
    }

    /// For reading.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(ledger: &Ledger, name: &str) -> String {
        ledger
            .connection
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    }

    #[test]
    fn the_writer_never_works_with_wal_and_syncs_fully() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("work.1.db");
        drop(Ledger::create(&path).unwrap());
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(pragma(&ledger, "journal_mode"), "Text(\"truncate\")");
        assert_eq!(pragma(&ledger, "synchronous"), "Integer(2)");
        assert_eq!(pragma(&ledger, "locking_mode"), "Text(\"exclusive\")");
    }

    #[test]
    fn a_second_writer_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("work.1.db");
        let mut first = Ledger::create(&path).unwrap();
        let transaction = first.begin().unwrap();
        assert!(Ledger::open(&path).is_err());
        drop(transaction);
        assert!(Ledger::open(&path).is_err(), "the lock outlives the transaction");
        assert!(Ledger::create(&path).is_err());
    }

    #[test]
    fn what_is_no_ledger_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("ledger.db");
        assert!(Ledger::open(&path).unwrap_err().is_missing());
        fs::write(&path, "a shopping list, long enough to be taken for a page of something else").unwrap();
        assert!(matches!(Ledger::open(&path), Err(LedgerError::NotALedger { .. })));
    }

    #[test]
    fn a_ledger_of_a_newer_version_is_refused_by_all_who_open_one() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("ledger.db");
        let ledger = Ledger::create(&path).unwrap();
        ledger.connection.pragma_update(None, "user_version", schema::SCHEMA_VERSION + 7).unwrap();
        drop(ledger);
        assert!(matches!(Ledger::open(&path), Err(LedgerError::Newer { found, .. }) if found == schema::SCHEMA_VERSION + 7));
        let anew = Ledger::begin_anew(&path, &temp.path().join("work.2.db"));
        assert!(matches!(anew, Err(error @ LedgerError::Newer { .. }) if error.is_about_the_ledger()));
    }
}
