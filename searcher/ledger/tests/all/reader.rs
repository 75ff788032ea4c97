//! Readers see what is true now, and never the file that is being written.

use std::fs;
use std::time::{Duration, SystemTime};

use bandmaster_journal::Campaign;
use bandmaster_ledger::{Ledger, LedgerError, Reader, SCHEMA_VERSION, rebuild, same_rows};
use bandmaster_record::*;

use crate::pen::{Pen, attempt, metrics};
use crate::plan;
use crate::story;

fn text(reader: &Reader, sql: &str) -> String {
    reader.connection().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn publish(pen: &Pen) {
    let work = pen.campaign.work_db(pen.epoch());
    let (ledger, _) = rebuild(&pen.campaign, &work, &mut ()).unwrap();
    ledger.publish(&pen.campaign.root().join("stage"), &pen.campaign.ledger()).unwrap();
}

#[test]
fn before_anything_is_published_the_journals_are_shown() {
    let temp = tempfile::tempdir().unwrap();
    let campaign = Campaign::at(temp.path());
    campaign.create().unwrap();
    assert_eq!(text(&Reader::open(&campaign).unwrap(), "SELECT count(*) || '' FROM sweeps"), "0");
    let pen = story::write(campaign);
    let reader = Reader::open(&pen.campaign).unwrap();
    let (whole, folded) = rebuild(&pen.campaign, &temp.path().join("work.db"), &mut ()).unwrap();
    assert_eq!(same_rows(reader.connection(), whole.connection()).unwrap(), vec![]);
    assert_eq!((reader.freshness().published, reader.freshness().added), (None, folded.records()));
}

#[test]
fn what_is_published_and_complete_is_shown_as_it_lies() {
    let temp = tempfile::tempdir().unwrap();
    let pen = story::write(Campaign::at(temp.path().join("a campaign?with=odd#names")));
    publish(&pen);
    let reader = Reader::open(&pen.campaign).unwrap();
    assert_eq!(text(&reader, "SELECT phase FROM sweeps"), "finished");
    let freshness = reader.freshness();
    assert_eq!((freshness.added, freshness.is_behind), (0, false));
    let later = freshness.published.unwrap() + Duration::from_secs(90);
    assert_eq!(freshness.sentence(later), "up to date: published 90 s ago, and 0 records since");
}

#[test]
fn what_was_decided_and_what_was_not_even_observed_since_is_added_in_memory() {
    let temp = tempfile::tempdir().unwrap();
    let mut pen = story::write(Campaign::at(temp.path()));
    let sweep = pen.sweep.clone();
    pen.decide(&SearcherRecord::PhaseChanged { sweep: sweep.clone(), phase: Phase::Running, why: "one more".into() });
    publish(&pen);
    let before = fs::read(pen.campaign.ledger()).unwrap();
    pen.decide(&SearcherRecord::TrialCreated { sweep: sweep.clone(), trial: TrialId(99), bracket: 0, params: plan::params(1), seed: 1 });
    pen.decide(&SearcherRecord::Granted { sweep, attempt: attempt(99, 0, 1, 1) });
    let slot = pen.start_slot(3, 0);
    let (nonce, now) = ("01JY".parse().unwrap(), attempt(99, 0, 1, 1));
    let execution = Box::default();
    pen.tell(
        slot,
        &SlotRecord::AttemptStarted { attempt: now, nonce, resumed_from: None, checkpoint: None, passed_over: vec![], execution },
    );
    pen.tell(slot, &SlotRecord::Report { attempt: now, resource: Resource(1), metrics: metrics(&[("val_loss", 0.125)]) });
    pen.sync(slot);
    let reader = Reader::open(&pen.campaign).unwrap();
    assert_eq!(text(&reader, "SELECT state FROM trials WHERE trial = 99"), "running");
    assert_eq!(text(&reader, "SELECT value || '' FROM metrics WHERE trial = 99"), "0.125");
    assert_eq!(reader.freshness().added, 6);
    assert!(reader.freshness().sentence(SystemTime::now()).contains("6 records since"));
    assert_eq!(fs::read(pen.campaign.ledger()).unwrap(), before, "what is published stays as it is");
    // The slot goes on: the tail of a journal that is known is read too.
    pen.observe(slot);
    publish_again(&mut pen);
    pen.tell(slot, &SlotRecord::Report { attempt: now, resource: Resource(2), metrics: metrics(&[("val_loss", 0.0625)]) });
    pen.sync(slot);
    let reader = Reader::open(&pen.campaign).unwrap();
    assert_eq!(text(&reader, "SELECT min(value) || '' FROM metrics WHERE trial = 99"), "0.0625");
    assert_eq!(reader.freshness().added, 1);
}

fn publish_again(pen: &mut Pen) {
    pen.take_lease();
    publish(pen);
}

#[test]
fn a_reader_cannot_write() {
    let temp = tempfile::tempdir().unwrap();
    let pen = story::write(Campaign::at(temp.path()));
    for _ in 0..2 {
        let reader = Reader::open(&pen.campaign).unwrap();
        assert!(reader.connection().execute("DELETE FROM trials", []).is_err());
        publish_once(&pen);
    }
}

fn publish_once(pen: &Pen) {
    if !pen.campaign.ledger().exists() {
        publish(pen);
    }
}

#[test]
fn readers_need_no_lock_and_leave_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let pen = story::write(Campaign::at(temp.path()));
    publish(&pen);
    let list = || fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>().len();
    let before = list();
    // Somebody holds the file exclusively, as SQLite's locks go.
    let other = Ledger::open(&pen.campaign.ledger()).unwrap();
    assert_eq!(text(&Reader::open(&pen.campaign).unwrap(), "SELECT phase FROM sweeps"), "finished");
    drop(other);
    assert_eq!(list(), before);
}

#[test]
fn a_ledger_of_a_newer_version_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let pen = story::write(Campaign::at(temp.path()));
    publish(&pen);
    let ledger = Ledger::open(&pen.campaign.ledger()).unwrap();
    ledger.connection().pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    drop(ledger);
    let refused = Reader::open(&pen.campaign).unwrap_err();
    assert!(matches!(refused, LedgerError::Newer { .. }), "{refused}");
    assert!(refused.to_string().contains("use the newer bandmaster"));
}

#[test]
fn damage_in_a_journal_is_told_and_the_rest_is_shown() {
    let temp = tempfile::tempdir().unwrap();
    let mut pen = story::write(Campaign::at(temp.path()));
    pen.take_lease();
    let path = pen.campaign.journal(&JournalId::Slot(pen.sweep.clone(), pen.slots[1].id.clone()));
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let reader = Reader::open(&pen.campaign).unwrap();
    assert_eq!(reader.freshness().damaged.len(), 1);
    assert_eq!(text(&reader, "SELECT phase FROM sweeps"), "finished");
}
