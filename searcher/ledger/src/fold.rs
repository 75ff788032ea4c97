//! The one fold. A tick, a rebuild and a reader all come to their rows through it, and so to the same ones.
//!
//! It walks the searcher's journals in the order of their epochs, each up to the length that counts, and at an
//! `observed` record the slot's journal up to what was observed: that is the only order there is between journals.

use std::collections::BTreeSet;

use bandmaster_journal::{Campaign, Counts, Cursor, Damage, DamageKind, JournalReader, sealing_map};
use bandmaster_record::{Envelope, Epoch, JournalId, SearcherRecord, SlotId, SlotRecord, SweepId};

use crate::{LedgerError, Transaction};

/// Hears the records in the one order, while their rows are made: the search's states are folded from the same stream.
pub trait Listener {
    /// A record of the searcher's journal. After an `observed` come the slot's records that it observed.
    fn searcher(&mut self, _envelope: &Envelope<SearcherRecord>) {}

    /// A record of a slot's journal.
    fn slot(&mut self, _sweep: &SweepId, _slot: &SlotId, _envelope: &Envelope<SlotRecord>) {}

    /// The fold of a rebuild is complete: what is written now is committed with it, as the states' snapshots.
    fn complete(&mut self, _transaction: &mut Transaction<'_>) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// For those who want the rows alone.
impl Listener for () {}

/// What a fold came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folded {
    /// How many records of the searcher's journals were new.
    pub searcher_records: u64,
    /// How many records of slots' journals were new.
    pub slot_records: u64,
    /// Journals that are damaged. Each was folded up to the damage, and the others wholly.
    pub damaged: Vec<Damage>,
}

impl Folded {
    /// How many records were new.
    pub fn records(&self) -> u64 {
        self.searcher_records + self.slot_records
    }
}

/// Folds all that is recorded and not folded yet into the transaction: rows, cursors, and whatever `listener` makes of it.
///
/// # Errors
/// [`LedgerError::Overtaken`] if the ledger holds what does not count any more; then it must be rebuilt.
pub fn fold(campaign: &Campaign, transaction: &mut Transaction<'_>, listener: &mut dyn Listener) -> Result<Folded, LedgerError> {
    let mut fold = Fold { campaign, transaction, listener, folded: Folded::default(), broken: BTreeSet::new() };
    // Whatever is older than the newest journal that was folded is sealed, and was folded to its seal.
    let newest = fold.transaction.newest_epoch()?;
    let map = sealing_map(campaign, newest.unwrap_or_default())?;
    if let Some(newest) = newest.filter(|newest| map.first().is_none_or(|first| first.epoch != *newest)) {
        // It is gone, or empty: reading on says so.
        fold.searcher(newest, Counts::Open)?;
    }
    for counted in map {
        fold.searcher(counted.epoch, counted.counts)?;
    }
    Ok(fold.folded)
}

struct Fold<'a, 'l> {
    campaign: &'a Campaign,
    transaction: &'a mut Transaction<'l>,
    listener: &'a mut dyn Listener,
    folded: Folded,
    /// Damage is reported once a journal.
    broken: BTreeSet<JournalId>,
}

impl Fold<'_, '_> {
    fn searcher(&mut self, epoch: Epoch, counts: Counts) -> Result<(), LedgerError> {
        let journal = JournalId::Searcher(epoch);
        let from = self.transaction.cursor(&journal)?;
        if let Counts::Sealed(length) = counts {
            if from.offset > length {
                let path = self.transaction.path().to_owned();
                return Err(LedgerError::Overtaken { path, journal, folded: from.offset, counts: length });
            }
            if from.offset == length {
                return Ok(());
            }
        }
        let mut reader = JournalReader::<SearcherRecord>::open(&self.campaign.journal(&journal), from, counts.limit())?;
        while let Some(envelope) = reader.next_frame()? {
            self.transaction.apply_searcher(&journal, &envelope)?;
            self.listener.searcher(&envelope);
            self.folded.searcher_records += 1;
            if let SearcherRecord::Observed { journal: JournalId::Slot(sweep, slot), through_seq, offset } = &envelope.record {
                self.slot(sweep, slot, Cursor { seq: *through_seq, offset: *offset })?;
            }
        }
        self.end(journal, from, reader.cursor(), reader.damage())
    }

    /// Folds what was observed of a slot's journal.
    fn slot(&mut self, sweep: &SweepId, slot: &SlotId, through: Cursor) -> Result<(), LedgerError> {
        let journal = JournalId::Slot(sweep.clone(), slot.clone());
        let from = self.transaction.cursor(&journal)?;
        if through.offset <= from.offset || self.broken.contains(&journal) {
            return Ok(());
        }
        let path = self.campaign.journal(&journal);
        let mut reader = JournalReader::<SlotRecord>::open(&path, from, Some(through.offset))?;
        while let Some(envelope) = reader.next_frame()? {
            self.transaction.apply_slot(&journal, &envelope)?;
            self.listener.slot(sweep, slot, &envelope);
            self.folded.slot_records += 1;
        }
        let cursor = reader.cursor();
        let kind = DamageKind::Sequence { expected: through.seq, found: cursor.seq };
        let other = (cursor != through).then_some(Damage { path, offset: cursor.offset, kind, good_after: 0 });
        self.end(journal, from, cursor, reader.damage().or(other.as_ref()))
    }

    fn end(&mut self, journal: JournalId, from: Cursor, cursor: Cursor, damage: Option<&Damage>) -> Result<(), LedgerError> {
        if cursor != from {
            self.transaction.set_cursor(&journal, cursor)?;
        }
        if let Some(damage) = damage {
            self.folded.damaged.push(damage.clone());
            self.broken.insert(journal);
        }
        Ok(())
    }
}
