//! A transaction: rows, cursors and states that are committed together, or not at all.

use std::path::Path;

use bandmaster_journal::{Cursor, crash_point};
use bandmaster_record::{Envelope, Epoch, JournalId, RequestId, SearcherRecord, SlotRecord, SweepId};
use rusqlite::{Connection, OptionalExtension};

use crate::rows::{self, SlotJournal};
use crate::{LedgerError, value};

/// What is being written. Dropped without [`Transaction::commit`], it never was.
#[derive(Debug)]
pub struct Transaction<'l> {
    inner: rusqlite::Transaction<'l>,
    path: &'l Path,
    /// The number of the journal that was asked for last: records come many at a time from one journal.
    last: Option<(JournalId, i64)>,
}

impl<'l> Transaction<'l> {
    pub(crate) fn new(inner: rusqlite::Transaction<'l>, path: &'l Path) -> Self {
        Self { inner, path, last: None }
    }

    /// Makes it durable.
    pub fn commit(self) -> Result<(), LedgerError> {
        crash_point("ledger.commit");
        self.inner.commit().map_err(LedgerError::at("write", self.path))?;
        crash_point("ledger.committed");
        Ok(())
    }

    /// For reading, what this transaction wrote included.
    pub fn connection(&self) -> &Connection {
        &self.inner
    }

    /// The ledger's path.
    pub fn path(&self) -> &Path {
        self.path
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        read(&self.inner).map_err(LedgerError::at("read", self.path))
    }

    fn write<T>(&self, write: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        write(&self.inner).map_err(LedgerError::at("write", self.path))
    }

    fn exists(&self, sql: &str, key: &str) -> Result<bool, LedgerError> {
        self.read(|db| db.prepare_cached(sql)?.exists([key]))
    }

    /// How far a journal is folded; the beginning for one that is not known.
    pub fn cursor(&self, journal: &JournalId) -> Result<Cursor, LedgerError> {
        Ok(self.known(journal)?.map_or_else(Cursor::default, |(cursor, _)| cursor))
    }

    /// How far a slot's journal is folded if it may still grow: nothing if its slot has ended or is gone.
    pub fn open_cursor(&self, journal: &JournalId) -> Result<Option<Cursor>, LedgerError> {
        Ok(self.known(journal)?.map_or_else(|| Some(Cursor::default()), |(cursor, closed)| (!closed).then_some(cursor)))
    }

    /// Whether anything of a journal was folded.
    pub fn knows_journal(&self, journal: &JournalId) -> Result<bool, LedgerError> {
        Ok(self.known(journal)?.is_some())
    }

    fn known(&self, journal: &JournalId) -> Result<Option<(Cursor, bool)>, LedgerError> {
        self.read(|db| {
            let mut find = db.prepare_cached("SELECT seq, \"offset\", closed FROM _journals WHERE path = ?1")?;
            find.query_row([journal.to_string()], |row| {
                Ok((Cursor { seq: value::count(row.get(0)?), offset: value::count(row.get(1)?) }, row.get(2)?))
            })
            .optional()
        })
    }

    /// Says how far a journal is folded. [`crate::fold`] does it for its caller; who applies records one by one does it here.
    pub fn set_cursor(&mut self, journal: &JournalId, cursor: Cursor) -> Result<(), LedgerError> {
        let number = self.number(journal)?;
        self.write(|db| {
            let mut set = db.prepare_cached("UPDATE _journals SET seq = ?2, \"offset\" = ?3 WHERE journal = ?1")?;
            set.execute((number, value::int(cursor.seq), value::int(cursor.offset)))?;
            Ok(())
        })
    }

    /// The slots' journals that may still grow, in the order of their paths.
    pub fn open_slot_journals(&self) -> Result<Vec<(JournalId, Cursor)>, LedgerError> {
        self.read(|db| {
            let mut find =
                db.prepare_cached("SELECT path, seq, \"offset\" FROM _journals WHERE closed = 0 AND path > 'sweeps/' ORDER BY path")?;
            let rows = find.query_map([], |row| {
                let cursor = Cursor { seq: value::count(row.get(1)?), offset: value::count(row.get(2)?) };
                Ok((row.get::<_, String>(0)?, cursor))
            })?;
            rows.filter_map(|row| row.map(|(path, cursor)| Some((path.parse().ok()?, cursor))).transpose()).collect()
        })
    }

