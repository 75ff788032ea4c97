//! Reading a journal that may grow while it is read, on a file system whose `stat` may lag.
//!
//! A reader opens the file, goes to where it stopped the last time, and reads to the end. It never asks for the size.
//! What it finds behind the last newline is a torn tail, and waits for its rest.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bandmaster_record::{Envelope, Record, decode_frame};

use crate::{Damage, DamageKind, FileError};

/// How far a journal was read or written: a place between two frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The number of the last record before it; 0 at the beginning.
    pub seq: u64,
    /// Where the next frame begins, in bytes from the journal's beginning.
    pub offset: u64,
}

/// What was read of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<R> {
    /// The good frames, in their order.
    pub frames: Vec<Envelope<R>>,
    /// Behind the last of them.
    pub cursor: Cursor,
    /// Whether bytes of an unfinished frame follow.
    pub torn: bool,
    /// What is wrong behind the cursor, if something is. Nothing is read beyond it.
    pub damage: Option<Damage>,
}

/// Reads all that follows `from`: to the journal's end, or to `limit` in bytes from its beginning, where it was sealed or
/// observed. A file that is not there is an empty journal; one that ends before `from` or `limit` is damaged.
pub fn read_from<R: Record>(path: &Path, from: Cursor, limit: Option<u64>) -> Result<Batch<R>, FileError> {
    let mut reader = JournalReader::open(path, from, limit)?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        frames.push(frame);
    }
    Ok(Batch { frames, cursor: reader.cursor, torn: reader.torn, damage: reader.damage })
}

/// Reads frame by frame, so that a journal of any length needs the memory of its longest line.
#[derive(Debug)]
pub struct JournalReader<R> {
    /// Nothing once the end, or damage, was met.
    input: Option<BufReader<Take<File>>>,
    path: PathBuf,
    cursor: Cursor,
    limit: Option<u64>,
    line: Vec<u8>,
    torn: bool,
    damage: Option<Damage>,
    kind: PhantomData<fn() -> R>,
}

impl<R: Record> JournalReader<R> {
    /// A reader that goes on at `from`; the arguments are those of [`read_from`].
    pub fn open(path: &Path, from: Cursor, limit: Option<u64>) -> Result<Self, FileError> {
        let mut reader = Self {
            input: None,
            path: path.to_owned(),
            cursor: from,
            limit,
            line: Vec::new(),
            torn: false,
            damage: None,
            kind: PhantomData,
        };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                reader.short(from.offset.max(limit.unwrap_or(0)));
                return Ok(reader);
            }
            Err(error) => return Err(FileError::new("open", path, error)),
        };
        if let Some(last) = from.offset.checked_sub(1) {
            let mut byte = [0];
            let read = file.read_at(&mut byte, last).map_err(FileError::at("read", path))?;
            if (read, byte) != (1, *b"\n") {
                reader.short(from.offset);
                return Ok(reader);
            }
            file.seek(SeekFrom::Start(from.offset)).map_err(FileError::at("read", path))?;
        }
        let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(from.offset));
        reader.input = Some(BufReader::with_capacity(1 << 16, file.take(room)));
        Ok(reader)
    }

    /// The next good frame; nothing at the end, at a torn tail, at damage.
    pub fn next_frame(&mut self) -> Result<Option<Envelope<R>>, FileError> {
        if !self.next_line()? {
            return Ok(None);
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let expected = self.cursor.seq + 1;
        let kind = match decode_frame::<R>(line) {
            Ok(frame) if frame.envelope.seq == expected => {
                self.cursor = Cursor { seq: expected, offset: self.cursor.offset + frame.bytes as u64 };
                return Ok(Some(frame.envelope));
            }
            Ok(frame) => DamageKind::Sequence { expected, found: frame.envelope.seq },
            Err(error) => DamageKind::Frame(error),
        };
        let mut good_after = 0;
        while self.next_line()? {
            good_after += u64::from(decode_frame::<R>(self.line.strip_suffix(b"\n").unwrap_or(&self.line)).is_ok());
        }
        self.torn = false;
        self.damage = Some(Damage { path: self.path.clone(), offset: self.cursor.offset, kind, good_after });
        Ok(None)
    }

    /// Reads a whole line into `line`; false at the end.
    fn next_line(&mut self) -> Result<bool, FileError> {
        let Some(input) = &mut self.input else { return Ok(false) };
        self.line.clear();
        input.read_until(b'\n', &mut self.line).map_err(FileError::at("read", &self.path))?;
        if self.line.ends_with(b"\n") {
            return Ok(true);
        }
        // What is left of the limit was not there to be read.
        let missing = self.limit.is_some() && input.get_ref().limit() > 0;
        self.input = None;
        self.torn = !self.line.is_empty();
        if missing {
            self.short(self.limit.unwrap_or(0));
        }
        Ok(false)
    }

    fn short(&mut self, known: u64) {
        if known > 0 {
            let kind = DamageKind::Short { known };
            self.damage = Some(Damage { path: self.path.clone(), offset: self.cursor.offset, kind, good_after: 0 });
        }
    }

    /// Behind the last frame that was read.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Whether bytes of an unfinished frame follow. Known when there is no next frame.
    pub fn torn(&self) -> bool {
        self.torn
    }

    /// What is wrong behind the cursor. Known when there is no next frame.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }
}

#[cfg(test)]
mod tests;
