//! `bandmaster status`: what a campaign is doing, or one sweep of it in detail.

use std::io::Write;
use std::time::SystemTime;

use bandmaster_journal::{Campaign, HeldBy, Lease, names};
use bandmaster_ledger::Reader;
use bandmaster_record::{SweepId, Timestamp};
use rusqlite::Connection;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Details, Format, Kind, Layout, Listing, Record, Shown, write_json};
use crate::reading;
use crate::select;

mod sweep;

/// Of what, and how to print it.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// One sweep in detail: digits-1, or digits for the newest of that name [default: all sweeps in short]
    pub sweep: Option<String>,
    /// How to print it.
    #[command(flatten)]
    pub format: Format,
}

/// The columns of a sweep, in the order of [`SQL`].
pub(super) fn columns() -> Vec<Column> {
    let programs = |name, kind| Column::new(name, kind).shown(Shown::PROGRAMS);
    vec![
        Column::new("sweep", Kind::Text),
        Column::new("phase", Kind::Text),
        programs("phase_why", Kind::Text),
        programs("phase_since", Kind::Time),
        programs("method", Kind::Text),
        programs("metric", Kind::Text),
        programs("goal", Kind::Text),
        programs("unit", Kind::Text),
        programs("max_resource", Kind::Integer),
        programs("cluster", Kind::Text),
        programs("slots_limit", Kind::Integer),
        Column::new("rungs", Kind::Text).shown(Shown::TABLES),
        programs("rungs_decided", Kind::Integer),
        programs("rungs_planned", Kind::Integer),
        Column::new("segments", Kind::Text).shown(Shown::TABLES),
        programs("segments_settled", Kind::Integer),
        programs("segments_planned", Kind::Integer),
        programs("trials_planned", Kind::Integer),
        Column::new("running", Kind::Integer),
        Column::new("waiting", Kind::Integer),
        Column::new("failed", Kind::Integer),
        Column::new("slots", Kind::Integer),
        Column::new("best", Kind::Number),
        programs("best_resource", Kind::Integer),
        Column::new("best_trial", Kind::Text),
        Column::new("submitted_at", Kind::Time),
        programs("ended_at", Kind::Time),
    ]
}

/// `running` and `waiting` count segments: those in a slot, and those that have a grant and no slot. `failed` counts
/// trials.
const SQL: &str = "SELECT sweep, phase, phase_why, phase_since, method, metric, goal, unit, max_resource, cluster, slots,
        rungs_decided || '/' || rungs_planned, rungs_decided, rungs_planned,
        segments_settled || '/' || segments_planned, segments_settled, segments_planned, trials_planned,
        running, waiting, failed, slots_alive, best.value, best.resource, best.name, submitted_at, ended_at
    FROM (
        SELECT sweeps.*,
            (SELECT count(*) FROM rungs WHERE rungs.sweep = sweeps.sweep AND decided_at IS NOT NULL) AS rungs_decided,
            (SELECT count(*) FROM rungs WHERE rungs.sweep = sweeps.sweep) AS rungs_planned,
            (SELECT coalesce(sum(planned), 0) FROM rungs WHERE rungs.sweep = sweeps.sweep) AS segments_planned,
            count(CASE WHEN segments.state IN ('accepted', 'failed') THEN 1 END) AS segments_settled,
            count(CASE WHEN segments.state = 'running' THEN 1 END) AS running,
            count(CASE WHEN segments.state IN ('offered', 'waiting') THEN 1 END) AS waiting,
            count(CASE WHEN segments.state = 'failed' THEN 1 END) AS failed,
            (SELECT count(*) FROM slots WHERE slots.sweep = sweeps.sweep AND slots.ended_at IS NULL) AS slots_alive
        FROM sweeps LEFT JOIN segments USING (sweep)
        WHERE ?1 IS NULL OR sweeps.sweep = ?1
        GROUP BY sweeps.sweep
    ) AS sweeps
    LEFT JOIN (SELECT sweep AS of, coalesce(non_finite, value) AS value, resource, name FROM best WHERE place = 1) AS best ON of = sweep
    ORDER BY submitted_at, number";

