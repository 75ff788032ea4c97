//! `ledger check` finds what SQLite's own check does not.

use std::fs;
use std::path::PathBuf;

use bandmaster_journal::Campaign;
use bandmaster_ledger::{Finding, Ledger, LedgerError, Report, check, rebuild};
use bandmaster_record::{JournalId, SearcherRecord};
use tempfile::TempDir;

use crate::pen::Pen;
use crate::story;

/// The whole story, published.
fn published(temp: &TempDir) -> (Pen, PathBuf) {
    let pen = story::write(Campaign::at(temp.path()));
    let (ledger, _) = rebuild(&pen.campaign, &temp.path().join("work.1.db"), &mut ()).unwrap();
    let path = pen.campaign.ledger();
    ledger.publish(&temp.path().join("stage"), &path).unwrap();
    (pen, path)
}

/// The report after somebody changed the published ledger behind Bandmaster's back.
fn after(sql: &str) -> Report {
    let temp = tempfile::tempdir().unwrap();
    let (pen, path) = published(&temp);
    let ledger = Ledger::open(&path).unwrap();
    ledger.connection().execute_batch(sql).unwrap();
    drop(ledger);
    let report = check(&pen.campaign, &path).unwrap();
    assert!(!report.findings.iter().any(|finding| matches!(finding, Finding::Integrity(_))), "SQLite does not see it");
    report
}

fn said(report: &Report) -> String {
    report.findings.iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn a_ledger_that_says_what_the_journals_say_is_clean() {
    let temp = tempfile::tempdir().unwrap();
    let (mut pen, path) = published(&temp);
    let report = check(&pen.campaign, &path).unwrap();
    assert!(report.is_clean(), "{}", said(&report));
    assert_eq!((report.behind, report.journals), (0, pen.epoch().0 + pen.slots.len() as u64));
    // What was recorded since it was published is no fault of it.
    pen.take_lease();
    // A record that decides nothing is no row of decisions.
    pen.decide(&SearcherRecord::ClusterCalled { calls: [("squeue".to_owned(), 3)].into() });
    let later = check(&pen.campaign, &path).unwrap();
    assert!(later.is_clean(), "{}", said(&later));
    assert_eq!((later.behind, later.records), (2, report.records + 2));
}

#[test]
fn lost_metrics_are_counted() {
    let report = after("DELETE FROM metrics WHERE trial = 14 AND resource > 6");
    assert!(said(&report).contains("metrics, the ledger"), "{}", said(&report));
    assert!(report.findings.iter().any(|finding| matches!(finding, Finding::Differs(difference) if difference.table == "metrics")));
}

#[test]
fn a_changed_value_is_found() {
    let report = after("UPDATE segments SET value = value - 0.125 WHERE trial = 13 AND rung = 1");
    let said = said(&report);
    assert!(said.contains("an accepted result names no attempt that brought it: digits-1/13 at rung 1\n"), "{said}");
    assert!(said.contains("segments differs"), "{said}");
}

#[test]
fn an_accepted_result_without_its_attempt_is_found() {
    let report = after("DELETE FROM attempts WHERE trial = 13");
    let said = said(&report);
    assert!(said.contains("an accepted result names no attempt that brought it: digits-1/13 at rung 0, and 1 more"), "{said}");
    assert!(said.contains("metrics belong to no attempt: digits-1/13.1"), "{said}");
    assert!(said.contains("a checkpoint belongs to no attempt"), "{said}");
}

#[test]
fn a_cursor_that_went_ahead_of_its_rows_is_found() {
    let report = after(
        "DELETE FROM decisions WHERE epoch = 3; DELETE FROM notes; DELETE FROM metrics WHERE journal = 2; DELETE FROM checkpoints WHERE journal = 2",
    );
    let said = said(&report);
    assert!(said.contains("searcher/journal/3.jrn: the journal says") && said.contains("decisions, the ledger 0"), "{said}");
    assert!(said.contains("notes differs at row 1"), "{said}");
}

#[test]
fn a_journal_that_lost_its_end_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let (pen, path) = published(&temp);
    let journal = pen.campaign.journal(&JournalId::Slot(pen.sweep.clone(), pen.slots[0].id.clone()));
    let bytes = fs::read(&journal).unwrap();
    fs::write(&journal, &bytes[..bytes.len() / 2]).unwrap();
    let said = said(&check(&pen.campaign, &path).unwrap());
    assert!(said.contains("the file ends before byte"), "{said}");
    assert!(said.contains("records, the ledger"), "{said}");
}

#[test]
fn a_file_that_is_damaged_or_something_else_is_a_finding_and_a_missing_one_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let (pen, path) = published(&temp);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    assert!(!check(&pen.campaign, &path).unwrap().is_clean());
    fs::write(&path, "something else altogether, and long enough to be looked at").unwrap();
    assert!(matches!(check(&pen.campaign, &path).unwrap().findings.as_slice(), [Finding::Unusable(_)]));
    fs::remove_file(&path).unwrap();
    assert!(matches!(check(&pen.campaign, &path), Err(LedgerError::Sqlite { .. } | LedgerError::File(_))));
}
