use std::fs;
use std::io::Write;
use std::thread;

use bandmaster_record::{SlotRecord, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::JournalWriter;

fn ended(why: &str) -> SlotRecord {
    SlotRecord::SlotEnded { why: why.to_owned() }
}

/// A journal of these records, and where each of its frames ends.
fn journal(path: &Path, texts: &[String]) -> (Vec<u8>, Vec<u64>) {
    let mut writer = JournalWriter::create(path, || Timestamp(7)).unwrap();
    let mut ends = vec![0];
    for text in texts {
        writer.append(&ended(text)).unwrap();
        writer.sync().unwrap();
        ends.push(writer.position().offset);
    }
    (fs::read(path).unwrap(), ends)
}

fn read(path: &Path, from: Cursor, limit: Option<u64>) -> Batch<SlotRecord> {
    read_from(path, from, limit).unwrap()
}

fn texts(batch: &Batch<SlotRecord>) -> Vec<String> {
    let text = |frame: &Envelope<SlotRecord>| match &frame.record {
        SlotRecord::SlotEnded { why } => why.clone(),
        other => panic!("{other:?}"),
    };
    batch.frames.iter().map(text).collect()
}

fn three() -> (tempfile::TempDir, PathBuf, Vec<u8>, Vec<u64>) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("j.jrn");
    let (bytes, ends) = journal(&path, &["one".into(), "two".into(), "three".into()]);
    (temp, path, bytes, ends)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_tail_torn_at_any_byte_waits_for_its_rest(said in prop::collection::vec(".{0,12}", 1..5)) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("j.jrn");
        let (bytes, ends) = journal(&path, &said);
        for cut in 0..=bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let first = read(&path, Cursor::default(), None);
            let whole = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
            prop_assert_eq!(texts(&first), &said[..whole]);
            prop_assert_eq!(first.cursor, Cursor { seq: whole as u64, offset: ends[whole] });
            prop_assert_eq!((first.torn, &first.damage), (ends[whole] < cut as u64, &None));
            fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&bytes[cut..]).unwrap();
            let rest = read(&path, first.cursor, None);
            prop_assert_eq!(texts(&rest), &said[whole..]);
            prop_assert!(!rest.torn && rest.damage.is_none());
        }
    }

    #[test]
    fn a_changed_byte_in_the_middle_is_reported_with_its_place_and_nothing_behind_it_is_given(at in 0usize..1000, bit in 0..8u8) {
        let (_temp, path, mut bytes, ends) = three();
        let at = at % (bytes.len() - 1);
        bytes[at] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let batch = read(&path, Cursor::default(), None);
        let hit = ends.iter().filter(|end| **end <= at as u64).count() - 1;
        prop_assert_eq!(&texts(&batch)[..hit], &["one", "two", "three"][..hit]);
        // A changed case of the checksum's own digits still says the same.
        if batch.frames.len() < 3 {
            let damage = batch.damage.unwrap();
            prop_assert_eq!((damage.offset, batch.frames.len()), (ends[hit], hit));
            let place = format!("at byte {}", ends[hit]);
            prop_assert!(damage.to_string().contains(&place));
        }
    }
}

#[test]
fn damage_says_how_many_good_records_stand_behind_it() {
    let (_temp, path, bytes, ends) = three();
    for (broken, good_after) in [(0, 2), (1, 1), (2, 0)] {
        let mut bytes = bytes.clone();
        bytes[ends[broken] as usize + 3] = b'?';
        fs::write(&path, bytes).unwrap();
        let damage = read(&path, Cursor::default(), None).damage.unwrap();
        assert_eq!((damage.offset, damage.good_after), (ends[broken], good_after));
    }
}

#[test]
fn a_missing_or_doubled_frame_is_damage() {
    let (_temp, path, bytes, ends) = three();
    let frame = |n: usize| &bytes[ends[n] as usize..ends[n + 1] as usize];
    fs::write(&path, [frame(0), frame(2)].concat()).unwrap();
    let damage = read(&path, Cursor::default(), None).damage.unwrap();
    assert_eq!((damage.offset, damage.kind), (ends[1], DamageKind::Sequence { expected: 2, found: 3 }));
    fs::write(&path, [frame(0), frame(0)].concat()).unwrap();
    let damage = read(&path, Cursor::default(), None).damage.unwrap();
    assert_eq!(damage.kind, DamageKind::Sequence { expected: 2, found: 1 });
}

#[test]
fn a_journal_shorter_than_it_was_known_to_be_is_damage() {
    let (_temp, path, bytes, ends) = three();
    let end = Cursor { seq: 3, offset: ends[3] };
    assert_eq!(read(&path, end, Some(ends[3])).damage, None);
    fs::write(&path, &bytes[..ends[2] as usize]).unwrap();
    let known = ends[3];
    for (from, limit) in [(end, None), (Cursor { seq: 2, offset: ends[2] }, Some(known)), (Cursor::default(), Some(known))] {
        let damage = read(&path, from, limit).damage.unwrap();
        assert_eq!(damage.kind, DamageKind::Short { known });
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(read(&path, end, None).damage.unwrap().kind, DamageKind::Short { known });
}

#[test]
fn a_file_that_is_not_there_is_an_empty_journal() {
    let batch = read(Path::new("/nowhere/j.jrn"), Cursor::default(), None);
    assert_eq!(batch, Batch { frames: vec![], cursor: Cursor::default(), torn: false, damage: None });
}

#[test]
fn nothing_behind_the_limit_is_looked_at() {
    let (_temp, path, mut bytes, ends) = three();
    bytes[ends[2] as usize] = b'?';
    fs::write(&path, bytes).unwrap();
    let batch = read(&path, Cursor::default(), Some(ends[2]));
    assert_eq!((texts(&batch), batch.torn, batch.damage), (vec!["one".to_owned(), "two".to_owned()], false, None));
    assert_eq!(texts(&read(&path, Cursor::default(), Some(0))), [""; 0]);
}

#[test]
fn a_reader_beside_the_writer_gets_every_record_once_and_in_order() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("j.jrn");
    let mut writer = JournalWriter::create(&path, || Timestamp(7)).unwrap();
    let writing = thread::spawn(move || {
        for n in 0..600 {
            writer.append(&ended(&format!("{n}{}", "x".repeat(n % 97)))).unwrap();
            if n % 3 == 2 {
                writer.sync().unwrap();
            }
        }
    });
    let (mut cursor, mut seen) = (Cursor::default(), 0);
    while seen < 600 {
        let batch = read(&path, cursor, None);
        assert_eq!(batch.damage, None);
        for frame in &batch.frames {
            seen += 1;
            assert_eq!(frame.seq, seen);
        }
        cursor = batch.cursor;
    }
    writing.join().unwrap();
}
