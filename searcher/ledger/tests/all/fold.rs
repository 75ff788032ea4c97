//! The laws of the fold: in pieces as at once, twice as once, rebuilt as grown, and nothing counts that was sealed away.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use bandmaster_journal::{Campaign, Cursor, read_from};
use bandmaster_ledger::{Folded, Ledger, LedgerError, Listener, fold, rebuild, same_rows};
use bandmaster_record::*;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::pen::{Pen, attempt, host};
use crate::plan;
use crate::story;

/// Hears everything, in its order.
#[derive(Default, PartialEq, Debug)]
pub(crate) struct Heard(Vec<String>);

impl Listener for Heard {
    fn searcher(&mut self, envelope: &Envelope<SearcherRecord>) {
        self.0.push(format!("{envelope:?}"));
    }
    fn slot(&mut self, sweep: &SweepId, slot: &SlotId, envelope: &Envelope<SlotRecord>) {
        self.0.push(format!("{sweep} {slot} {envelope:?}"));
    }
}

/// The whole story, written once.
pub(crate) static STORY: LazyLock<(TempDir, Pen)> = LazyLock::new(|| {
    let temp = tempfile::tempdir().unwrap();
    let pen = story::write(Campaign::at(temp.path()));
    (temp, pen)
});

fn grow(ledger: &mut Ledger, campaign: &Campaign, listener: &mut dyn Listener) -> Folded {
    let mut transaction = ledger.begin().unwrap();
    let folded = fold(campaign, &mut transaction, listener).unwrap();
    transaction.commit().unwrap();
    folded
}

pub(crate) fn count(ledger: &Ledger, what: &str) -> i64 {
    ledger.connection().query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
}

