//! Which bytes of the searcher's journals count.
//!
//! A searcher that was evicted may wake and go on writing into its own journal, or create it only then. So each journal
//! begins with a record that seals the one before at a length. From the newest journal down, each names what counts of
//! the next older one; a journal that it does not name was created too late, and nothing in it ever counts, its own
//! seals included. Whoever reads at whatever time comes to the same answer about all but the newest.

use std::fs;
use std::path::Path;

use bandmaster_record::{Epoch, JournalId, Sealed, SearcherRecord};

use crate::{Campaign, Cursor, FileError, JournalError, JournalReader};

/// How much of a journal counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// All, to its last good frame: it is the newest, and not sealed. The next holder that records something seals it,
    /// and no other, at the length up to which that holder has read it.
    Open,
    /// That many bytes. Zero for one that was created too late.
    Sealed(u64),
}

impl Counts {
    /// What `read_from` takes.
    pub fn limit(self) -> Option<u64> {
        match self {
            Self::Open => None,
            Self::Sealed(length) => Some(length),
        }
    }
}

/// One of the searcher's journals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Whose.
    pub epoch: Epoch,
    /// How much of it counts.
    pub counts: Counts,
}

/// What counts of the searcher's journals from that epoch on (from 0: of all), oldest first. At most one is
/// [`Counts::Open`]: it is what the next LeaseTaken record must seal.
///
/// Taking the lease brought the holder's view of the directory up to date. A journal without a record in it, because its
/// holder has created it just now or its node crashed then, is left out.
pub fn sealing_map(campaign: &Campaign, from: Epoch) -> Result<Vec<Counted>, JournalError> {
    let mut map = Vec::new();
    let mut newer: Option<Vec<Sealed>> = None;
    for epoch in epochs(&campaign.searcher_journals())?.into_iter().rev().take_while(|epoch| *epoch >= from) {
        let counts = match &newer {
            None => Counts::Open,
            Some(seals) => Counts::Sealed(seals.iter().find(|seal| seal.epoch == epoch).map_or(0, |seal| seal.length)),
        };
        if counts != Counts::Sealed(0) {
            match first_record(campaign, epoch, counts)? {
                Some(seals) => newer = Some(seals),
                None => continue,
            }
        }
        map.push(Counted { epoch, counts });
    }
    map.reverse();
    Ok(map)
}

/// What a journal's first record seals; nothing if it has none yet.
fn first_record(campaign: &Campaign, epoch: Epoch, counts: Counts) -> Result<Option<Vec<Sealed>>, JournalError> {
    let path = campaign.journal(&JournalId::Searcher(epoch));
    let mut reader = JournalReader::<SearcherRecord>::open(&path, Cursor::default(), counts.limit())?;
    match reader.next_frame()?.map(|frame| frame.record) {
        Some(SearcherRecord::LeaseTaken { epoch: named, sealed, .. }) if named == epoch => Ok(Some(sealed)),
        Some(_) => {
            let why = "its first record does not name the lease that it was written under; move the file away".to_owned();
            Err(FileError::new("understand", path, std::io::Error::other(why)).into())
        }
        None => match reader.damage() {
            // The first bytes of a node that crashed before it could make them durable.
            Some(damage) if counts == Counts::Open && damage.good_after == 0 && !damage.is_newer() => Ok(None),
            Some(damage) => Err(damage.clone().into()),
            None => Ok(None),
        },
    }
}

/// The epochs that have a journal, in their order.
pub(crate) fn epochs(dir: &Path) -> Result<Vec<Epoch>, FileError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(FileError::at("list", dir))? {
        let name = entry.map_err(FileError::at("list", dir))?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_suffix(".jrn")).and_then(|epoch| epoch.parse::<Epoch>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}
