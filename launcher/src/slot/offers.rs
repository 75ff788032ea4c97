//! The segments that a slot may take: the newest offers first, each claimed by creating its claim before anyone else.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::say::say;
use bandmaster_journal::{Created, FileError, SweepDir, crash_point, create_once, names, nonce, read_owned};
use bandmaster_record::{AttemptRef, Claim, Epoch, Nonce, Offers as OffersFile, RungNo, Segment, SlotId, TrialId};

/// A segment that is this slot's.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claimed {
    /// The segment.
    pub(super) segment: Segment,
    /// The nonce in its claim.
    pub(super) nonce: Nonce,
}

/// What an offers file was when it was read: one that differs is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

#[derive(Debug)]
struct File {
    epoch: Epoch,
    path: PathBuf,
    stamp: Stamp,
    /// Those that were not found to be claimed.
    segments: VecDeque<Segment>,
}

/// The offers of a sweep, as this slot knows them.
#[derive(Debug)]
pub(super) struct Offers {
    sweep: SweepDir,
    /// The newest first.
    files: Vec<File>,
    gone: HashSet<AttemptRef>,
    /// The one trial's rung to be taken; `None` for any.
    only: Option<(TrialId, RungNo)>,
}

impl Offers {
    pub(super) fn new(sweep: SweepDir) -> Self {
        Self { sweep, files: Vec::new(), gone: HashSet::new(), only: None }
    }

    /// Those of one segment alone.
    pub(super) fn of(sweep: SweepDir, trial: TrialId, rung: RungNo) -> Self {
        Self { only: Some((trial, rung)), ..Self::new(sweep) }
    }

    /// Takes the first segment that nobody has claimed.
    pub(super) fn take(&mut self, slot: &SlotId) -> Result<Option<Claimed>, FileError> {
        self.refresh()?;
        for file in &mut self.files {
            while let Some(segment) = file.segments.front() {
                if self.gone.contains(&segment.attempt) {
                    file.segments.pop_front();
                    continue;
                }
                // Offers that were taken back, for a pause, must not be claimed.
                if stamp(&file.path)? != Some(file.stamp) {
                    break;
                }
                let won = claim(&self.sweep, slot, segment.attempt)?;
                self.gone.insert(segment.attempt);
                let segment = file.segments.pop_front();
                if let (Some(nonce), Some(segment)) = (won, segment) {
                    return Ok(Some(Claimed { segment, nonce }));
                }
            }
        }
        Ok(None)
    }

    /// Reads the offers that are new or changed, and forgets those that are gone.
    fn refresh(&mut self) -> Result<(), FileError> {
        let mut known = std::mem::take(&mut self.files);
        for epoch in names(&self.sweep.offers(), ".json")? {
            let path = self.sweep.offer(epoch);
            let Some(stamp) = stamp(&path)? else { continue };
            match known.iter().position(|file| file.epoch == epoch && file.stamp == stamp) {
                Some(at) => self.files.push(known.swap_remove(at)),
                None => {
                    let mut file = read(epoch, path, stamp)?;
                    if let (Some(file), Some(only)) = (&mut file, self.only) {
                        file.segments.retain(|segment| (segment.attempt.trial, segment.attempt.rung) == only);
                    }
                    self.files.extend(file);
                }
            }
        }
        self.files.sort_by_key(|file| std::cmp::Reverse(file.epoch));
        Ok(())
    }
}

/// Claims a segment: the nonce of the attempt if it is this slot's now, `None` if it is another's.
pub(super) fn claim(sweep: &SweepDir, slot: &SlotId, attempt: AttemptRef) -> Result<Option<Nonce>, FileError> {
    let path = sweep.claim(attempt.trial, attempt.rung, attempt.grant);
    let nonce = nonce();
    let content = serde_json::to_vec(&Claim { slot: slot.clone(), nonce: nonce.clone() }).map_err(io::Error::from);
    let content = content.map_err(FileError::at("encode", &path))?;
    let created = create_once(&path, &content)?;
    crash_point("launch.claimed");
    Ok(matches!(created, Created::Mine).then_some(nonce))
}

