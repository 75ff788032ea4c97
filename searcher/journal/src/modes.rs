//! The modes of what is created: private, or as open to readers as the campaign's own directory.
//!
//! A directory passes its readers on: below a campaign of mode 0700 directories are 0700 and files 0600, below 0750
//! they are 0750 and 0640. Nobody but the owner may ever write. The umask of whoever runs a command does not matter.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::{FileError, sync_dir};

/// The directory that `path` lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// What group and others may do in the directory of `path`, without writing.
fn readers(path: &Path) -> u32 {
    fs::metadata(parent(path)).map_or(0, |metadata| metadata.permissions().mode() & 0o055)
}

/// Opens a new file for reading and writing; one that is there already is an error.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    open_for_writing(path, OpenOptions::new().create_new(true))
}

/// Opens a file for reading and writing, emptied or new.
pub(crate) fn create_empty(path: &Path) -> io::Result<File> {
    open_for_writing(path, OpenOptions::new().create(true).truncate(true))
}

/// Opens a file that programs print into, made if it is not there.
pub fn open_log(path: &Path) -> Result<File, FileError> {
    with_mode(path, OpenOptions::new().create(true).append(true)).map_err(FileError::at("open", path))
}

fn open_for_writing(path: &Path, how: &mut OpenOptions) -> io::Result<File> {
    with_mode(path, how.read(true).write(true))
}

fn with_mode(path: &Path, how: &mut OpenOptions) -> io::Result<File> {
    let mode = 0o600 | (readers(path) & 0o044);
    let file = how.mode(mode).open(path)?;
    if file.metadata()?.permissions().mode() & 0o777 != mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(file)
}

/// Makes one directory, as open to readers as the one it lies in. One that is there already stays as it is.
pub fn make_dir(path: &Path) -> Result<(), FileError> {
    make_dir_for(path, readers(path))
}

/// Makes one directory that only its owner may enter.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), FileError> {
    make_dir_for(path, 0)
}

fn make_dir_for(path: &Path, readers: u32) -> Result<(), FileError> {
    let mode = 0o700 | readers;
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        Err(error) => return Err(FileError::new("make the directory", path, error)),
    }
    let found = fs::metadata(path).map_err(FileError::at("look at", path))?.permissions().mode();
    if found & 0o777 != mode {
        // The set-group-id bit, which the kernel passes on, stays.
        let permissions = Permissions::from_mode((found & 0o7000) | mode);
        fs::set_permissions(path, permissions).map_err(FileError::at("set the mode of", path))?;
    }
    sync_dir(parent(path))
}

/// Makes a directory and all that are missing above it.
pub fn make_dirs(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    make_dirs(parent(path))?;
    make_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn readers_come_from_the_directory_above_and_never_write() {
        for (above, dir, file) in [(0o700, 0o700, 0o600), (0o750, 0o750, 0o640), (0o777, 0o755, 0o644), (0o2750, 0o2750, 0o640)] {
            let temp = tempfile::tempdir().unwrap();
            let root = temp.path().join("root");
            fs::create_dir(&root).unwrap();
            fs::set_permissions(&root, Permissions::from_mode(above)).unwrap();
            make_dirs(&root.join("a/b")).unwrap();
            assert_eq!((mode(&root.join("a")), mode(&root.join("a/b"))), (dir, dir));
            create_new(&root.join("a/b/new")).unwrap();
            create_empty(&root.join("a/b/empty")).unwrap();
            open_log(&root.join("a/b/log")).unwrap();
            assert_eq!(mode(&root.join("a/b/log")), file);
            assert_eq!((mode(&root.join("a/b/new")), mode(&root.join("a/b/empty"))), (file, file));
        }
    }

    #[test]
    fn a_directory_that_is_there_stays_as_it_is() {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), Permissions::from_mode(0o750)).unwrap();
        make_dir(temp.path()).unwrap();
        assert_eq!(mode(temp.path()), 0o750);
        fs::write(temp.path().join("file"), "").unwrap();
        assert!(make_dir(&temp.path().join("file")).is_err());
    }
}
