//! The processes of a campaign: the searcher, slots, agents, ticks, trials and all that trials start.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::wait_for;

/// The processes whose command line or environment names that directory, of which there are none but ours.
pub fn processes_of(directory: &Path) -> io::Result<Vec<u32>> {
    let needle = directory.as_os_str().as_bytes();
    let names = |path: &Path| fs::read(path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle));
    let entries = fs::read_dir("/proc")?.flatten();
    let mut found: Vec<u32> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(pid, path)| *pid != std::process::id() && (names(&path.join("cmdline")) || names(&path.join("environ"))))
        .map(|(pid, _)| pid)
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Waits until none of them is left.
pub fn end_of_processes(directory: &Path) -> io::Result<()> {
    wait_for("the end of all processes of the campaign", || processes_of(directory).is_ok_and(|found| found.is_empty()).then_some(()))
}
