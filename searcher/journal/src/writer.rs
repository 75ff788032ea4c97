//! Writing a journal. A journal has one writer and one life: it is created, appended to, and never opened again.
//!
//! A frame is acknowledged when [`JournalWriter::sync`] has returned. When the disk is full the writer cuts the torn
//! frame off and keeps what is not durable, so that the same call succeeds once there is room: nothing is lost, nothing
//! is written twice.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bandmaster_record::{Envelope, RECORD_VERSION, Record, Timestamp, encode_frame};

use crate::modes::{create_new, parent};
use crate::{Cursor, FileError, crash_point, sync_dir};

/// The one writer of a journal.
#[derive(Debug)]
pub struct JournalWriter<R> {
    file: File,
    path: PathBuf,
    now: fn() -> Timestamp,
    /// Behind the last durable frame.
    durable: Cursor,
    /// The frames that are not durable.
    buffer: Vec<u8>,
    /// How many bytes of them are in the file, in whole frames.
    written: usize,
    /// The number of the last frame in the buffer.
    seq: u64,
    kind: PhantomData<fn(R)>,
}

impl<R: Record> JournalWriter<R> {
    /// Creates the journal; one that is there already is an error. `now` tells what records say of their time.
    pub fn create(path: &Path, now: fn() -> Timestamp) -> Result<Self, FileError> {
        let file = create_new(path).map_err(FileError::at("create", path))?;
        sync_dir(parent(path))?;
        Ok(Self { file, path: path.to_owned(), now, durable: Cursor::default(), buffer: Vec::new(), written: 0, seq: 0, kind: PhantomData })
    }

    /// Adds a record, in memory, and returns its number.
    pub fn append(&mut self, record: &R) -> Result<u64, FileError> {
        self.append_at(record, (self.now)())
    }

    /// The same, for a record of that time.
    pub fn append_at(&mut self, record: &R, at: Timestamp) -> Result<u64, FileError> {
        let seq = self.seq + 1;
        let envelope = Envelope { v: RECORD_VERSION, seq, at, record };
        encode_frame(&envelope, &mut self.buffer).map_err(|error| FileError::new("encode a record for", &self.path, error.into()))?;
        self.seq = seq;
        Ok(seq)
    }

    /// Writes what was appended and makes it durable. After an error everything is kept, and the call can be repeated.
    pub fn sync(&mut self) -> Result<(), FileError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        crash_point("journal.append.write");
        self.write()?;
        crash_point("journal.append.fsync");
        if let Err(error) = self.file.sync_data() {
            // The kernel may have dropped the pages that it could not write, and forgotten the error: all of them must
            // be written again. They stay in the file, because a reader may have seen them.
            self.written = 0;
            return Err(FileError::new("make durable", &self.path, error));
        }
        crash_point("journal.append.fsynced");
        self.durable = Cursor { seq: self.seq, offset: self.durable.offset + self.buffer.len() as u64 };
        self.buffer.clear();
        self.written = 0;
        Ok(())
    }

    /// Writes the buffer's rest, at the place where it belongs: repeated, it writes the same bytes over the same bytes.
    fn write(&mut self) -> Result<(), FileError> {
        let mut done = self.written;
        while let Some(rest) = self.buffer.get(done..).filter(|rest| !rest.is_empty()) {
            let error = match self.file.write_at(rest, self.durable.offset + done as u64) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(bytes) => {
                    done += bytes;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            // Whole frames stay. If the cut fails too, the bytes behind them are a torn tail, and are written over.
            let in_file = self.buffer.get(..done).unwrap_or_default();
            self.written = in_file.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            let _ = self.file.set_len(self.durable.offset + self.written as u64);
            return Err(FileError::new("write to", &self.path, error));
        }
        self.written = done;
        Ok(())
    }

    /// Behind the last durable frame.
    pub fn position(&self) -> Cursor {
        self.durable
    }

    /// Where the journal lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
