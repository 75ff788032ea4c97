//! The publication of a checkpoint: manifest, fsync, rename to a new name, fsync.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use bandmaster_journal::{FileError, crash_point, make_dirs, sync_dir};

use super::manifest::{MANIFEST, Manifest, directory_name};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It lies under this name, on disk.
    Published {
        /// The directory's name.
        name: String,
        /// The BLAKE3 hash of the manifest, in hex.
        manifest: String,
    },
    /// It is not published; why, as a sentence.
    Refused(String),
}

/// Moves `ready`, whose files are hashed and on disk, to its place in `checkpoints`. May be called again after an error.
pub fn publish(ready: &Path, checkpoints: &Path, manifest: &Manifest) -> Result<Outcome, FileError> {
    let name = directory_name(manifest.resource, manifest.attempt.grant);
    let place = checkpoints.join(&name);
    if fs::symlink_metadata(&place).is_ok() {
        return Ok(Outcome::Refused(format!("a checkpoint of this attempt at {} is already published", manifest.resource)));
    }
    let fenced = "its directory is gone: a newer attempt of this segment has taken over";
    let bytes = serde_json::to_vec_pretty(manifest).map_err(io::Error::from).map_err(FileError::at("encode", &ready.join(MANIFEST)))?;
    match write(ready, &bytes) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(Outcome::Refused(fenced.to_owned())),
        done => done?,
    }
    make_dirs(checkpoints)?;
    crash_point("launch.publish.rename.before");
    match fs::rename(ready, &place) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Outcome::Refused(fenced.to_owned())),
        Err(error) => return Err(FileError::new("rename", ready, error)),
    }
    crash_point("launch.publish.rename.after");
    sync_dir(checkpoints)?;
    crash_point("launch.publish.synced");
    Ok(Outcome::Published { name, manifest: blake3::hash(&bytes).to_hex().to_string() })
}

fn write(ready: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let path = ready.join(MANIFEST);
    let mut file = File::create(&path).map_err(FileError::at("create", &path))?;
    file.write_all(bytes).map_err(FileError::at("write", &path))?;
    file.sync_all().map_err(FileError::at("bring to disk", &path))?;
    crash_point("launch.publish.manifest");
    sync_dir(ready)
}
