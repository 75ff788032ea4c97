//! The journals' numbers in the ledger: rows name the journal that they come from, and a path in each would be long.

use rusqlite::{Connection, OptionalExtension};

/// The slot's journal that a record comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotJournal<'a> {
    /// Its number in this ledger.
    pub(crate) number: i64,
    /// The sweep.
    pub(crate) sweep: &'a str,
    /// The slot.
    pub(crate) slot: &'a str,
}

/// The journal's number, given now if it has none. Journals are met in the one order, so that a rebuilt ledger gives
/// the same numbers.
pub(crate) fn journal_number(db: &Connection, path: &str) -> rusqlite::Result<i64> {
    let known = db.prepare_cached("SELECT journal FROM _journals WHERE path = ?1")?.query_row([path], |row| row.get(0)).optional()?;
    if let Some(number) = known {
        return Ok(number);
    }
    db.prepare_cached("INSERT INTO _journals (path) VALUES (?1)")?.execute([path])?;
    Ok(db.last_insert_rowid())
}

/// Nothing more is expected from that journal.
pub(crate) fn close_journal(db: &Connection, number: i64) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE _journals SET closed = 1 WHERE journal = ?1")?.execute([number])?;
    Ok(())
}
