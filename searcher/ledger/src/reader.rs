//! What is true now, for commands: the published ledger, and in memory what the journals say beyond it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use bandmaster_journal::{Campaign, Damage, FileError, JournalReader, names, sealing_map};
use bandmaster_record::{JournalId, Record, SearcherRecord, SlotId, SlotRecord, SweepId};
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use crate::{Ledger, LedgerError, Transaction, fold, schema};

/// A published ledger that is larger is shown as it is: 256 MiB.
const LARGEST: u64 = 256 << 20;

/// The published file may be replaced while it is read; over NFS what was open is then stale.
const TRIES: u32 = 3;

/// A ledger for reading, with all that is known now.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    freshness: Freshness,
}

/// How old it is, what a [`Reader`] shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Freshness {
    /// When the ledger was published, by the file system's clock; nothing if it never was.
    pub published: Option<SystemTime>,
    /// How many records the journals had beyond it. They are shown.
    pub added: u64,
    /// Whether the journals hold more than is shown: the ledger is too large to be held in memory.
    pub is_behind: bool,
    /// Journals that could not be read to their end.
    pub damaged: Vec<Damage>,
}

impl Freshness {
    /// One sentence about it, by the clock of whoever asks.
    pub fn sentence(&self, now: SystemTime) -> String {
        let age = self.published.map(|published| now.duration_since(published).unwrap_or(Duration::ZERO).as_secs());
        match (age, self.is_behind) {
            (Some(age), true) => format!("as published {age} s ago; the journals say more, but the ledger is too large to add it here"),
            (Some(age), false) => format!("up to date: published {age} s ago, and {} records since", self.added),
            (None, _) => format!("up to date: nothing is published yet, {} records", self.added),
        }
    }
}

impl Reader {
    /// The ledger of that campaign, as of now.
    pub fn open(campaign: &Campaign) -> Result<Self, LedgerError> {
        let mut tried = 1;
        loop {
            match Self::try_open(campaign) {
                Err(LedgerError::Sqlite { .. } | LedgerError::Damaged { .. }) if tried < TRIES => tried += 1,
                other => return other,
            }
        }
    }

    fn try_open(campaign: &Campaign) -> Result<Self, LedgerError> {
        let path = campaign.ledger();
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Self::fill(campaign, Ledger::transient()?, Freshness::default());
            }
            Err(source) => return Err(FileError::new("look at the ledger", path, source).into()),
        };
        let mut freshness = Freshness { published: metadata.modified().ok(), ..Freshness::default() };
        let mut published = Ledger::with(open_published(&path)?, path.clone());
        if !has_more(campaign, &published.look()?)? {
            return Ok(Self { connection: published.connection, freshness });
        }
        if metadata.len() > LARGEST {
            freshness.is_behind = true;
            return Ok(Self { connection: published.connection, freshness });
        }
        let memory = Ledger::with(copy(&published.connection, &path, ":memory:")?, path);
        Self::fill(campaign, memory, freshness)
    }

    /// Adds to the ledger what the journals say beyond it: what the searcher observed, and what it did not yet.
    fn fill(campaign: &Campaign, mut ledger: Ledger, mut freshness: Freshness) -> Result<Self, LedgerError> {
        let mut transaction = ledger.begin()?;
        let folded = fold(campaign, &mut transaction, &mut ())?;
        freshness.added = folded.records();
        freshness.damaged = folded.damaged;
        for journal in growing(campaign, &transaction)? {
            let Some(cursor) = transaction.open_cursor(&journal)? else { continue };
            let mut reader = JournalReader::<SlotRecord>::open(&campaign.journal(&journal), cursor, None)?;
            while let Some(envelope) = reader.next_frame()? {
                transaction.apply_slot(&journal, &envelope)?;
                freshness.added += 1;
            }
        }
        transaction.commit()?;
        ledger.connection.pragma_update(None, "query_only", true).map_err(LedgerError::at("read", &ledger.path))?;
        Ok(Self { connection: ledger.connection, freshness })
    }

    /// For reading; it refuses to write.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// How old it is.
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }
}

/// Refuses a campaign whose published ledger a newer version wrote: nothing there is for this one to touch. What else may
/// be wrong with a ledger, whoever reads it tells.
pub fn refuse_newer(campaign: &Campaign) -> Result<(), LedgerError> {
    match open_published(&campaign.ledger()) {
        Err(error @ LedgerError::Newer { .. }) => Err(error),
        _ => Ok(()),
    }
}

/// Opens a published ledger: it never changes, so that no lock is needed and no journal of SQLite's is looked for.
pub(crate) fn open_published(path: &Path) -> Result<Connection, LedgerError> {
    let mut uri = String::from("file:");
    for byte in std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()) {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02x}"));
        }
    }
    uri.push_str("?mode=ro&immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags).map_err(LedgerError::at("open", path))?;
    schema::verify(&connection, path)?;
    Ok(connection)
}

/// A copy of it in the database `to`: ":memory:", or "" for one that SQLite keeps on disk, out of sight.
pub(crate) fn copy(from: &Connection, path: &Path, to: &str) -> Result<Connection, LedgerError> {
    let copy = || {
        let mut copy = Connection::open(to)?;
        Backup::new(from, &mut copy)?.step(-1)?;
        Ok(copy)
    };
    copy().map_err(LedgerError::at("read", path))
}

impl Ledger {
    /// Begins to read. The published ledger cannot be written.
    fn look(&mut self) -> Result<Transaction<'_>, LedgerError> {
        let inner = self.connection.transaction().map_err(LedgerError::at("read", &self.path))?;
        Ok(Transaction::new(inner, &self.path))
    }
}

/// Whether the journals hold anything that the ledger does not.
fn has_more(campaign: &Campaign, ledger: &Transaction<'_>) -> Result<bool, LedgerError> {
    for counted in sealing_map(campaign, ledger.newest_epoch()?.unwrap_or_default())? {
        if goes_on::<SearcherRecord>(campaign, ledger, &JournalId::Searcher(counted.epoch), counted.counts.limit())? {
            return Ok(true);
        }
    }
    for journal in growing(campaign, ledger)? {
        if goes_on::<SlotRecord>(campaign, ledger, &journal, None)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn goes_on<R: Record>(campaign: &Campaign, ledger: &Transaction<'_>, journal: &JournalId, limit: Option<u64>) -> Result<bool, LedgerError> {
    let Some(cursor) = ledger.open_cursor(journal)? else { return Ok(false) };
    if limit.is_some_and(|limit| limit <= cursor.offset) {
        // What was folded beyond the seal is for the fold to refuse.
        return Ok(limit.is_some_and(|limit| limit < cursor.offset));
    }
    Ok(JournalReader::<R>::open(&campaign.journal(journal), cursor, limit)?.next_frame()?.is_some())
}

/// The slots' journals that may hold more than is folded: those that are open, and those of live sweeps that nobody has
/// observed yet.
fn growing(campaign: &Campaign, ledger: &Transaction<'_>) -> Result<Vec<JournalId>, LedgerError> {
    let mut found: Vec<JournalId> = ledger.open_slot_journals()?.into_iter().map(|(journal, _)| journal).collect();
    for sweep in names::<SweepId>(&campaign.sweeps(), "")? {
        if ledger.is_over(&sweep)? {
            continue;
        }
        for slot in names::<SlotId>(&campaign.sweep(&sweep).slots(), "")? {
            let journal = JournalId::Slot(sweep.clone(), slot);
            if !ledger.knows_journal(&journal)? {
                found.push(journal);
            }
        }
    }
    Ok(found)
}