/// Prints it.
///
/// # Errors
/// There is no such sweep or column; the ledger cannot be read; the output cannot be written.
pub fn run(args: &Args, campaign: &Campaign, out: &mut dyn Write) -> Result<Exit, Failure> {
    let reader = reading::open(campaign)?;
    let db = reader.connection();
    match &args.sweep {
        None => all(args, campaign, &reader, out)?,
        Some(typed) => one(args, campaign, db, typed, out)?,
    }
    Ok(Exit::Ok)
}

fn all(args: &Args, campaign: &Campaign, reader: &Reader, out: &mut dyn Write) -> Result<(), Failure> {
    let columns = columns();
    let mut rows = reading::all(reader.connection(), SQL, [None::<&str>], &columns)?;
    rows.extend(not_taken_in(campaign, &rows)?);
    let freshness = reader.freshness();
    let holder = holder(campaign);
    if args.format.is_free() {
        let mut page = Details::default();
        page.title(format!("campaign {}", campaign.root().display()));
        page.pair("ledger", freshness.sentence(SystemTime::now()));
        page.pair("lease", holder.map_or_else(|| "free".to_owned(), |held| held.to_string()));
        if args.format.header() {
            page.title("sweeps");
        }
        let chosen = args.format.choose(&columns)?;
        let pick = |row: &Vec<Cell>| chosen.iter().filter_map(|place| row.get(*place).cloned()).collect::<Vec<_>>();
        let shown = chosen.iter().filter_map(|place| columns.get(*place).cloned()).collect();
        if rows.is_empty() {
            page.line("none: submit one with `bandmaster run sweep.toml`");
        } else {
            page.table(shown, &rows.iter().map(pick).collect::<Vec<_>>());
            rows.into_iter().map(|row| Record::of(&columns, row)).filter(|sweep| sweep.get("phase") == "paused".into()).for_each(|sweep| {
                let why = sweep.get("phase_why").readable();
                page.line(format!("{} is paused: {}", sweep.get("sweep").readable(), reading::without_phase(&why)));
            });
        }
        return page.write(args.format.screen, args.format.header(), out);
    }
    let published = freshness.published.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let published = published.map(|since| bandmaster_ledger::time(Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))));
    let about = json!({
        "path": campaign.root().display().to_string(),
        "published_at": published,
        "records_since": freshness.added,
        "is_behind": freshness.is_behind,
        "lease": holder.map(|held| json!({
            "epoch": held.epoch,
            "host": held.holder.as_ref().map(|holder| &holder.host.name),
            "pid": held.holder.as_ref().map(|holder| holder.pid),
        })),
    });
    listing(&[("campaign", about)], columns, rows, &args.format, out)
}

fn listing(
    besides: &[(&str, serde_json::Value)],
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    format: &Format,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut listing = Listing::begin_with("sweeps", besides, columns, format, out)?;
    for row in rows {
        listing.row(&row)?;
    }
    listing.end()
}

fn one(args: &Args, campaign: &Campaign, db: &Connection, typed: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let sweep = select::sweep(campaign, Some(typed))?;
    let columns = columns();
    let Some(row) = reading::first(db, SQL, [Some(sweep.as_str())], &columns)? else {
        // It is submitted, and that is all that can be said.
        let rows = not_taken_in(campaign, &[])?.into_iter().filter(|row| row.first() == Some(&sweep.as_str().into())).collect();
        return listing(&[], columns, rows, &args.format, out);
    };
    if args.format.is_free() {
        return sweep::page(db, &sweep, &Record::of(&columns, row))?.write(args.format.screen, args.format.header(), out);
    }
    if args.format.layout() == Layout::Json && !args.format.has_columns() {
        let kept = args.format.choose(&columns)?;
        let chosen: Vec<Column> = kept.iter().filter_map(|place| columns.get(*place).cloned()).collect();
        let row = kept.iter().filter_map(|place| row.get(*place).cloned()).collect();
        return write_json("sweep", &sweep::with_parts(db, &sweep, Record::of(&chosen, row))?, out);
    }
    listing(&[], columns, vec![row], &args.format, out)
}

