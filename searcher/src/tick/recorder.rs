//! What one tick records: the searcher's journal, opened when there is something to say and not before.
//!
//! Every record goes three ways in the same order: into the journal (the truth), into the sweeps' states (what is
//! decided next), and into the list from which the ledger's rows are made when the journal is safe on disk.

use bandmaster_journal::{Campaign, Cursor, FileError, JournalWriter, Lease, now};
use bandmaster_record::{Envelope, JournalId, RECORD_VERSION, Sealed, SearcherRecord, SlotId, SlotRecord, SweepId};

use crate::live::Sweeps;

/// One step in the one order there is.
#[derive(Debug)]
pub(super) enum Event {
    /// A record of the searcher's journal.
    Searcher(Envelope<SearcherRecord>),
    /// Records of a slot's journal that count from here on, and where that journal is read next.
    Slot(JournalId, Vec<Envelope<SlotRecord>>, Cursor),
}

/// The journal of one tick.
pub(super) struct Recorder<'a> {
    campaign: &'a Campaign,
    lease: &'a Lease,
    writer: Option<JournalWriter<SearcherRecord>>,
    /// All that was recorded, for the ledger.
    pub(super) events: Vec<Event>,
}

impl<'a> Recorder<'a> {
    /// Nothing is written yet.
    pub(super) fn new(campaign: &'a Campaign, lease: &'a Lease) -> Self {
        Self { campaign, lease, writer: None, events: Vec::new() }
    }

    /// Whether something was recorded.
    pub(super) fn is_used(&self) -> bool {
        self.writer.is_some()
    }

    /// This tick's journal.
    pub(super) fn journal(&self) -> JournalId {
        JournalId::Searcher(self.lease.epoch())
    }

    /// Opens this tick's journal, whose first record seals what is given.
    pub(super) fn open(&mut self, sealed: Vec<Sealed>) -> Result<(), FileError> {
        self.writer = Some(JournalWriter::create(&self.campaign.journal(&self.journal()), now)?);
        let identity = self.lease.identity();
        self.append(SearcherRecord::LeaseTaken {
            epoch: self.lease.epoch(),
            host: identity.host.clone(),
            pid: identity.pid,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sealed,
        })
    }

    /// Records a fact or a decision in the open journal.
    pub(super) fn record(&mut self, sweeps: &mut Sweeps, record: SearcherRecord) -> Result<(), FileError> {
        sweeps.searcher(&record);
        self.append(record)
    }

    /// Takes what was read of a slot's journal, right after the record that says so.
    pub(super) fn observed(
        &mut self,
        sweeps: &mut Sweeps,
        sweep: &SweepId,
        slot: &SlotId,
        frames: Vec<Envelope<SlotRecord>>,
        cursor: Cursor,
    ) {
        let journal = JournalId::Slot(sweep.clone(), slot.clone());
        frames.iter().for_each(|frame| sweeps.slot(sweep, slot, &frame.record));
        self.events.push(Event::Slot(journal, frames, cursor));
    }

    /// Everything recorded so far is safe on disk after this.
    pub(super) fn sync(&mut self) -> Result<(), FileError> {
        self.writer.as_mut().map_or(Ok(()), JournalWriter::sync)
    }

    /// Where this tick's journal ends.
    pub(super) fn position(&self) -> Option<Cursor> {
        self.writer.as_ref().map(JournalWriter::position)
    }

    fn append(&mut self, record: SearcherRecord) -> Result<(), FileError> {
        let Some(writer) = self.writer.as_mut() else { return Ok(()) };
        let at = now();
        let seq = writer.append_at(&record, at)?;
        self.events.push(Event::Searcher(Envelope { v: RECORD_VERSION, seq, at, record }));
        Ok(())
    }
}
