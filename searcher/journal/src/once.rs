//! Files that appear whole or not at all, and files that are created once, by whoever comes first.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::modes::{create_empty, create_new, parent};
use crate::{FileError, crash_point, nonce};

/// Whose a file is that several wanted to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It holds what this caller gave.
    Mine,
    /// Another was first: this is what it holds.
    Theirs(Vec<u8>),
}

/// Removes a temporary file whatever happens.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays behind is a hidden file that nobody reads.
        let _ = fs::remove_file(&self.0);
    }
}

/// Creates `path` with `content` unless it is there already, and says whose it is.
///
/// The file appears whole, by link() from a temporary file in the same directory (BeeGFS and AFS link nowhere else).
/// What counts is the content read back, not what link() returned: over NFS a link whose answer was lost is an error
/// that succeeded. So contents that must not be confused hold a nonce; callers that give equal contents share the file.
pub fn create_once(path: &Path, content: &[u8]) -> Result<Created, FileError> {
    // Most of those who come too late find out here, without making a file.
    match fs::read(path) {
        Ok(found) if found != content => return Ok(Created::Theirs(found)),
        // Of an earlier try that may have died before the name was durable.
        Ok(_) => return sync_dir(parent(path)).map(|()| Created::Mine),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(FileError::new("read", path, error)),
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = Temporary(path.with_file_name(format!(".{name}.{}", nonce())));
    write_and_sync(&mut create_new(&temporary.0).map_err(FileError::at("create", &temporary.0))?, &temporary.0, content)?;
    crash_point("journal.once.link");
    let linked = fs::hard_link(&temporary.0, path);
    crash_point("journal.once.linked");
    let found = match (fs::read(path), linked) {
        (Ok(found), _) => found,
        (Err(_), Err(error)) => return Err(FileError::new("link a new file to", path, explained(error))),
        (Err(error), Ok(())) => return Err(FileError::new("read back", path, error)),
    };
    drop(temporary);
    sync_dir(parent(path))?;
    Ok(if found == content { Created::Mine } else { Created::Theirs(found) })
}

fn explained(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(nix::libc::EPERM | nix::libc::ENOTSUP | nix::libc::ENOSYS | nix::libc::EXDEV) => {
            let why = format!("{error} (this file system has no hard links: put the campaign on one that has)");
            io::Error::new(error.kind(), why)
        }
        _ => error,
    }
}

/// Makes `path` hold `content`, at once: whoever reads it sees all of the old or all of the new. `stage` is a name in
/// the same directory that nobody else uses.
pub fn publish(path: &Path, stage: &Path, content: &[u8]) -> Result<(), FileError> {
    write_stage(stage, content)?;
    rename(stage, path)
}

/// The first half of [`publish`]: writes the staged file and makes it durable. A holder of the lease asks between the
/// halves whether it still holds. If it fails, no staged file is left.
pub fn write_stage(stage: &Path, content: &[u8]) -> Result<(), FileError> {
    let mut file = create_empty(stage).map_err(FileError::at("create", stage))?;
    write_and_sync(&mut file, stage, content).inspect_err(|_| drop(Temporary(stage.to_owned())))
}

/// The second half of [`publish`]: renames the staged file, and makes the new name durable.
pub fn rename(stage: &Path, path: &Path) -> Result<(), FileError> {
    crash_point("journal.publish.rename");
    fs::rename(stage, path).map_err(FileError::at("rename a staged file to", path))?;
    crash_point("journal.publish.renamed");
    sync_dir(parent(path))
}

/// Creates a file that must not be there yet, durably. If it fails, none is left.
pub fn write_new(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let mut file = create_new(path).map_err(FileError::at("create", path))?;
    write_and_sync(&mut file, path, content).inspect_err(|_| drop(Temporary(path.to_owned())))?;
    sync_dir(parent(path))
}

fn write_and_sync(file: &mut File, path: &Path, content: &[u8]) -> Result<(), FileError> {
    file.write_all(content).map_err(FileError::at("write", path))?;
    crash_point("journal.file.fsync");
    file.sync_all().map_err(FileError::at("make durable", path))?;
    crash_point("journal.file.fsynced");
    Ok(())
}

