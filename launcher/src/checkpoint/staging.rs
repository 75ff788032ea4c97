//! The directory in which a trial offers checkpoints, and the fence around it.
//!
//! Each grant has a staging directory of its own. Before a new grant's exists, those of older grants are renamed away:
//! an attempt that was believed dead and is not finds its directory gone, and can publish nothing any more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bandmaster_journal::{FileError, SweepDir, crash_point, make_dirs, sync_dir};
use bandmaster_record::{AttemptRef, Grant};

/// Fences the attempt's older grants, and makes its staging directory, empty.
pub fn open(sweep: &SweepDir, attempt: AttemptRef) -> Result<PathBuf, FileError> {
    for grant in 1..attempt.grant.0 {
        fence(&sweep.staging(attempt.trial, attempt.rung, Grant(grant)))?;
    }
    let staging = sweep.staging(attempt.trial, attempt.rung, attempt.grant);
    // A grant has one attempt: what is there already is nobody's.
    remove(&staging)?;
    make_dirs(&sweep.stagings())?;
    fs::create_dir(&staging).map_err(FileError::at("make the directory", &staging))?;
    crash_point("launch.staging.made");
    Ok(staging)
}

/// Removes the staging directory with what the trial left unfinished in it.
pub fn close(sweep: &SweepDir, attempt: AttemptRef) -> Result<(), FileError> {
    remove(&sweep.staging(attempt.trial, attempt.rung, attempt.grant))
}

/// Renames an older grant's staging directory away, and removes it.
fn fence(staging: &Path) -> Result<(), FileError> {
    let mut gone = staging.as_os_str().to_owned();
    gone.push(".gone");
    let gone = PathBuf::from(gone);
    // What a fence that was interrupted has left.
    remove(&gone)?;
    match fs::rename(staging, &gone) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::new("rename", staging, error)),
    }
    crash_point("launch.staging.fenced");
    if let Some(parent) = staging.parent() {
        sync_dir(parent)?;
    }
    remove(&gone)
}

/// Removes a directory with all that is in it; one that is not there is no error.
pub fn remove(dir: &Path) -> Result<(), FileError> {
    let mut tries = 0;
    loop {
        match fs::remove_dir_all(dir) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // An attempt that is fenced and still runs may write into it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && tries < 10 => tries += 1,
            Err(error) => return Err(FileError::new("remove", dir, error)),
        }
    }
}
