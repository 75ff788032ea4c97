//! Which bytes of the searcher's journals count.
//!
//! A searcher that was evicted may wake and go on writing into its own journal, or create it only then. So each journal
//! begins with a record that seals the one before at a length. From the newest journal down, each names what counts of
//! the next older one; a journal that it does not name was created too late, and nothing in it ever counts, its own
//! seals included. Whoever reads at whatever time comes to the same answer about all but the newest.

use std::fs;
use std::path::Path;

use bandmaster_record::{Epoch, JournalId, Sealed, SearcherRecord};

use crate::{Campaign, Cursor, Damage, DamageKind, FileError, JournalError, JournalReader, names};

/// How much of a journal counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// All, to its last good frame: it is the newest, and not sealed. The next holder that records something seals the
    /// newest journal that it has read, at the length up to which it has read it, and names no other. It does not look
    /// for journals again when it does so: one that turned up since then was created too late.
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
/// [`Counts::Open`].
///
/// Taking the lease brought the holder's view of the directory up to date. A journal without a record in it, because its
/// holder has created it just now or its node crashed then, is left out.
pub fn sealing_map(campaign: &Campaign, from: Epoch) -> Result<Vec<Counted>, JournalError> {
    let mut map: Vec<Counted> = Vec::new();
    let mut newer: Option<Vec<Sealed>> = None;
    let mut named: Vec<Sealed> = Vec::new();
    for epoch in epochs(&campaign.searcher_journals())?.into_iter().rev().take_while(|epoch| *epoch >= from) {
        let counts = match &newer {
            None => Counts::Open,
            Some(seals) => Counts::Sealed(seals.iter().find(|seal| seal.epoch == epoch).map_or(0, |seal| seal.length)),
        };
        if counts != Counts::Sealed(0) {
            match first_record(campaign, epoch, counts)? {
                Some(seals) => {
                    named.extend(&seals);
                    newer = Some(seals);
                }
                None => continue,
            }
        }
        map.push(Counted { epoch, counts });
    }
    map.reverse();
    let is_gone =
        |seal: &&Sealed| seal.epoch >= from && seal.length > 0 && map.binary_search_by_key(&seal.epoch, |counted| counted.epoch).is_err();
    match named.iter().find(is_gone) {
        None => Ok(map),
        Some(seal) => {
            let path = campaign.journal(&JournalId::Searcher(seal.epoch));
            Err(Damage { path, offset: 0, kind: DamageKind::Short { known: seal.length }, good_after: 0 }.into())
        }
    }
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
    let found = names(dir, ".jrn")?;
    if found.is_empty() {
        // A campaign that lost its journals must not look like one that has none yet.
        fs::metadata(dir).map_err(FileError::at("list", dir))?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JournalWriter, now};
    use bandmaster_record::Host;
    use std::fs::OpenOptions;
    use std::io::Write;

    fn campaign() -> (tempfile::TempDir, Campaign) {
        let temp = tempfile::tempdir().unwrap();
        let campaign = Campaign::at(temp.path());
        campaign.create().unwrap();
        (temp, campaign)
    }

    fn journal(campaign: &Campaign, epoch: u64) -> JournalWriter<SearcherRecord> {
        JournalWriter::create(&campaign.journal(&JournalId::Searcher(Epoch(epoch))), now).unwrap()
    }

    /// Appends the first record, and returns the journal's length.
    fn begin(writer: &mut JournalWriter<SearcherRecord>, epoch: u64, sealed: &[(u64, u64)]) -> u64 {
        let sealed = sealed.iter().map(|(epoch, length)| Sealed { epoch: Epoch(*epoch), length: *length }).collect();
        let host = Host { name: "h".into(), boot_id: "b".into() };
        writer.append(&SearcherRecord::LeaseTaken { epoch: Epoch(epoch), host, pid: 1, version: "0".into(), sealed }).unwrap();
        writer.sync().unwrap();
        writer.position().offset
    }

    fn map(campaign: &Campaign, from: u64) -> Vec<(u64, Option<u64>)> {
        let map = sealing_map(campaign, Epoch(from)).unwrap();
        map.into_iter().map(|counted| (counted.epoch.0, counted.counts.limit())).collect()
    }

    #[test]
    fn each_journal_counts_as_far_as_the_next_one_says() {
        let (_temp, campaign) = campaign();
        assert_eq!(map(&campaign, 0), []);
        let first = begin(&mut journal(&campaign, 1), 1, &[]);
        assert_eq!(map(&campaign, 0), [(1, None)]);
        let fourth = begin(&mut journal(&campaign, 4), 4, &[(1, first)]);
        begin(&mut journal(&campaign, 10), 10, &[(4, fourth)]);
        assert_eq!(map(&campaign, 0), [(1, Some(first)), (4, Some(fourth)), (10, None)]);
        assert_eq!(map(&campaign, 4), [(4, Some(fourth)), (10, None)]);
    }

    #[test]
    fn a_journal_that_came_too_late_counts_nothing_and_seals_nothing_for_ever() {
        let (_temp, campaign) = campaign();
        let mut one = journal(&campaign, 1);
        let first = begin(&mut one, 1, &[]);
        // Epoch 2 was evicted before it created its journal; epoch 3 knows nothing of it.
        let third = begin(&mut journal(&campaign, 3), 3, &[(1, first)]);
        // It wakes, having seen less of journal 1.
        let second = begin(&mut journal(&campaign, 2), 2, &[(1, 7)]);
        let expected = [(1, Some(first)), (2, Some(0)), (3, None)];
        assert_eq!(map(&campaign, 0), expected);
        // Bytes behind the seal change nothing either.
        begin(&mut one, 1, &[]);
        assert_eq!(map(&campaign, 0), expected);
        // A holder that seals it by mistake cannot make it count afterwards.
        let fifth = begin(&mut journal(&campaign, 5), 5, &[(3, third)]);
        begin(&mut journal(&campaign, 6), 6, &[(2, second), (5, fifth)]);
        assert_eq!(map(&campaign, 0), [(1, Some(first)), (2, Some(0)), (3, Some(third)), (5, Some(fifth)), (6, None)]);
    }

    #[test]
    fn what_turned_up_after_a_holder_read_costs_nothing_of_what_it_read() {
        let (_temp, campaign) = campaign();
        let first = begin(&mut journal(&campaign, 1), 1, &[]);
        assert_eq!(map(&campaign, 0), [(1, None)]);
        // Holder 3 has read that. Before it records something, evicted holder 2 wakes.
        begin(&mut journal(&campaign, 2), 2, &[(1, first)]);
        begin(&mut journal(&campaign, 3), 3, &[(1, first)]);
        assert_eq!(map(&campaign, 0), [(1, Some(first)), (2, Some(0)), (3, None)]);
    }

    #[test]
    fn a_journal_without_a_record_is_not_the_newest() {
        let (_temp, campaign) = campaign();
        let first = begin(&mut journal(&campaign, 1), 1, &[]);
        let mut second = journal(&campaign, 2);
        assert_eq!(map(&campaign, 0), [(1, None)]);
        let path = campaign.journal(&JournalId::Searcher(Epoch(2)));
        fs::write(&path, "{\"crc\":\"").unwrap();
        assert_eq!(map(&campaign, 0), [(1, None)]);
        // What a crash of the node left of the first block.
        fs::write(&path, [b"\0".repeat(100), b"\n".to_vec()].concat()).unwrap();
        assert_eq!(map(&campaign, 0), [(1, None)]);
        fs::write(&path, "").unwrap();
        begin(&mut second, 2, &[(1, first)]);
        assert_eq!(map(&campaign, 0), [(1, Some(first)), (2, None)]);
    }

    #[test]
    fn a_damaged_seal_is_an_error_and_not_a_lost_past() {
        let (_temp, campaign) = campaign();
        let first = begin(&mut journal(&campaign, 1), 1, &[]);
        let second = begin(&mut journal(&campaign, 2), 2, &[(1, first)]);
        begin(&mut journal(&campaign, 3), 3, &[(2, second)]);
        let path = campaign.journal(&JournalId::Searcher(Epoch(2)));
        let bytes = fs::read(&path).unwrap();
        let mut broken = bytes.clone();
        broken[30] ^= 1;
        fs::write(&path, broken).unwrap();
        assert!(matches!(sealing_map(&campaign, Epoch(0)), Err(JournalError::Damaged(_))));
        fs::write(&path, &bytes[..20]).unwrap();
        let error = sealing_map(&campaign, Epoch(0)).unwrap_err();
        assert!(matches!(error, JournalError::Damaged(damage) if damage.kind == DamageKind::Short { known: second }));
        fs::remove_file(&path).unwrap();
        assert!(sealing_map(&campaign, Epoch(0)).is_err(), "a sealed journal is gone");
    }

    #[test]
    fn journals_that_are_gone_with_their_directory_are_an_error() {
        let (_temp, campaign) = campaign();
        assert_eq!(sealing_map(&campaign, Epoch(0)).unwrap(), []);
        fs::remove_dir(campaign.searcher_journals()).unwrap();
        assert!(matches!(sealing_map(&campaign, Epoch(0)), Err(JournalError::File(error)) if error.is_missing()));
    }

    #[test]
    fn a_record_of_a_newer_build_in_front_is_an_error() {
        let (_temp, campaign) = campaign();
        let path = campaign.journal(&JournalId::Searcher(Epoch(1)));
        let record = serde_json::json!({"kind": "lease_taken"});
        let frame = bandmaster_record::Envelope { v: 99, seq: 1, at: now(), record };
        let mut line = Vec::new();
        bandmaster_record::encode_frame(&frame, &mut line).unwrap();
        OpenOptions::new().create(true).append(true).open(&path).unwrap().write_all(&line).unwrap();
        assert!(matches!(sealing_map(&campaign, Epoch(0)), Err(JournalError::Damaged(damage)) if damage.is_newer()));
    }
}
