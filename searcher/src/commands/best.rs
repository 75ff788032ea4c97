//! `bandmaster best`: the best trials at the highest resource with a result, and how to train them again.

use std::io::Write;

use bandmaster_journal::Campaign;
use bandmaster_record::{SweepId, TrialSettings};
use rusqlite::{Connection, OptionalExtension};

use crate::failure::{Exit, Failure, FailureKind};
use crate::output::{Cell, Column, Details, Format, Kind, Listing, Record, Shown, with_unit};
use crate::reading::{self, Again, ParamColumns, Training};

/// Of which sweep, how many, and how to print them.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The sweep: digits-1, or digits for the newest of that name [default: the newest]
    pub sweep: Option<String>,
    /// So many trials
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub number: u32,
    /// How to print them.
    #[command(flatten)]
    pub format: Format,
}

const SQL: &str = "SELECT place, name, sweep, trial, metric, resource, coalesce(non_finite, value), attempt, seed,
        (SELECT checkpoints.directory FROM checkpoints
            WHERE checkpoints.sweep = best.sweep AND checkpoints.trial = best.trial AND checkpoints.attempt = best.attempt
            ORDER BY checkpoints.resource DESC LIMIT 1),
        params
    FROM best WHERE sweep = ?1 AND resource = (SELECT resource FROM best WHERE sweep = ?1 AND place = 1)
    ORDER BY place LIMIT ?2";

/// Prints them.
///
/// # Errors
/// There is no such sweep, or it has no result; the ledger cannot be read; the output cannot be written.
pub fn run(args: &Args, campaign: &Campaign, out: &mut dyn Write) -> Result<Exit, Failure> {
    let reader = reading::open(campaign)?;
    let db = reader.connection();
    let sweep = reading::sweep(campaign, db, args.sweep.as_deref())?;
    let params = ParamColumns::of(db, &sweep)?;
    let settings = settings(db, &sweep)?;
    let mut columns = vec![
        Column::new("place", Kind::Integer),
        Column::new("name", Kind::Text),
        Column::new("sweep", Kind::Text).shown(Shown::PROGRAMS),
        Column::new("trial", Kind::Integer).shown(Shown::PROGRAMS),
        Column::new("metric", Kind::Text).shown(Shown::PROGRAMS),
        Column::new("resource", Kind::Integer),
        Column::new("value", Kind::Number),
        Column::new("attempt", Kind::Integer).shown(Shown::PROGRAMS),
        Column::new("seed", Kind::Integer).shown(Shown::PROGRAMS),
        Column::new("checkpoint", Kind::Text).shown(Shown::PROGRAMS),
    ];
    let read = [columns.clone(), vec![Column::new("params", Kind::Json)]].concat();
    columns.extend(params.columns());
    columns.push(Column::new("command", Kind::Json).shown(Shown::PROGRAMS));
    columns.push(Column::new("directory", Kind::Text).shown(Shown::PROGRAMS));
    columns.push(Column::new("again", Kind::Text).shown(Shown::PROGRAMS));

    let mut rows = reading::all(db, SQL, (sweep.as_str(), args.number), &read)?;
    if rows.is_empty() {
        let help = format!("`bandmaster status {sweep}` says what it is doing");
        return Err(Failure::say(FailureKind::NotFound, format!("{sweep} has no result"), help));
    }
    for row in &mut rows {
        let record = Record::of(&read, row.clone());
        let configuration = row.pop().unwrap_or(Cell::Empty);
        if let Some(Cell::Text(checkpoint)) = row.last_mut() {
            *checkpoint = campaign.root().join(&*checkpoint).display().to_string();
        }
        let again = settings.as_ref().and_then(|settings| again(settings, &record));
        row.extend(params.cells(configuration));
        row.push(again.as_ref().map_or(Cell::Empty, |again| Cell::Json(again.command.clone().into())));
        row.push(again.as_ref().map(|again| again.directory.clone()).into());
        row.push(again.map(|again| again.line()).into());
    }
    if args.format.is_free() && args.number == 1 {
        let unit = unit(db, &sweep)?;
        for row in rows {
            page(&Record::of(&columns, row), &unit).write(args.format.screen, args.format.header(), out)?;
        }
        return Ok(Exit::Ok);
    }
    let mut listing = Listing::begin("best", columns, &args.format, out)?;
    for row in &rows {
        listing.row(row)?;
    }
    listing.end()?;
    Ok(Exit::Ok)
}

fn page(best: &Record, unit: &str) -> Details {
    let text = |name| best.get(name).readable();
    let mut page = Details::default();
    page.title(text("name"));
    page.pair("value", format!("{} {} at {}", text("metric"), text("value"), with_unit(&text("resource"), unit)));
    for name in ["params", "seed", "checkpoint"] {
        page.pair(name, best.get(name));
    }
    page.pair("again", best.get("again"));
    page
}

/// How the trials of a sweep run; nothing where another version recorded it otherwise.
fn settings(db: &Connection, sweep: &SweepId) -> Result<Option<(TrialSettings, u64)>, Failure> {
    let sql = "SELECT json_extract(spec, '$.trial'), coalesce(max_resource, 0) FROM sweeps WHERE sweep = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, i64>(1)?));
    let found = db.query_row(sql, [sweep.as_str()], read).optional().map_err(reading::failed)?;
    let read = |(trial, max): (Option<String>, i64)| Some((serde_json::from_str(&trial?).ok()?, u64::try_from(max).ok()?));
    Ok(found.and_then(read))
}

fn unit(db: &Connection, sweep: &SweepId) -> Result<String, Failure> {
    let unit = db.query_row("SELECT unit FROM sweeps WHERE sweep = ?1", [sweep.as_str()], |row| row.get::<_, Option<String>>(0));
    Ok(unit.map_err(reading::failed)?.unwrap_or_default())
}

fn again((settings, max_resource): &(TrialSettings, u64), best: &Record) -> Option<Again> {
    let number = |name| if let Cell::Int(number) = best.get(name) { u64::try_from(number).ok() } else { None };
    let (Cell::Text(name), Cell::Json(params)) = (best.get("name"), best.get("params")) else { return None };
    let params = serde_json::from_value(params).ok()?;
    let training =
        Training { name: &name, params: &params, seed: number("seed")?, target: number("resource")?, max_resource: *max_resource };
    Again::of(settings, &training)
}

#[cfg(test)]
mod tests {
    use crate::failure::FailureKind;
    use crate::fixture::{Fixture, printed, ran};

    #[test]
    fn the_best_trial_is_told_with_what_one_needs_to_use_it() {
        insta::assert_snapshot!(printed!(best, Fixture::finished(), []));
    }

    #[test]
    fn several_are_a_table_and_only_those_at_the_highest_resource() {
        insta::assert_snapshot!(printed!(best, Fixture::finished(), ["-n", "100"]));
    }

    #[test]
    fn programs_get_the_argv_and_the_line() {
        let text = printed!(best, Fixture::finished(), ["--format", "jsonl"]);
        let best: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(best["command"][0], "./train");
        assert_eq!(best["command"].as_array().unwrap().len(), 7, "{text}");
        assert_eq!(best["checkpoint"], format!("/work/campaign/sweeps/digits-1/trials/{}/checkpoints/9.g{}", best["trial"], 1));
        assert!(best["again"].as_str().unwrap().starts_with("cd /home/ann/digits && BANDMASTER_MAX_RESOURCE=9 "), "{text}");
    }

    #[test]
    fn no_result_is_not_found() {
        assert_eq!(ran!(best, Fixture::running(0), []).unwrap_err().kind, FailureKind::NotFound);
    }
}