fn stamp(path: &Path) -> Result<Option<Stamp>, FileError> {
    match fs::metadata(path) {
        Ok(meta) => Ok(Some(Stamp { inode: meta.ino(), size: meta.len(), changed: (meta.mtime(), meta.mtime_nsec()) })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new("look at", path, error)),
    }
}

/// Reads an offers file; `None` if it was taken back meanwhile, or is nothing that this build understands.
fn read(epoch: Epoch, path: PathBuf, stamp: Stamp) -> Result<Option<File>, FileError> {
    let content = match read_owned(&path) {
        Ok(content) => content,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let segments = match serde_json::from_slice::<OffersFile>(&content) {
        Ok(offers) => offers.segments.into(),
        Err(error) => {
            say(format_args!("{} is passed over, it cannot be understood: {error}", path.display()));
            VecDeque::new()
        }
    };
    Ok(Some(File { epoch, path, stamp, segments }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bandmaster_journal::{Campaign, publish};
    use bandmaster_record::{AttemptNo, Grant, Resource};

    struct Place {
        _temp: tempfile::TempDir,
        sweep: SweepDir,
    }

    fn slot(name: &str) -> SlotId {
        SlotId::new(name).unwrap()
    }

    impl Place {
        fn new() -> Self {
            let temp = tempfile::tempdir().unwrap();
            let sweep = Campaign::at(temp.path()).sweep(&"s-1".parse().unwrap());
            for dir in [sweep.offers(), sweep.claims()] {
                fs::create_dir_all(dir).unwrap();
            }
            Self { _temp: temp, sweep }
        }

        fn offer(&self, epoch: u64, trials: &[u32]) {
            let segments = trials.iter().map(|trial| Segment {
                attempt: AttemptRef { trial: TrialId(*trial), rung: RungNo(0), grant: Grant(1), attempt: AttemptNo(1) },
                params: Default::default(),
                seed: 0,
                from: Resource(0),
                target: Resource(1),
                max_resource: Resource(1),
                lineage: Vec::new(),
                predicted: None,
            });
            let content = serde_json::to_vec(&OffersFile { v: 1, segments: segments.collect() }).unwrap();
            publish(&self.sweep.offer(Epoch(epoch)), &self.sweep.offers().join(format!("{epoch}.new")), &content).unwrap();
        }

        fn take(&self, offers: &mut Offers, name: &str) -> Option<u32> {
            offers.take(&slot(name)).unwrap().map(|claimed| claimed.segment.attempt.trial.0)
        }
    }

    #[test]
    fn every_segment_is_taken_by_one_slot_the_newest_offers_first() {
        let place = Place::new();
        place.offer(9, &[1, 2]);
        place.offer(10, &[3, 2]);
        let (mut a, mut b) = (Offers::new(place.sweep.clone()), Offers::new(place.sweep.clone()));
        let taken: Vec<_> = (0..3).map(|_| (place.take(&mut a, "a"), place.take(&mut b, "b"))).collect();
        assert_eq!(taken, [(Some(3), Some(2)), (Some(1), None), (None, None)]);
        let claim: Claim = serde_json::from_slice(&fs::read(place.sweep.claim(TrialId(2), RungNo(0), Grant(1))).unwrap()).unwrap();
        assert_eq!(claim.slot, slot("b"));
    }

    #[test]
    fn offers_that_were_taken_back_are_not_claimed() {
        let place = Place::new();
        place.offer(1, &[1, 2, 3]);
        let mut offers = Offers::new(place.sweep.clone());
        assert_eq!(place.take(&mut offers, "a"), Some(1));
        fs::remove_file(place.sweep.offer(Epoch(1))).unwrap();
        assert_eq!(place.take(&mut offers, "a"), None);
        place.offer(1, &[3]);
        assert_eq!(place.take(&mut offers, "a"), Some(3));
    }

    #[test]
    fn what_cannot_be_understood_stops_nobody() {
        let place = Place::new();
        fs::write(place.sweep.offer(Epoch(2)), "{").unwrap();
        fs::write(place.sweep.offers().join("x.json"), "{").unwrap();
        place.offer(1, &[1]);
        assert_eq!(place.take(&mut Offers::new(place.sweep.clone()), "a"), Some(1));
    }
}
