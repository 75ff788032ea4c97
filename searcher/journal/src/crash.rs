//! Crash points: places where a process of the crash tests kills itself.
//!
//! One stands before and one behind each fsync, rename, link, spawn and commit. Without the feature `failpoints` they
//! are nothing. With it, `FAILPOINTS="journal.append.fsync=2*off->return"` kills the process with SIGKILL when it
//! comes there for the third time, so that no destructor and no buffer softens the crash.

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn the_list_of_crash_points_is_complete() {
        let mut found = BTreeSet::new();
        let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(path).unwrap();
                let call = concat!("crash_point", "(\"");
                found.extend(text.split(call).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), super::CRASH_POINTS);
    }
}
