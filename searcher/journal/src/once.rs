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