pub(crate) fn text(ledger: &Ledger, sql: &str) -> String {
    ledger.connection().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn assert_same(one: &Ledger, other: &Ledger) {
    let differences = same_rows(one.connection(), other.connection()).unwrap();
    assert!(differences.is_empty(), "{differences:#?}");
}

/// A campaign in which the searcher has written so many bytes, all its journals taken together.
fn truncated(to: &Path, bytes: u64) -> Campaign {
    let (_, Pen { campaign, .. }) = &*STORY;
    let copy = Campaign::at(to);
    let _ = fs::remove_dir_all(to);
    copy.create().unwrap();
    let slots = campaign.sweeps().join("digits-1/slots");
    for slot in fs::read_dir(&slots).unwrap() {
        let slot = slot.unwrap().file_name();
        let place = copy.sweeps().join("digits-1/slots").join(&slot);
        fs::create_dir_all(&place).unwrap();
        fs::copy(slots.join(&slot).join("journal.jrn"), place.join("journal.jrn")).unwrap();
    }
    let mut left = bytes;
    for epoch in 1.. {
        let journal = JournalId::Searcher(Epoch(epoch));
        let Ok(content) = fs::read(campaign.journal(&journal)) else { break };
        let length = left.min(content.len() as u64);
        fs::write(copy.journal(&journal), &content[..length as usize]).unwrap();
        left -= length;
        if left == 0 {
            break;
        }
    }
    copy
}

fn searcher_bytes() -> u64 {
    fs::read_dir(STORY.1.campaign.searcher_journals()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

pub(crate) fn whole() -> (TempDir, Ledger, Heard) {
    let temp = tempfile::tempdir().unwrap();
    let mut heard = Heard::default();
    let (ledger, folded) = rebuild(&STORY.1.campaign, &temp.path().join("new.db"), &mut heard).unwrap();
    assert!(folded.damaged.is_empty(), "{folded:?}");
    assert_eq!(folded.records(), heard.0.len() as u64);
    (temp, ledger, heard)
}

#[test]
fn folding_twice_is_folding_once() {
    let (temp, mut ledger, _) = whole();
    assert_eq!(grow(&mut ledger, &STORY.1.campaign, &mut ()), Folded::default());
    let (again, _) = rebuild(&STORY.1.campaign, &temp.path().join("again.db"), &mut ()).unwrap();
    assert_same(&ledger, &again);
}

#[test]
fn a_record_that_is_applied_again_changes_nothing() {
    let (_temp, mut ledger, _) = whole();
    let (_kept, reference, _) = whole();
    let campaign = &STORY.1.campaign;
    let mut transaction = ledger.begin().unwrap();
    for epoch in 1..=STORY.1.epoch().0 {
        let journal = JournalId::Searcher(Epoch(epoch));
        for envelope in read_from(&campaign.journal(&journal), Cursor::default(), None).unwrap().frames {
            transaction.apply_searcher(&journal, &envelope).unwrap();
            if let SearcherRecord::Observed { journal, offset, .. } = &envelope.record {
                for envelope in read_from(&campaign.journal(journal), Cursor::default(), Some(*offset)).unwrap().frames {
                    transaction.apply_slot(journal, &envelope).unwrap();
                }
            }
        }
    }
    transaction.commit().unwrap();
    assert_same(&ledger, &reference);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn folding_in_pieces_is_folding_at_once(cuts in prop::collection::vec(0.0..1.0f64, 1..6)) {
        let temp = tempfile::tempdir().unwrap();
        let all = searcher_bytes();
        let mut cuts: Vec<u64> = cuts.into_iter().map(|cut| (cut * all as f64) as u64).chain([all]).collect();
        cuts.sort_unstable();
        let mut ledger = Ledger::create(&temp.path().join("work.1.db")).unwrap();
        let mut heard = Heard::default();
        for cut in cuts {
            let campaign = truncated(&temp.path().join("campaign"), cut);
            let folded = grow(&mut ledger, &campaign, &mut heard);
            prop_assert!(folded.damaged.is_empty(), "{:?}", folded.damaged);
        }
        let (_kept, reference, at_once) = whole();
        prop_assert_eq!(same_rows(ledger.connection(), reference.connection()).unwrap(), vec![]);
        prop_assert!(heard == at_once, "the listener heard another order");
    }
}

/// A campaign of one sweep with one trial that is offered.
pub(crate) fn small(temp: &TempDir) -> Pen {
    let mut pen = Pen::new(Campaign::at(temp.path().join("campaign")));
    pen.take_lease();
    pen.decide(&SearcherRecord::TrialCreated { sweep: pen.sweep.clone(), trial: TrialId(0), bracket: 0, params: plan::params(0), seed: 1 });
    pen.decide(&SearcherRecord::Granted { sweep: pen.sweep.clone(), attempt: attempt(0, 0, 1, 1) });
    pen
}

pub(crate) fn started(attempt: AttemptRef) -> SlotRecord {
    let nonce = "01JX".parse().unwrap();
    SlotRecord::AttemptStarted { attempt, nonce, resumed_from: None, checkpoint: None, passed_over: vec![], execution: Box::default() }
}

#[test]
fn what_was_not_observed_does_not_count() {
    let temp = tempfile::tempdir().unwrap();
    let mut pen = small(&temp);
    let slot = pen.start_slot(1, 0);
    pen.tell(slot, &started(attempt(0, 0, 1, 1)));
    pen.sync(slot);
    let mut ledger = Ledger::create(&temp.path().join("work.1.db")).unwrap();
    grow(&mut ledger, &pen.campaign, &mut ());
    assert_eq!(text(&ledger, "SELECT state FROM attempts"), "offered");
    pen.observe(slot);
    grow(&mut ledger, &pen.campaign, &mut ());
    assert_eq!(text(&ledger, "SELECT state FROM attempts"), "running");
    assert_eq!(text(&ledger, "SELECT state FROM trials"), "running");
}

#[test]
fn what_an_evicted_searcher_writes_counts_for_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let mut pen = small(&temp);
    let old = pen.campaign.journal(&JournalId::Searcher(pen.epoch()));
    pen.take_lease();
    let (reference, _) = rebuild(&pen.campaign, &temp.path().join("before.db"), &mut ()).unwrap();
    // It wakes, and writes a good frame behind the seal.
    let envelope = Envelope {
        v: 1,
        seq: 4,
        at: Timestamp(0),
        record: SearcherRecord::PhaseChanged { sweep: pen.sweep.clone(), phase: Phase::Cancelled, why: "late".into() },
    };
    let mut frame = Vec::new();
    encode_frame(&envelope, &mut frame).unwrap();
    use std::io::Write as _;
    fs::OpenOptions::new().append(true).open(&old).unwrap().write_all(&frame).unwrap();
    let (after, folded) = rebuild(&pen.campaign, &temp.path().join("after.db"), &mut ()).unwrap();
    assert!(folded.damaged.is_empty());
    assert_same(&reference, &after);
}

#[test]
fn a_ledger_that_holds_what_was_sealed_away_must_be_rebuilt() {
    let temp = tempfile::tempdir().unwrap();
    let pen = small(&temp);
    let mut ledger = Ledger::create(&temp.path().join("work.1.db")).unwrap();
    grow(&mut ledger, &pen.campaign, &mut ());
    // Another holder saw less of that journal, and sealed it there.
    let path = pen.campaign.journal(&JournalId::Searcher(Epoch(1)));
    let first = fs::read(&path).unwrap().iter().position(|byte| *byte == b'\n').unwrap() as u64 + 1;
    let sealed = vec![Sealed { epoch: Epoch(1), length: first }];
    let record = SearcherRecord::LeaseTaken { epoch: Epoch(2), host: host("login2"), pid: 1, version: "0.1.0".into(), sealed };
    let mut frame = Vec::new();
    encode_frame(&Envelope { v: 1, seq: 1, at: Timestamp(0), record }, &mut frame).unwrap();
    fs::write(pen.campaign.journal(&JournalId::Searcher(Epoch(2))), frame).unwrap();
    let mut transaction = ledger.begin().unwrap();
    let refused = fold(&pen.campaign, &mut transaction, &mut ()).unwrap_err();
    assert!(matches!(&refused, LedgerError::Overtaken { counts, .. } if *counts == first), "{refused}");
    assert!(refused.is_about_the_ledger());
}

#[test]
fn a_damaged_journal_is_reported_and_the_others_go_on() {
    let temp = tempfile::tempdir().unwrap();
    let mut pen = small(&temp);
    let (broken, whole) = (pen.start_slot(1, 0), pen.start_slot(1, 1));
    pen.tell(broken, &started(attempt(0, 0, 1, 1)));
    pen.observe(broken);
    pen.observe(whole);
    let path = pen.campaign.journal(&JournalId::Slot(pen.sweep.clone(), pen.slots[broken].id.clone()));
    let mut bytes = fs::read(&path).unwrap();
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 40;
    bytes[second] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (ledger, folded) = rebuild(&pen.campaign, &temp.path().join("new.db"), &mut ()).unwrap();
    assert_eq!(folded.damaged.iter().map(|damage| damage.path.as_path()).collect::<Vec<_>>(), [path.as_path()]);
    assert_eq!(count(&ledger, "slots WHERE started_at IS NOT NULL"), 2);
    assert_eq!(count(&ledger, "surroundings"), 1);
    assert_eq!(text(&ledger, "SELECT state FROM attempts"), "offered");
}

#[test]
fn the_tick_finds_what_it_must_know_again() {
    let (_temp, mut ledger, _) = whole();
    let transaction = ledger.begin().unwrap();
    let sweep = &STORY.1.sweep;
    assert!(transaction.knows_sweep(sweep).unwrap() && !transaction.knows_sweep(&"digits-2".parse().unwrap()).unwrap());
    assert!(transaction.knows_request(&"01JPAUSE".parse().unwrap()).unwrap());
    assert!(transaction.open_slot_journals().unwrap().is_empty(), "all slots have ended");
    for slot in &STORY.1.slots {
        let journal = JournalId::Slot(sweep.clone(), slot.id.clone());
        assert!(transaction.knows_journal(&journal).unwrap());
        assert_eq!(transaction.open_cursor(&journal).unwrap(), None);
    }
    let unknown = JournalId::Slot(sweep.clone(), "1_1.X".parse().unwrap());
    assert_eq!(transaction.open_cursor(&unknown).unwrap(), Some(Cursor::default()));
}

#[test]
fn states_are_committed_with_the_rows_or_not_at_all() {
    let temp = tempfile::tempdir().unwrap();
    let mut pen = small(&temp);
    let path = temp.path().join("work.1.db");
    let mut ledger = Ledger::create(&path).unwrap();
    let sweep = pen.sweep.clone();
    let mut transaction = ledger.begin().unwrap();
    fold(&pen.campaign, &mut transaction, &mut ()).unwrap();
    transaction.put_state(&sweep, b"one").unwrap();
    transaction.commit().unwrap();
    pen.take_lease();
    let mut transaction = ledger.begin().unwrap();
    fold(&pen.campaign, &mut transaction, &mut ()).unwrap();
    transaction.put_state(&sweep, b"two").unwrap();
    drop(transaction);
    drop(ledger);
    let mut ledger = Ledger::open(&path).unwrap();
    let transaction = ledger.begin().unwrap();
    assert_eq!(transaction.states().unwrap(), [(sweep.clone(), b"one".to_vec())]);
    assert_eq!(transaction.cursor(&JournalId::Searcher(Epoch(2))).unwrap(), Cursor::default());
    drop(transaction);
    let mut transaction = ledger.begin().unwrap();
    transaction.drop_state(&sweep).unwrap();
    assert_eq!(transaction.state(&sweep).unwrap(), None);
}
