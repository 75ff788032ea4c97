//! `bandmaster new`: a sweep that runs at once, to be changed into one's own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure, FailureKind};
use crate::sweepfile::sweep_name;

/// The commented sweep; `@NAME@` is its name.
const SWEEP: &str = include_str!("new/sweep.toml");
/// The trial: sh and awk, which every POSIX system has.
const TRIAL: &str = include_str!("new/train.sh");
/// What the sweep is called where its directory has no name that a sweep may have.
const NAME: &str = "curve";

/// Where to.
#[derive(Debug, Clone)]
pub struct Args {
    /// The directory.
    pub directory: PathBuf,
}

/// Writes sweep.toml and train.sh into the directory, which is made if it is not there.
///
/// # Errors
/// One of them is there already (nothing is written then); the file system refuses.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let directory = args.directory.as_path();
    let name = directory.file_name().and_then(|name| sweep_name(name.to_str()?).ok()).unwrap_or_else(|| NAME.to_owned());
    let files =
        [(directory.join("sweep.toml"), SWEEP.replace("@NAME@", &name), 0o644), (directory.join("train.sh"), TRIAL.to_owned(), 0o755)];
    if let Some((there, ..)) = files.iter().find(|(path, ..)| path.symlink_metadata().is_ok()) {
        let what = format!("{} is there already, and is not overwritten", there.display());
        return Err(Failure::say(FailureKind::Usage, what, "name another directory, or move the file away"));
    }
    fs::create_dir_all(directory).map_err(|error| cannot("make the directory", directory, &error))?;
    let mut written: Vec<PathBuf> = Vec::new();
    for (path, text, mode) in files {
        if let Err(error) = write_new(&path, &text, mode) {
            // Half of a sweep is of no use, and would be in the way of the next try.
            for path in &written {
                let _ = fs::remove_file(path);
            }
            return Err(cannot("write", &path, &error));
        }
        written.push(path);
    }
    let mut tell = || -> io::Result<()> {
        for path in &written {
            writeln!(out, "wrote {}", path.display())?;
        }
        writeln!(out, "next: bandmaster run {}", directory.join("sweep.toml").display())
    };
    tell().map_err(Failure::output)?;
    Ok(Exit::Ok)
}

fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::say(
        FailureKind::Disk,
        format!("cannot {what} {}: {error}", path.display()),
        "name a directory that you may write, on a disk with room",
    )
}
