//! The files of a checkpoint's directory: what may be among them, and their hashes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;

use super::manifest::MANIFEST;
use crate::wire::FileEntry;

/// A file, not yet read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its path below the checkpoint's directory, with `/`.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The regular files below `dir`, in the order of their paths, and the directories, the deepest first, `dir` among them
/// as "". The manifest at the top is left out. Links and special files make it no checkpoint; the error is a reason.
pub fn walk(dir: &Path) -> Result<(Vec<Found>, Vec<String>), String> {
    let (mut files, mut directories, mut todo) = (Vec::new(), Vec::new(), vec![String::new()]);
    while let Some(below) = todo.pop() {
        let here = dir.join(&below);
        let wrong = |error: io::Error| format!("{} cannot be read: {error}", here.display());
        for entry in fs::read_dir(&here).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let name = entry.file_name().into_string().map_err(|name| format!("the file name {name:?} is not UTF-8"))?;
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let meta = fs::symlink_metadata(entry.path()).map_err(wrong)?;
            if meta.is_dir() {
                todo.push(path);
            } else if meta.is_symlink() {
                return Err(format!("`{path}` is a symbolic link: what it leads to may change"));
            } else if !meta.is_file() {
                return Err(format!("`{path}` is neither a file nor a directory"));
            } else if path != MANIFEST {
                files.push(Found { path, size: meta.len() });
            }
        }
        directories.push(below);
    }
    files.sort();
    // A directory is pushed before what is below it.
    directories.reverse();
    Ok((files, directories))
}

/// Reads a file to its end: its size and its BLAKE3 hash. With `sync` its bytes are on disk afterwards.
pub fn hash(path: &Path, sync: bool) -> io::Result<(u64, String)> {
    let mut tries = 0;
    loop {
        match hash_once(path, sync) {
            // The file's server has forgotten our handle; opening it again gives a new one.
            Err(error) if error.raw_os_error() == Some(Errno::ESTALE as i32) && tries < 3 => tries += 1,
            done => return done,
        }
    }
}

fn hash_once(path: &Path, sync: bool) -> io::Result<(u64, String)> {
    let mut file: File = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(buffer.get(..read).unwrap_or_default());
        size += read as u64;
    }
    if sync {
        file.sync_all()?;
    }
    Ok((size, hasher.finalize().to_hex().to_string()))
}

/// Hashes all files of a checkpoint that the trial offers, and brings them and their directories to disk. The error is
/// the reason why it is no checkpoint.
pub fn survey(dir: &Path) -> Result<Vec<FileEntry>, String> {
    let meta = fs::symlink_metadata(dir).map_err(|error| format!("it cannot be read: {error}"))?;
    if !meta.is_dir() {
        return Err("it is not a directory".to_owned());
    }
    if fs::symlink_metadata(dir.join(MANIFEST)).is_ok() {
        return Err(format!("it holds a `{MANIFEST}`, a name that is kept for the launcher"));
    }
    let (found, directories) = walk(dir)?;
    if found.is_empty() {
        return Err("it holds no file".to_owned());
    }
    let mut files = Vec::with_capacity(found.len());
    for Found { path, .. } in found {
        let (size, blake3) = hash(&dir.join(&path), true).map_err(|error| format!("`{path}` cannot be read: {error}"))?;
        files.push(FileEntry { path, size, blake3 });
    }
    for below in directories {
        File::open(dir.join(&below))
            .and_then(|dir| dir.sync_all())
            .map_err(|error| format!("`{below}` cannot be brought to disk: {error}"))?;
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_names_every_file_with_its_size_and_hash() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("shards/a")).unwrap();
        fs::write(dir.path().join("shards/a/0"), "abc").unwrap();
        fs::write(dir.path().join("model"), "").unwrap();
        let files = survey(dir.path()).unwrap();
        assert_eq!(files.iter().map(|f| (f.path.as_str(), f.size)).collect::<Vec<_>>(), [("model", 0), ("shards/a/0", 3)]);
        // The published test value of BLAKE3 for no input.
        assert_eq!(files[0].blake3, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    }

    #[test]
    fn links_special_files_and_emptiness_make_it_no_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        assert!(survey(dir.path()).unwrap_err().contains("no file"));
        fs::write(dir.path().join("model"), "x").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(survey(dir.path()).unwrap_err().contains("symbolic link"));
        fs::remove_file(&link).unwrap();
        nix::unistd::mkfifo(&link, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(survey(dir.path()).unwrap_err().contains("neither"));
        fs::remove_file(&link).unwrap();
        fs::write(dir.path().join(MANIFEST), "{}").unwrap();
        assert!(survey(dir.path()).unwrap_err().contains(MANIFEST));
        assert!(survey(&dir.path().join("model")).unwrap_err().contains("not a directory"));
    }
}