/// Who holds the lease. What cannot be read is not worth a failure here.
fn holder(campaign: &Campaign) -> Option<HeldBy> {
    Lease::holder(campaign).ok().flatten()
}

/// Sweeps that lie in the campaign and that no tick has taken in yet.
fn not_taken_in(campaign: &Campaign, known: &[Vec<Cell>]) -> Result<Vec<Vec<Cell>>, Failure> {
    let columns = columns();
    let mut rows = Vec::new();
    for sweep in names::<SweepId>(&campaign.sweeps(), "")? {
        let name = Cell::from(sweep.as_str());
        if known.iter().any(|row| row.first() == Some(&name)) {
            continue;
        }
        let submitted = select::submission(campaign, &sweep).map(|submission| Cell::Time(bandmaster_ledger::time(submission.at)));
        let cell = |column: &Column| match &*column.name {
            "sweep" => name.clone(),
            "phase" => "submitted".into(),
            "phase_why" => "no tick has taken it in yet".into(),
            "submitted_at" => submitted.clone().unwrap_or(Cell::Empty),
            _ => Cell::Empty,
        };
        rows.push(columns.iter().map(cell).collect());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use crate::failure::FailureKind;
    use crate::fixture::{Fixture, printed, ran};

    fn json(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_campaign_shows_its_sweeps_the_newest_last() {
        let campaign = Fixture::finished().with_sweep("digits-2", Some(12));
        campaign.submit("digits-3");
        insta::assert_snapshot!(printed!(status, campaign, []));
    }

    #[test]
    fn a_sweep_shows_its_brackets_and_what_its_slots_run() {
        insta::assert_snapshot!(printed!(status, Fixture::running(12), ["digits"]));
        insta::assert_snapshot!(printed!(status, Fixture::finished(), ["digits-1"]));
    }

    #[test]
    fn json_tells_the_campaign_and_the_sweeps() {
        let campaign = Fixture::running(12).publish();
        let status = json(&printed!(status, campaign, ["--format", "json"]));
        assert_eq!(status["campaign"]["path"], "/work/campaign");
        // The published ledger holds what was observed; the rest was read from a journal.
        assert!(status["campaign"]["records_since"].as_u64().unwrap() > 0);
        let sweep = &status["sweeps"][0];
        for (name, value) in
            [("segments_planned", 22), ("segments_settled", 10), ("rungs_decided", 1), ("running", 1), ("failed", 1), ("slots", 2)]
        {
            assert_eq!(sweep[name], value, "{name}");
        }
        assert_eq!((&sweep["phase"], &sweep["best_trial"]), (&"running".into(), &"digits-1/1".into()));
        assert!(sweep.get("rungs").is_none());
        let one = json(&printed!(status, campaign, ["digits-1", "--format", "json"]));
        assert_eq!(one["sweep"]["brackets"].as_array().unwrap().len(), 3);
        assert_eq!(one["sweep"]["slots_alive"][0]["runs"], "digits-1/5.2");
    }

    #[test]
    fn whoever_holds_the_lease_is_named() {
        let campaign = Fixture::finished();
        let held = bandmaster_journal::Lease::take(&campaign.campaign, std::time::Duration::from_secs(60)).unwrap();
        let status = json(&printed!(status, campaign, ["--format", "json"]));
        assert_eq!(status["campaign"]["lease"]["pid"], std::process::id());
        drop(held);
        assert!(json(&printed!(status, campaign, ["--format", "json"]))["campaign"]["lease"].is_null());
    }

    #[test]
    fn a_sweep_that_no_tick_has_taken_in_is_submitted() {
        let campaign = Fixture::empty();
        campaign.submit("digits-1");
        assert_eq!(printed!(status, campaign, ["digits", "-Ph", "-o", "sweep,phase"]), "digits-1|submitted\n");
        assert_eq!(ran!(status, campaign, ["numbers"]).unwrap_err().kind, FailureKind::NotFound);
    }

    #[test]
    fn an_empty_campaign_says_what_to_do() {
        let text = printed!(status, Fixture::empty(), []);
        assert!(text.contains("bandmaster run sweep.toml"), "{text}");
    }
}