/// Makes the names in a directory durable.
pub fn sync_dir(path: &Path) -> Result<(), FileError> {
    crash_point("journal.dir.fsync");
    match File::open(path).and_then(|dir| dir.sync_all()) {
        // Some network file systems make names durable with the call that changes them, and refuse to be asked again.
        Err(error) if !matches!(error.raw_os_error(), Some(nix::libc::EINVAL | nix::libc::ENOTSUP)) => {
            return Err(FileError::new("make durable the names in", path, error));
        }
        _ => {}
    }
    crash_point("journal.dir.fsynced");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn of_many_threads_one_creates_and_all_read_the_same() {
        let temp = tempfile::tempdir().unwrap();
        let start = Barrier::new(8);
        for round in 0..40 {
            let path = temp.path().join(format!("f{round}"));
            let race = |mine: usize| {
                let content = format!("{mine}");
                start.wait();
                match create_once(&path, content.as_bytes()).unwrap() {
                    Created::Mine => (true, content.into_bytes()),
                    Created::Theirs(found) => (false, found),
                }
            };
            let race = &race;
            let results: Vec<_> = thread::scope(|scope| {
                let racing: Vec<_> = (0..8).map(|n| scope.spawn(move || race(n))).collect();
                racing.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(results.iter().filter(|(won, _)| *won).count(), 1);
            let content = fs::read(&path).unwrap();
            assert!(results.iter().all(|(_, read)| *read == content));
        }
        assert_eq!(names(temp.path()).len(), 40, "temporary files are left");
    }

    /// Not a test by itself: what the next one starts several times.
    #[test]
    fn the_racing_process() {
        let Ok(dir) = std::env::var("BANDMASTER_TEST_RACE") else { return };
        let mine = std::process::id().to_string();
        for n in 0..150 {
            if create_once(&Path::new(&dir).join(format!("f{n}")), mine.as_bytes()).unwrap() == Created::Mine {
                println!("answer: {n}");
            }
        }
    }

    #[test]
    fn of_many_processes_one_creates_each_file() {
        let temp = tempfile::tempdir().unwrap();
        let race = || {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "once::tests::the_racing_process", "--nocapture"])
                .env("BANDMASTER_TEST_RACE", temp.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let mut won = Vec::new();
        for racer in (0..5).map(|_| race()).collect::<Vec<_>>() {
            let pid = racer.id();
            let output = racer.wait_with_output().unwrap();
            assert!(output.status.success());
            for line in String::from_utf8(output.stdout).unwrap().lines() {
                let Some((_, file)) = line.split_once("answer: ") else { continue };
                assert_eq!(fs::read_to_string(temp.path().join(format!("f{file}"))).unwrap(), pid.to_string());
                won.push(file.parse::<u32>().unwrap());
            }
        }
        won.sort_unstable();
        assert_eq!(won, (0..150).collect::<Vec<_>>());
    }

    #[test]
    fn equal_contents_share_the_file() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("owner");
        assert_eq!(create_once(&path, b"17").unwrap(), Created::Mine);
        assert_eq!(create_once(&path, b"17").unwrap(), Created::Mine);
        assert_eq!(create_once(&path, b"18").unwrap(), Created::Theirs(b"17".to_vec()));
        assert_eq!(names(temp.path()), ["owner"]);
    }

    #[test]
    fn a_reader_of_a_published_file_sees_all_of_one_content() {
        let temp = tempfile::tempdir().unwrap();
        let (path, stage) = (temp.path().join("file"), temp.path().join("file.stage"));
        publish(&path, &stage, &vec![0; 9000]).unwrap();
        thread::scope(|scope| {
            let writing = scope.spawn(|| (0..60).for_each(|n| publish(&path, &stage, &vec![n; 9000 + usize::from(n)]).unwrap()));
            while !writing.is_finished() {
                let content = fs::read(&path).unwrap();
                assert!(content.iter().all(|byte| *byte == content[0]) && content.len() == 9000 + usize::from(content[0]));
            }
        });
        assert_eq!(names(temp.path()), ["file"]);
    }

    #[test]
    fn what_must_be_new_is_not_written_over() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        write_new(&path, b"first").unwrap();
        assert_eq!(write_new(&path, b"second").unwrap_err().source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
    }
}
