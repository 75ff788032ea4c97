//! Crash points: places where a process of the crash tests kills itself.
//!
//! One stands before and one behind each fsync, rename, link, spawn and commit. Without the feature `failpoints` they
//! are nothing. With it, `FAILPOINTS="journal.append.fsync=2*off->return"` kills the process with SIGKILL when it
//! comes there for the third time, so that no destructor and no buffer softens the crash.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::FileError;

/// The crash points of this crate.
pub const CRASH_POINTS: &[&str] = &[
    "journal.append.fsync",
    "journal.append.fsynced",
    "journal.append.write",
    "journal.dir.fsync",
    "journal.dir.fsynced",
    "journal.file.fsync",
    "journal.file.fsynced",
    "journal.lease.release",
    "journal.lease.released",
    "journal.lease.taken",
    "journal.lease.unlinked",
    "journal.once.link",
    "journal.once.linked",
    "journal.publish.rename",
    "journal.publish.renamed",
];

/// Kills this process here, if the crash tests say so.
#[cfg(feature = "failpoints")]
pub fn crash_point(name: &'static str) {
    fail::fail_point!(name, |_| {
        // SIGKILL cannot be handled, so that there is no result to look at.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
        // kill() returns before the signal is delivered when another thread takes it.
        loop {
            std::thread::park();
        }
    });
}

/// Kills this process here, if the crash tests say so. This build has no crash points.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn crash_point(_name: &'static str) {}

/// Arms the crash points that the variable FAILPOINTS names, for the rest of this process's life. Called once, when a
/// program starts.
#[cfg(feature = "failpoints")]
pub fn arm_crash_points() {
    // Dropping the scenario would disarm them.
    std::mem::forget(fail::FailScenario::setup());
}

/// Arms the crash points that the variable FAILPOINTS names. This build has none.
#[cfg(not(feature = "failpoints"))]
pub fn arm_crash_points() {}

/// The crash points that stand in the sources below `folder`, each once and in order: a crate's test compares its list
/// with them.
pub fn crash_points_in(folder: &Path) -> Result<Vec<String>, FileError> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(FileError::at("list", &folder))? {
            let path = entry.map_err(FileError::at("list", &folder))?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read(&path).map_err(FileError::at("read", &path))?;
            let source = String::from_utf8_lossy(&source);
            // In two parts, so that this line is none.
            let calls = source.split(concat!("crash_point", "(\"")).skip(1);
            found.extend(calls.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_crash_points_is_complete() {
        assert_eq!(crash_points_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap(), CRASH_POINTS);
    }
}
