//! Follows the report file: reads what was appended, whole lines at a time, whatever the trial does to the file.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use nix::libc;

use crate::report::{MAX_LINE, Report, parse, sample};

/// How much is read at a time, in bytes.
const BLOCK: usize = 64 * 1024;

/// A reader of one attempt's report file.
#[derive(Debug)]
pub(super) struct Reports {
    path: PathBuf,
    file: Option<(File, u64)>,
    offset: u64,
    /// The beginning of a line without its end.
    rest: Vec<u8>,
    /// The rest of a line that was too long is not looked at.
    skipping: bool,
    garbage: u64,
    /// The first garbage: why it is, and how it begins.
    example: Option<(String, String)>,
    left_out: BTreeSet<String>,
    replaced: bool,
    /// Why the file could not be read.
    trouble: Option<String>,
}

impl Reports {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            offset: 0,
            rest: Vec::new(),
            skipping: false,
            garbage: 0,
            example: None,
            left_out: BTreeSet::new(),
            replaced: false,
            trouble: None,
        }
    }

    /// The reports in the next part of what is new, and whether there may be more. With `end`, a last line without its
    /// newline counts too.
    pub(super) fn read(&mut self, end: bool) -> (Vec<Report>, bool) {
        let mut reports = Vec::new();
        let mut block = vec![0; BLOCK];
        let read = match self.open().and_then(|file| file.map_or(Ok(0), |(file, offset)| file.read_at(&mut block, offset))) {
            Ok(read) => read,
            Err(error) => {
                self.trouble.get_or_insert_with(|| error.to_string());
                0
            }
        };
        self.offset += read as u64;
        let mut lines = block.get(..read).unwrap_or_default().split(|b| *b == b'\n').peekable();
        while let Some(part) = lines.next() {
            let whole = lines.peek().is_some();
            if !self.skipping {
                self.rest.extend_from_slice(part);
                if whole {
                    let line = std::mem::take(&mut self.rest);
                    self.line(&line, &mut reports);
                } else if self.rest.len() > MAX_LINE {
                    let line = std::mem::take(&mut self.rest);
                    self.line(&line, &mut reports);
                    self.skipping = true;
                }
            } else if whole {
                self.skipping = false;
            }
        }
        if end && read == 0 {
            let line = std::mem::take(&mut self.rest);
            self.line(&line, &mut reports);
        }
        (reports, read > 0)
    }

    /// The file and where to go on in it; `None` when there is none. A file that was put in place of the one that was
    /// read, or cut shorter, is read from its beginning.
    fn open(&mut self) -> io::Result<Option<(&File, u64)>> {
        let meta = match fs::symlink_metadata(&self.path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if self.file.as_ref().is_none_or(|(_, inode)| *inode != meta.ino()) {
            if !meta.is_file() {
                return Err(io::Error::other("it is not a regular file"));
            }
            self.replaced |= self.file.is_some();
            let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&self.path)?;
            let inode = file.metadata()?.ino();
            self.file = Some((file, inode));
            self.offset = 0;
        } else if meta.len() < self.offset {
            self.replaced = true;
            self.offset = 0;
            self.rest.clear();
        }
        Ok(self.file.as_ref().map(|(file, _)| (file, self.offset)))
    }

    fn line(&mut self, line: &[u8], reports: &mut Vec<Report>) {
        match parse(line) {
            Ok(Some(report)) => {
                self.left_out.extend(report.left_out.iter().cloned());
                reports.push(report);
            }
            Ok(None) => {}
            Err(why) => self.refuse(why, line),
        }
    }

    fn refuse(&mut self, why: String, line: &[u8]) {
        self.garbage += 1;
        self.example.get_or_insert_with(|| (why, sample(line)));
    }

    /// What a person should know about the whole file, when the trial ended.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(why) = &self.trouble {
            notes.push(format!("its report file could not be read: {why}"));
        }
        if let Some((why, sample)) = &self.example {
            notes.push(format!("lines in its report file that are no report: {}; the first is {why}: `{sample}`", self.garbage));
        }
        if !self.left_out.is_empty() {
            let mut names: Vec<String> = self.left_out.iter().take(10).map(|name| format!("`{}`", sample(name.as_bytes()))).collect();
            if self.left_out.len() > names.len() {
                names.push("…".to_owned());
            }
            notes.push(format!("reported values that are no numbers were left out: {}", names.join(", ")));
        }
        if self.replaced {
            notes.push("its report file was replaced or cut while it ran: open it for appending, or reports can be lost".to_owned());
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn drain(reports: &mut Reports, end: bool) -> Vec<u64> {
        let mut found = Vec::new();
        loop {
            let (some, more) = reports.read(end);
            found.extend(some.iter().map(|report| report.resource.0));
            if !more {
                return found;
            }
        }
    }

    fn append(path: &std::path::Path, text: &[u8]) {
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text).unwrap();
    }

    #[test]
    fn a_line_counts_when_it_is_whole_and_the_last_one_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report");
        let mut reports = Reports::new(path.clone());
        assert_eq!(drain(&mut reports, false), [0; 0]);
        append(&path, b"{\"resource\": 1}\n{\"resou");
        assert_eq!(drain(&mut reports, false), [1]);
        append(&path, b"rce\": 2}\n\n{\"resource\": 3}");
        assert_eq!(drain(&mut reports, false), [2]);
        assert_eq!(drain(&mut reports, true), [3]);
        assert_eq!(reports.notes(), [""; 0]);
    }

    #[test]
    fn garbage_is_counted_and_shown_once_and_hides_no_report() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report");
        append(&path, b"Traceback (most recent call last):\n\xff\xfe\n{\"resource\": 1}\n");
        append(&path, &vec![b'x'; 3 * MAX_LINE]);
        append(&path, b"\n{\"resource\": 2, \"name\": \"adam\"}\n");
        let mut reports = Reports::new(path);
        assert_eq!(drain(&mut reports, true), [1, 2]);
        let notes = reports.notes();
        assert!(notes[0].contains("no report: 3") && notes[0].contains("Traceback"), "{notes:?}");
        assert!(notes[1].contains("`name`"), "{notes:?}");
    }

    #[test]
    fn a_file_that_is_written_anew_is_read_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report");
        append(&path, b"{\"resource\": 10}\n");
        let mut reports = Reports::new(path.clone());
        assert_eq!(drain(&mut reports, false), [10]);
        fs::write(&path, b"{\"resource\": 2}\n").unwrap();
        assert_eq!(drain(&mut reports, false), [2]);
        fs::write(dir.path().join("new"), b"{\"resource\": 3}\n").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        assert_eq!(drain(&mut reports, true), [3]);
        assert!(reports.notes()[0].contains("replaced"));
    }

    #[test]
    fn a_pipe_in_its_place_blocks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut reports = Reports::new(path);
        assert_eq!(drain(&mut reports, true), [0; 0]);
        assert!(reports.notes()[0].contains("not a regular file"));
    }
}
