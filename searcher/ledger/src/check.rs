//! `ledger check`: the published ledger against the journals, and not only SQLite's opinion of it.
//!
//! The journals are counted while they are folded anew, by a count that knows nothing of rows. The ledger, with what is
//! recorded beyond it, must hold as many rows of each journal, and the same ones as the ledger that was made anew.

use std::collections::BTreeMap;
use std::path::Path;

use bandmaster_journal::{Campaign, Damage};
use bandmaster_record::{Envelope, JournalId, SearcherRecord, SlotId, SlotRecord, SweepId};
use rusqlite::Connection;

use crate::reader::{copy, open_published};
use crate::{Difference, Ledger, LedgerError, Listener, facts, fold, same_rows, value};

/// What a check came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// How many journals were compared.
    pub journals: u64,
    /// How many of their records count.
    pub records: u64,
    /// How many of these were recorded after the ledger was published. That is no fault.
    pub behind: u64,
    /// What is wrong; empty if all is well.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Finding {
    /// SQLite's own check.
    #[error("SQLite finds it damaged: {0}")]
    Integrity(String),
    /// A journal is damaged; the ledger holds what stands before.
    #[error(transparent)]
    Journal(Damage),
    /// The ledger does not hold what a journal says.
    #[error("{journal}: the journal says {journal_has} {what}, the ledger {ledger_has}")]
    Count {
        /// The journal.
        journal: String,
        /// What was counted.
        what: &'static str,
        /// How many the journal has.
        journal_has: u64,
        /// How many the ledger has.
        ledger_has: u64,
    },
    /// What must hold between the tables does not.
    #[error("{says}: {first}{}", others(*.number))]
    Fact {
        /// What is wrong.
        says: &'static str,
        /// Where.
        first: String,
        /// In how many places.
        number: usize,
    },
    /// A table is not what the journals make of it.
    #[error("a ledger made anew is another: {0} (the one is this ledger, the other the new one)")]
    Differs(Difference),
    /// The ledger cannot be compared.
    #[error("{0}")]
    Unusable(String),
}

fn others(number: usize) -> String {
    if number > 1 { format!(", and {} more", number - 1) } else { String::new() }
}

/// What one journal says, counted without making rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    records: u64,
    decisions: u64,
    metrics: u64,
    checkpoints: u64,
}

#[derive(Default)]
struct Counter {
    epoch: Option<JournalId>,
    tallies: BTreeMap<String, Tally>,
}

impl Listener for Counter {
    fn searcher(&mut self, envelope: &Envelope<SearcherRecord>) {
        if let SearcherRecord::LeaseTaken { epoch, .. } = envelope.record {
            self.epoch = Some(JournalId::Searcher(epoch));
        }
        let Some(journal) = &self.epoch else { return };
        let tally = self.tallies.entry(journal.to_string()).or_default();
        tally.records += 1;
        tally.decisions += u64::from(!matches!(envelope.record, SearcherRecord::Observed { .. } | SearcherRecord::ClusterCalled { .. }));
    }

    fn slot(&mut self, sweep: &SweepId, slot: &SlotId, envelope: &Envelope<SlotRecord>) {
        let tally = self.tallies.entry(JournalId::Slot(sweep.clone(), slot.clone()).to_string()).or_default();
        tally.records += 1;
        match &envelope.record {
            SlotRecord::Report { metrics, .. } => tally.metrics += metrics.len() as u64,
            SlotRecord::CheckpointPublished { .. } => tally.checkpoints += 1,
            _ => {}
        }
    }
}

