//! Where everything lies in a campaign's directory. Paths only; the one place that knows names.

use std::path::{Path, PathBuf};

use bandmaster_record::{ArrayNo, AttemptRef, Epoch, Grant, JournalId, Nonce, RequestId, RungNo, SlotId, SweepId, TrialId};

use crate::{FileError, make_dir, make_dirs};

/// A campaign: a directory on the shared file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    root: PathBuf,
}

impl Campaign {
    /// The campaign in that directory, which need not be there yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Makes the directories that every campaign has. A root that is there keeps its mode, and passes its readers on;
    /// a new one is private.
    pub fn create(&self) -> Result<(), FileError> {
        if !self.root.is_dir() {
            make_dirs(crate::modes::parent(&self.root))?;
            crate::modes::make_private_dir(&self.root)?;
        }
        let searcher = self.root.join("searcher");
        for dir in
            [self.requests(), self.wanted(), self.bin(), self.sweeps(), searcher, self.lease_dir(), self.searcher_journals(), self.seen()]
        {
            make_dir(&dir)?;
        }
        Ok(())
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// Limits and defaults that its sweeps share.
    pub fn config(&self) -> PathBuf {
        self.root.join("campaign.toml")
    }
    /// The published ledger.
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger.db")
    }
    /// What persons asked for.
    pub fn requests(&self) -> PathBuf {
        self.root.join("requests")
    }
    /// One thing that a person asked for.
    pub fn request(&self, request: &RequestId) -> PathBuf {
        self.requests().join(format!("{request}.json"))
    }
    /// Files that say: there is something to observe.
    pub fn wanted(&self) -> PathBuf {
        self.root.join("wanted")
    }
    /// The commands that submitted arrays use.
    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }
    /// The lease's files.
    pub fn lease_dir(&self) -> PathBuf {
        self.root.join("searcher/lease")
    }
    /// The searcher's journals.
    pub fn searcher_journals(&self) -> PathBuf {
        self.root.join("searcher/journal")
    }
    /// What hosts that waited for the lease saw of it.
    pub fn seen(&self) -> PathBuf {
        self.root.join("searcher/seen")
    }
    /// The projection that the holder of that lease writes.
    pub fn work_db(&self, epoch: Epoch) -> PathBuf {
        self.root.join(format!("searcher/work.{epoch}.db"))
    }
    /// All sweeps.
    pub fn sweeps(&self) -> PathBuf {
        self.root.join("sweeps")
    }
    /// One sweep.
    pub fn sweep(&self, sweep: &SweepId) -> SweepDir {
        SweepDir { root: self.sweeps().join(sweep.as_str()) }
    }
    /// A sweep that is being submitted: renamed to its own name when it is complete.
    pub fn new_sweep(&self, nonce: &Nonce) -> SweepDir {
        SweepDir { root: self.sweeps().join(format!(".new-{nonce}")) }
    }
    /// A journal.
    pub fn journal(&self, journal: &JournalId) -> PathBuf {
        self.root.join(journal.to_string())
    }
}

/// A sweep's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepDir {
    root: PathBuf,
}

impl SweepDir {
    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// sweep.toml, frozen.
    pub fn file(&self) -> PathBuf {
        self.root.join("sweep.toml")
    }
    /// What its submission knew.
    pub fn submission(&self) -> PathBuf {
        self.root.join("submission.json")
    }
    /// The arrays' files.
    pub fn arrays(&self) -> PathBuf {
        self.root.join("arrays")
    }
    /// What an array runs.
    pub fn array(&self, array: ArrayNo) -> PathBuf {
        self.arrays().join(format!("{array}.json"))
    }
    /// Whose an array is: a job id, or `void`.
    pub fn owner(&self, array: ArrayNo) -> PathBuf {
        self.arrays().join(format!("{array}.owner"))
    }
    /// Segments that slots may take.
    pub fn offers(&self) -> PathBuf {
        self.root.join("offers")
    }
    /// The segments that the holder of that lease offered.
    pub fn offer(&self, epoch: Epoch) -> PathBuf {
        self.offers().join(format!("{epoch}.json"))
    }
    /// The claims.
    pub fn claims(&self) -> PathBuf {
        self.root.join("claims")
    }
    /// Whose a segment under a grant is.
    pub fn claim(&self, trial: TrialId, rung: RungNo, grant: Grant) -> PathBuf {
        self.claims().join(format!("{trial}.{rung}.{grant}"))
    }
    /// The slots.
    pub fn slots(&self) -> PathBuf {
        self.root.join("slots")
    }
    /// One slot's directory: its journal and its logs.
    pub fn slot(&self, slot: &SlotId) -> PathBuf {
        self.slots().join(slot.as_str())
    }
    /// What an attempt printed.
    pub fn log(&self, slot: &SlotId, attempt: &AttemptRef) -> PathBuf {
        self.slot(slot).join(format!("{}.{}.log", attempt.trial, attempt.attempt))
    }
    /// The trials that have checkpoints.
    pub fn trials(&self) -> PathBuf {
        self.root.join("trials")
    }
    /// A trial's published checkpoints.
    pub fn checkpoints(&self, trial: TrialId) -> PathBuf {
        self.trials().join(format!("{trial}/checkpoints"))
    }
    /// The attempts' staging directories: one flat directory, so that each attempt costs one directory while it runs.
    pub fn stagings(&self) -> PathBuf {
        self.root.join("staging")
    }
    /// Where an attempt under that grant makes its checkpoints, before they are published.
    pub fn staging(&self, trial: TrialId, rung: RungNo, grant: Grant) -> PathBuf {
        self.stagings().join(format!("{trial}.{rung}.g{grant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn modes_below(path: &Path) -> Vec<u32> {
        let mut found = vec![std::fs::metadata(path).unwrap().permissions().mode() & 0o777];
        for entry in std::fs::read_dir(path).unwrap() {
            found.extend(modes_below(&entry.unwrap().path()));
        }
        found
    }

    #[test]
    fn a_new_campaign_is_private() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let campaign = Campaign::at(temp.path().join("deep/campaign"));
        campaign.create().unwrap();
        campaign.create().unwrap();
        assert_eq!(modes_below(campaign.root()), vec![0o700; 9]);
    }

    #[test]
    fn a_campaign_that_a_group_may_read_stays_so() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(0o750)).unwrap();
        Campaign::at(temp.path()).create().unwrap();
        assert_eq!(modes_below(temp.path()), vec![0o750; 9]);
    }

    #[test]
    fn a_journal_lies_where_its_id_says() {
        let campaign = Campaign::at("/c");
        assert_eq!(campaign.journal(&JournalId::Searcher(Epoch(7))), campaign.searcher_journals().join("7.jrn"));
        let (sweep, slot): (SweepId, SlotId) = ("digits-1".parse().unwrap(), "17_0.X".parse().unwrap());
        let journal = campaign.journal(&JournalId::Slot(sweep.clone(), slot.clone()));
        assert_eq!(journal, campaign.sweep(&sweep).slot(&slot).join("journal.jrn"));
    }
}