    /// The newest of the searcher's journals of which something was folded.
    pub fn newest_epoch(&self) -> Result<Option<Epoch>, LedgerError> {
        self.read(|db| {
            // Journals are numbered as they are met, and the searcher's in the order of their epochs: the way is short.
            let sql = "SELECT path FROM _journals WHERE path GLOB 'searcher/journal/*' AND seq > 0 ORDER BY journal DESC LIMIT 1";
            let newest: Option<String> = db.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
            Ok(newest.and_then(|path| match path.parse() {
                Ok(JournalId::Searcher(epoch)) => Some(epoch),
                _ => None,
            }))
        })
    }

    /// Whether a sweep was taken in.
    pub fn knows_sweep(&self, sweep: &SweepId) -> Result<bool, LedgerError> {
        self.exists("SELECT 1 FROM sweeps WHERE sweep = ?1", sweep.as_str())
    }

    /// Whether a sweep is known, and nothing more can come of it.
    pub(crate) fn is_over(&self, sweep: &SweepId) -> Result<bool, LedgerError> {
        self.exists("SELECT 1 FROM sweeps WHERE sweep = ?1 AND ended_at IS NOT NULL", sweep.as_str())
    }

    /// Whether a request was consumed.
    pub fn knows_request(&self, request: &RequestId) -> Result<bool, LedgerError> {
        self.exists("SELECT 1 FROM _requests WHERE request = ?1", request.as_str())
    }

    /// The snapshot of a sweep's state that was committed last.
    pub fn state(&self, sweep: &SweepId) -> Result<Option<Vec<u8>>, LedgerError> {
        self.read(|db| {
            db.prepare_cached("SELECT snapshot FROM _state WHERE sweep = ?1")?.query_row([sweep.as_str()], |row| row.get(0)).optional()
        })
    }

    /// All snapshots, in the order of the sweeps' names.
    pub fn states(&self) -> Result<Vec<(SweepId, Vec<u8>)>, LedgerError> {
        self.read(|db| {
            let mut find = db.prepare_cached("SELECT sweep, snapshot FROM _state ORDER BY sweep")?;
            let rows = find.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            rows.filter_map(|row| row.map(|(sweep, snapshot)| Some((sweep.parse().ok()?, snapshot))).transpose()).collect()
        })
    }

    /// Keeps the snapshot of a sweep's state, instead of the one before.
    pub fn put_state(&mut self, sweep: &SweepId, snapshot: &[u8]) -> Result<(), LedgerError> {
        self.write(|db| {
            db.prepare_cached("INSERT OR REPLACE INTO _state (sweep, snapshot) VALUES (?1, ?2)")?.execute((sweep.as_str(), snapshot))?;
            Ok(())
        })
    }

    /// Forgets the state of a sweep that is over.
    pub fn drop_state(&mut self, sweep: &SweepId) -> Result<(), LedgerError> {
        self.write(|db| {
            db.prepare_cached("DELETE FROM _state WHERE sweep = ?1")?.execute([sweep.as_str()])?;
            Ok(())
        })
    }

    /// Makes the rows of one record of the searcher's journal. The cursor stays: see [`Transaction::set_cursor`].
    pub fn apply_searcher(&mut self, journal: &JournalId, envelope: &Envelope<SearcherRecord>) -> Result<(), LedgerError> {
        let JournalId::Searcher(epoch) = journal else { return Ok(()) };
        // Numbered at its first record and not at its last: what is folded in pieces gets the same numbers.
        self.number(journal)?;
        self.write(|db| rows::searcher(db, *epoch, envelope))
    }

    /// Makes the rows of one record of a slot's journal. The cursor stays: see [`Transaction::set_cursor`].
    pub fn apply_slot(&mut self, journal: &JournalId, envelope: &Envelope<SlotRecord>) -> Result<(), LedgerError> {
        let JournalId::Slot(sweep, slot) = journal else { return Ok(()) };
        let journal = SlotJournal { number: self.number(journal)?, sweep: sweep.as_str(), slot: slot.as_str() };
        self.write(|db| rows::slot(db, journal, envelope))
    }

    /// The journal's number in this ledger, given at its first record.
    fn number(&mut self, journal: &JournalId) -> Result<i64, LedgerError> {
        if let Some((last, number)) = &self.last
            && last == journal
        {
            return Ok(*number);
        }
        let number = self.write(|db| rows::journal_number(db, &journal.to_string()))?;
        self.last = Some((journal.clone(), number));
        Ok(number)
    }
}
