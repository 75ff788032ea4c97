//! How many files and directories a campaign has, and what for: file systems of clusters count them.

use std::fs;
use std::io;
use std::path::Path;

/// Files and directories.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inodes {
    /// Claims: one a grant.
    pub claims: u64,
    /// Logs of attempts: one an attempt.
    pub logs: u64,
    /// What each slot has for itself: its directory, its journal.
    pub slots: u64,
    /// What each tick that recorded something leaves: its journal.
    pub ticks: u64,
    /// All else.
    pub rest: u64,
}

impl Inodes {
    /// Those of that campaign.
    pub fn of(campaign: &Path) -> io::Result<Self> {
        let mut counted = Self::default();
        counted.count(campaign, campaign)?;
        Ok(counted)
    }

    fn count(&mut self, campaign: &Path, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            let below: Vec<_> = path.strip_prefix(campaign).unwrap_or(&path).iter().map(|part| part.to_string_lossy()).collect();
            let below: Vec<&str> = below.iter().map(AsRef::as_ref).collect();
            let place = match below.as_slice() {
                ["sweeps", _, "claims", _] => &mut self.claims,
                ["sweeps", _, "slots", _, file] if file.ends_with(".log") => &mut self.logs,
                ["sweeps", _, "slots", _, ..] => &mut self.slots,
                ["searcher", "journal", _] => &mut self.ticks,
                _ => &mut self.rest,
            };
            *place += 1;
            if entry.file_type()?.is_dir() {
                self.count(campaign, &path)?;
            }
        }
        Ok(())
    }
}
