//! The slot's journal, and when its records must be on disk.

use std::path::Path;
use std::time::Duration;

use bandmaster_journal::{FileError, JournalWriter, now};
use bandmaster_record::SlotRecord;
use tokio::time::{Instant, sleep};

use super::patience::Patience;

/// Records that nobody waits for are on disk at the latest after this.
const FLUSH: Duration = Duration::from_secs(1);

/// The journal of this slot.
#[derive(Debug)]
pub(super) struct SlotJournal {
    writer: JournalWriter<SlotRecord>,
    due: Option<Instant>,
    patience: Patience,
}

impl SlotJournal {
    pub(super) fn create(path: &Path) -> Result<Self, FileError> {
        Ok(Self { writer: JournalWriter::create(path, now)?, due: None, patience: Patience::default() })
    }

    /// Adds a record, to be on disk within a second.
    pub(super) fn append(&mut self, record: &SlotRecord) -> Result<(), FileError> {
        self.writer.append(record)?;
        self.due.get_or_insert_with(|| Instant::now() + FLUSH);
        Ok(())
    }

    /// Whether the disk was full at the last try.
    pub(super) fn is_waiting(&self) -> bool {
        self.patience.is_waiting()
    }

    /// When [`SlotJournal::try_sync`] is due; `None` when all is on disk.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Brings all records to disk. False when it is full: then it is due again later.
    pub(super) fn try_sync(&mut self) -> Result<bool, FileError> {
        match self.writer.sync() {
            Ok(()) => {
                self.due = None;
                self.patience.end();
                Ok(true)
            }
            Err(error) => {
                self.due = Some(Instant::now() + self.patience.wait(error)?);
                Ok(false)
            }
        }
    }

    /// Brings all records to disk, however long it is full.
    pub(super) async fn sync(&mut self) -> Result<(), FileError> {
        while !self.try_sync()? {
            let pause = self.due.map_or(FLUSH, |due| due.saturating_duration_since(Instant::now()));
            sleep(pause).await;
        }
        Ok(())
    }
}