/// Compares the published ledger `path` with the campaign's journals. It takes as long as a rebuild.
///
/// # Errors
/// Where the ledger is missing or of another version, or a file cannot be read. What is wrong with the ledger itself is
/// in the report.
pub fn check(campaign: &Campaign, path: &Path) -> Result<Report, LedgerError> {
    let mut report = Report::default();
    let published = match open_published(path) {
        Err(error @ (LedgerError::Damaged { .. } | LedgerError::NotALedger { .. })) => {
            report.findings.push(Finding::Unusable(error.to_string()));
            return Ok(report);
        }
        other => other?,
    };
    report.findings.extend(integrity(&published, path)?);
    if !report.is_clean() {
        return Ok(report);
    }
    let mut ledger = Ledger::with(copy(&published, path, "")?, path.to_owned());
    let mut transaction = ledger.begin()?;
    match fold(campaign, &mut transaction, &mut ()) {
        Ok(folded) => report.behind = folded.records(),
        Err(error @ LedgerError::Overtaken { .. }) => {
            report.findings.push(Finding::Unusable(error.to_string()));
            return Ok(report);
        }
        Err(error) => return Err(error),
    }
    transaction.commit()?;

    let mut counter = Counter::default();
    let mut anew = Ledger::transient()?;
    let folded = anew.fold_all(campaign, &mut counter)?;
    report.journals = counter.tallies.len() as u64;
    report.records = folded.records();
    report.findings.extend(folded.damaged.into_iter().map(Finding::Journal));
    let compare = || -> rusqlite::Result<Vec<Finding>> {
        let mut findings = counts(&ledger.connection, &counter)?;
        let broken = facts::broken(&ledger.connection)?;
        findings.extend(broken.into_iter().map(|(says, first, number)| Finding::Fact { says, first, number }));
        findings.extend(same_rows(&ledger.connection, &anew.connection)?.into_iter().map(Finding::Differs));
        Ok(findings)
    };
    report.findings.extend(compare().map_err(LedgerError::at("check", path))?);
    Ok(report)
}

fn integrity(db: &Connection, path: &Path) -> Result<Vec<Finding>, LedgerError> {
    let check =
        || -> rusqlite::Result<Vec<String>> { db.prepare("PRAGMA integrity_check(10)")?.query_map([], |row| row.get(0))?.collect() };
    match check() {
        Ok(said) => Ok(said.into_iter().filter(|line| line != "ok").map(Finding::Integrity).collect()),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
            Ok(vec![Finding::Integrity(error.to_string())])
        }
        Err(error) => Err(LedgerError::at("check", path)(error)),
    }
}

/// Where the ledger holds another number of rows of a journal than that journal says.
fn counts(db: &Connection, counter: &Counter) -> rusqlite::Result<Vec<Finding>> {
    let mut held: BTreeMap<String, Tally> = BTreeMap::new();
    let mut read = |sql: &str, set: fn(&mut Tally, u64)| -> rusqlite::Result<()> {
        let mut find = db.prepare(sql)?;
        let mut rows = find.query([])?;
        while let Some(row) = rows.next()? {
            set(held.entry(row.get(0)?).or_default(), value::count(row.get(1)?));
        }
        Ok(())
    };
    read("SELECT path, seq FROM _journals WHERE seq > 0", |tally, number| tally.records = number)?;
    read("SELECT 'searcher/journal/' || epoch || '.jrn', count(*) FROM decisions GROUP BY epoch", |tally, number| {
        tally.decisions = number
    })?;
    read("SELECT path, count(*) FROM metrics JOIN _journals USING (journal) GROUP BY journal", |tally, number| tally.metrics = number)?;
    read("SELECT path, count(*) FROM checkpoints JOIN _journals USING (journal) GROUP BY journal", |tally, number| {
        tally.checkpoints = number
    })?;

    let mut findings = Vec::new();
    let journals: std::collections::BTreeSet<&String> = held.keys().chain(counter.tallies.keys()).collect();
    for journal in journals {
        let says = counter.tallies.get(journal).copied().unwrap_or_default();
        let has = held.get(journal).copied().unwrap_or_default();
        let all = [
            ("records", says.records, has.records),
            ("decisions", says.decisions, has.decisions),
            ("metrics", says.metrics, has.metrics),
            ("checkpoints", says.checkpoints, has.checkpoints),
        ];
        for (what, journal_has, ledger_has) in all.into_iter().filter(|(_, says, has)| says != has) {
            findings.push(Finding::Count { journal: journal.clone(), what, journal_has, ledger_has });
        }
    }
    Ok(findings)
}
