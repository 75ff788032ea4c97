//! `bandmaster ledger`: whether the ledger is what the journals say, the ledger made anew, and questions to it.

use std::io::Write;

use bandmaster_journal::Campaign;
use bandmaster_ledger::{Report, check};
use rusqlite::types::ValueRef;

use crate::failure::{Exit, Failure, FailureKind};
use crate::output::{Cell, Column, Format, Kind, Listing, PageFormat, PageLayout, Record, write_json};
use crate::reading;

mod rebuild;

/// What to do with the ledger.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be done with the ledger.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Compare the published ledger with the journals, record by record; exit code 8 if it differs
    Check {
        /// How to print it.
        #[command(flatten)]
        format: PageFormat,
    },
    /// Make the ledger anew from the journals
    Rebuild {
        /// Even if a journal is damaged: what stands behind the damage is then in no ledger any more
        #[arg(long)]
        force: bool,
    },
    /// Ask the ledger, up to date, in SQL; docs/ledger.md names every table and column
    Sql {
        /// One statement that reads
        #[arg(value_name = "SELECT")]
        sql: String,
        /// How to print the rows.
        #[command(flatten)]
        format: Format,
    },
}

impl Args {
    /// Whether that is for the campaign's owner alone.
    pub fn writes(&self) -> bool {
        matches!(self.verb, Verb::Rebuild { .. })
    }
}

/// Does it.
///
/// # Errors
/// There is no campaign or no ledger in it; another holds the lease; the SQL is wrong; a file cannot be read or written.
pub fn run(args: &Args, campaign: &Campaign, out: &mut dyn Write) -> Result<Exit, Failure> {
    reading::existing(campaign)?;
    match &args.verb {
        Verb::Check { format } => compare(campaign, *format, out),
        Verb::Rebuild { force } => rebuild::rebuild(campaign, *force, out),
        Verb::Sql { sql, format } => ask(campaign, sql, format, out),
    }
}

fn compare(campaign: &Campaign, format: PageFormat, out: &mut dyn Write) -> Result<Exit, Failure> {
    let path = campaign.ledger();
    if matches!(path.try_exists(), Ok(false)) {
        return Err(Failure::say(
            FailureKind::NotFound,
            format!("no ledger is published at {}", path.display()),
            "a tick publishes one, and `bandmaster ledger rebuild` makes it from the journals",
        ));
    }
    let report = check(campaign, &path)?;
    match format.format {
        PageLayout::Json => write_json("check", &told(&report), out)?,
        PageLayout::Table => out.write_all(text(&report).as_bytes()).and_then(|()| out.flush()).map_err(Failure::output)?,
    }
    Ok(if report.is_clean() { Exit::Ok } else { Exit::Because(FailureKind::Ledger) })
}

fn text(report: &Report) -> String {
    let Report { journals, records, behind, findings } = report;
    let mut text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    text.push_str(&match findings.len() {
        0 => format!(
            "the ledger is what the journals say: {journals} journals, {records} records, {behind} of them newer than what is published\n"
        ),
        _ => "the journals are the truth: `bandmaster ledger rebuild` makes the ledger anew from them\n".to_owned(),
    });
    text
}

fn told(report: &Report) -> Record {
    let count = |number: u64| Cell::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let mut record = Record::default();
    record.set("clean", Cell::Flag(report.is_clean()));
    record.set("journals", count(report.journals)).set("records", count(report.records)).set("behind", count(report.behind));
    let findings = report.findings.iter().map(|finding| finding.to_string()).collect::<Vec<_>>();
    record.set("findings", Cell::Json(findings.into()));
    record
}

fn ask(campaign: &Campaign, sql: &str, format: &Format, out: &mut dyn Write) -> Result<Exit, Failure> {
    let wrong = |error: rusqlite::Error| {
        Failure::say(
            FailureKind::Usage,
            format!("SQLite does not accept that: {error}"),
            "docs/ledger.md names every table and column; `bandmaster ledger sql \"SELECT name, sql FROM sqlite_schema\"` prints them",
        )
    };
    let reader = reading::open(campaign)?;
    let mut statement = reader.connection().prepare(sql).map_err(wrong)?;
    let columns: Vec<Column> = statement.column_names().map(|name| Column::new(name.to_owned(), Kind::Any)).collect();
    let mut rows = statement.query([]).map_err(wrong)?;
    // The first row shows whether it can be answered, before anything is printed.
    let mut row = rows.next().map_err(wrong)?;
    let mut listing = Listing::begin("rows", columns.clone(), format, out)?;
    while let Some(found) = row {
        let value = |place| found.get_ref(place).map(|value: ValueRef<'_>| reading::value(value, Kind::Any));
        let cells = (0..columns.len()).map(value).collect::<rusqlite::Result<Vec<_>>>().map_err(wrong)?;
        listing.row(&cells)?;
        row = rows.next().map_err(wrong)?;
    }
    listing.end()?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests;
