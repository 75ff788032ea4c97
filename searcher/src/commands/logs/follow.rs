//! Printing logs as they grow, attempt after attempt, until the trial is over.
//!
//! That an attempt is over is heard from its slot's own journal, whose tail is cheap to read. The ledger is asked only
//! now and then: for what a dead slot cannot say, and for the next attempt.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use bandmaster_journal::{Cursor, FileError, JournalReader};
use bandmaster_ledger::Reader;
use bandmaster_record::{JournalId, SlotRecord};

use super::{Asked, Log, file};
use crate::failure::{Failure, FailureKind};

/// How often a log is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How often the ledger is asked at most …
const ASK: Duration = Duration::from_secs(1);

/// … and so many times less often than asking takes.
const ASK_COST: u32 = 20;

/// Prints the logs of one trial.
pub(super) struct Follow<'a> {
    asked: &'a Asked<'a>,
    out: &'a mut dyn Write,
    /// The log that was printed last, up to where, and how far its slot's journal is read.
    last: Option<(Log, u64, Cursor)>,
    /// When the ledger may be asked again.
    ask_at: Instant,
}

impl<'a> Follow<'a> {
    pub(super) fn new(asked: &'a Asked<'a>, out: &'a mut dyn Write) -> Self {
        Self { asked, out, last: None, ask_at: Instant::now() }
    }

    /// Says whose log follows.
    pub(super) fn heading(&mut self, log: &Log) -> Result<(), Failure> {
        let gap = if self.last.is_some() { "\n" } else { "" };
        let host = log.host.as_deref().map(|host| format!(" on {host}")).unwrap_or_default();
        writeln!(self.out, "{gap}==> {}/{}{host} <==", self.asked.sweep, log.attempt).map_err(Failure::output)
    }

    /// Prints a log as far as it is there; of the last `lines` lines only, where that is asked.
    pub(super) fn print(&mut self, log: &Log, lines: Option<u64>) -> Result<(), Failure> {
        let from = match (File::open(&log.path), lines) {
            (Ok(_), None) => 0,
            (Ok(mut file), Some(lines)) => file::last_lines(&mut file, lines).map_err(FileError::at("read", &log.path))?,
            // Its slot has journaled that it begins, and makes its log now.
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound && !log.over => 0,
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => return Err(gone(self.asked, log)),
            (Err(error), _) => return Err(FileError::new("open", &log.path, error).into()),
        };
        self.last = Some((log.clone(), from, Cursor::default()));
        self.go_on()
    }

    /// Prints what the last log has beyond what was printed.
    fn go_on(&mut self) -> Result<(), Failure> {
        let Some((log, printed, _)) = &mut self.last else { return Ok(()) };
        let mut file = match File::open(&log.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(FileError::new("open", &log.path, error).into()),
        };
        file.seek(SeekFrom::Start(*printed)).map_err(FileError::at("read", &log.path))?;
        let mut block = vec![0; 64 * 1024];
        loop {
            let read = file.read(&mut block).map_err(FileError::at("read", &log.path))?;
            if read == 0 {
                return self.out.flush().map_err(Failure::output);
            }
            *printed += read as u64;
            self.out.write_all(block.get(..read).unwrap_or_default()).map_err(Failure::output)?;
        }
    }

    /// Prints until nothing more can come.
    pub(super) fn until_over(&mut self) -> Result<(), Failure> {
        loop {
            // First whether it is over, then what it printed: so nothing that it printed before its end is missed.
            let over = self.last_is_over()?;
            self.go_on()?;
            if over && self.asked.attempt.is_some() {
                return Ok(());
            }
            if Instant::now() < self.ask_at {
                std::thread::sleep(LOOK);
                continue;
            }
            let (next, done) = self.ask()?;
            if let Some(next) = next {
                self.heading(&next)?;
                self.print(&next, None)?;
            } else if done && over {
                return Ok(());
            }
        }
    }

    /// Whether the last attempt is over, as its slot says. Without any it is.
    fn last_is_over(&mut self) -> Result<bool, Failure> {
        let Some((log, _, cursor)) = &mut self.last else { return Ok(self.asked.attempt.is_none()) };
        if log.over {
            return Ok(true);
        }
        let journal = self.asked.campaign.journal(&JournalId::Slot(self.asked.sweep.clone(), log.slot.clone()));
        let mut reader = JournalReader::<SlotRecord>::open(&journal, *cursor, None)?;
        while let Some(envelope) = reader.next_frame()? {
            log.over |= match envelope.record {
                SlotRecord::AttemptEnded { attempt, .. } => attempt == log.attempt,
                SlotRecord::SlotEnded { .. } => true,
                _ => false,
            };
        }
        *cursor = reader.cursor();
        Ok(log.over)
    }

    /// Asks the ledger for the next attempt, and whether none can come any more.
    fn ask(&mut self) -> Result<(Option<Log>, bool), Failure> {
        let begun = Instant::now();
        let reader = Reader::open(self.asked.campaign)?;
        let logs = self.asked.begun(reader.connection())?;
        let done = self.asked.is_over(reader.connection())?;
        self.ask_at = Instant::now() + (begun.elapsed() * ASK_COST).max(ASK);
        let Some((last, ..)) = &mut self.last else { return Ok((logs.into_iter().next_back(), done)) };
        // A slot that is gone does not say so itself.
        last.over |= logs.iter().any(|log| log.attempt == last.attempt && log.slot == last.slot && log.over);
        Ok((logs.into_iter().find(|log| log.attempt.attempt > last.attempt.attempt), done))
    }
}

fn gone(asked: &Asked<'_>, log: &Log) -> Failure {
    Failure::say(
        FailureKind::NotFound,
        format!("the log of {}/{} is not at {}", asked.sweep, log.attempt, log.path.display()),
        format!("it was removed; what is known of the attempt stays: `bandmaster show {}/{}`", asked.sweep, log.attempt),
    )
}
