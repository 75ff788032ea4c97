//! `bandmaster trials`: one row a trial, the best first.

use std::io::Write;

use bandmaster_journal::Campaign;
use bandmaster_record::SweepId;
use clap::ValueEnum;
use rusqlite::Connection;

use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Format, Kind, Listing, Shown};
use crate::reading::{self, ParamColumns};

/// Which trials, and how to print them.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The sweep: digits-1, or digits for the newest of that name [default: the newest]
    pub sweep: Option<String>,
    /// Only trials in these states
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STATES")]
    pub state: Vec<State>,
    /// Only so many, the best
    #[arg(long, value_name = "N")]
    pub top: Option<u32>,
    /// How to print them.
    #[command(flatten)]
    pub format: Format,
}

/// What a trial is doing, as in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// For a slot, or for the other trials of its rung
    Waiting,
    /// In a slot
    Running,
    /// Goes on to the next rung, and waits for a slot
    Promoted,
    /// Others of its rung were better
    Stopped,
    /// As far as its bracket goes
    Finished,
    /// For good: its segment used up its retries
    Failed,
}

/// Places follow the promotions' order; trials without a result come last. The states are words of ours.
const SQL: &str = "SELECT trials.name, trials.sweep, trials.trial, trials.state, rungs.s, rungs.repetition, rungs.anchors, trials.bracket,
        trials.rung, trials.resource, coalesce(trials.non_finite, trials.value), segments.cause,
        (SELECT count(*) FROM attempts WHERE attempts.sweep = trials.sweep AND attempts.trial = trials.trial AND attempts.started_at IS NOT NULL),
        trials.seed, trials.created_at, trials.params
    FROM trials
    LEFT JOIN rungs ON rungs.sweep = trials.sweep AND rungs.bracket = trials.bracket AND rungs.rung = 0
    LEFT JOIN segments ON segments.sweep = trials.sweep AND segments.trial = trials.trial AND segments.state = 'failed'
    LEFT JOIN (SELECT trial, place FROM best WHERE sweep = ?1) AS best ON best.trial = trials.trial
    WHERE trials.sweep = ?1 AND (?2 = '' OR instr(?2, ',' || trials.state || ',') > 0)
    ORDER BY trials.state = 'failed', best.place IS NULL, best.place, trials.trial
    LIMIT ?3";

/// Prints them.
///
/// # Errors
/// There is no such sweep or column; the ledger cannot be read; the output cannot be written.
pub fn run(args: &Args, campaign: &Campaign, out: &mut dyn Write) -> Result<Exit, Failure> {
    let reader = reading::open(campaign)?;
    let db = reader.connection();
    let sweep = reading::sweep(campaign, db, args.sweep.as_deref())?;
    let params = ParamColumns::of(db, &sweep)?;
    let Shape { repeated, anchored, failed } = shape(db, &sweep)?;
    let where_needed = |needed| if needed { Shown::EVERYWHERE } else { Shown::PROGRAMS };
    let columns = vec![
        Column::new("name", Kind::Text),
        Column::new("sweep", Kind::Text).shown(Shown::PROGRAMS),
        Column::new("trial", Kind::Integer).shown(Shown::PROGRAMS),
        Column::new("state", Kind::Text),
        Column::new("bracket", Kind::Integer),
        Column::new("repetition", Kind::Integer).shown(where_needed(repeated)),
        Column::new("anchors", Kind::Flag).shown(where_needed(anchored)),
        Column::new("bracket_index", Kind::Integer).shown(Shown::PROGRAMS),
        Column::new("rung", Kind::Integer),
        Column::new("resource", Kind::Integer),
        Column::new("value", Kind::Number),
        Column::new("cause", Kind::Text).shown(where_needed(failed)),
        Column::new("attempts", Kind::Integer).shown(Shown::PROGRAMS),
        Column::new("seed", Kind::Integer).shown(Shown::PROGRAMS),
        Column::new("created_at", Kind::Time).shown(Shown::PROGRAMS),
    ];
    let read = [columns.clone(), vec![Column::new("params", Kind::Json)]].concat();
    let shown = [columns, params.columns()].concat();
    let states: String =
        args.state.iter().filter_map(|state| state.to_possible_value()).map(|state| format!(",{}", state.get_name())).collect();
    let states = if states.is_empty() { states } else { states + "," };
    let limit = args.top.map_or(-1, i64::from);

    let mut listing = Listing::begin("trials", shown, &args.format, out)?;
    reading::each(db, SQL, (sweep.as_str(), states, limit), &read, |mut row| {
        let configuration = row.pop().unwrap_or(Cell::Empty);
        row.extend(params.cells(configuration));
        listing.row(&row)
    })?;
    listing.end()?;
    Ok(Exit::Ok)
}

/// What a sweep has that not every sweep has: people see the columns for it only where it is.
pub(super) struct Shape {
    /// Its brackets are opened several times.
    pub(super) repeated: bool,
    /// It has anchors.
    pub(super) anchored: bool,
    /// Trials failed.
    pub(super) failed: bool,
}

/// The sweep's.
pub(super) fn shape(db: &Connection, sweep: &SweepId) -> Result<Shape, Failure> {
    let sql = "SELECT coalesce(max(repetition), 0) > 0, coalesce(max(anchors), 0) > 0,
            EXISTS (SELECT 1 FROM trials WHERE trials.sweep = ?1 AND state = 'failed')
        FROM rungs WHERE sweep = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok(Shape { repeated: row.get(0)?, anchored: row.get(1)?, failed: row.get(2)? });
    db.query_row(sql, [sweep.as_str()], read).map_err(reading::failed)
}

#[cfg(test)]
mod tests {
    use crate::failure::FailureKind;
    use crate::fixture::{Fixture, printed, ran, try_parse};

    #[test]
    fn the_best_come_first_and_the_failed_last() {
        insta::assert_snapshot!(printed!(trials, Fixture::finished(), []));
    }

    #[test]
    fn a_running_sweep_is_shown_up_to_what_nobody_has_observed() {
        let running = Fixture::running(12).publish();
        let text = printed!(trials, running, ["digits", "--state", "running,promoted", "-Ph", "-o", "name,state,rung"]);
        assert_eq!(text, "digits-1/5|running|1\ndigits-1/7|promoted|1\n");
    }

    #[test]
    fn programs_get_a_column_for_each_parameter() {
        let finished = Fixture::finished();
        insta::assert_snapshot!(printed!(trials, finished, ["digits-1", "--format", "csv", "--top", "3"]));
        let json: serde_json::Value = serde_json::from_str(&printed!(trials, finished, ["--format", "json"])).unwrap();
        let trials = json["trials"].as_array().unwrap();
        assert_eq!((json["schema_version"].as_i64(), trials.len()), (Some(1), 17));
        let nan = trials.iter().find(|trial| trial["trial"] == 6).unwrap();
        assert_eq!((&nan["value"], &nan["state"]), (&"NaN".into(), &"stopped".into()));
        assert!(nan["params"]["lr"].is_f64() && nan.get("p.lr").is_none());
        let failed = trials.last().unwrap();
        assert_eq!((&failed["trial"], &failed["cause"], &failed["attempts"]), (&4.into(), &"wrong_exit".into(), &2.into()));
    }

    #[test]
    fn the_published_ledger_and_the_journals_alone_give_the_same() {
        assert_eq!(printed!(trials, Fixture::finished(), ["-P"]), printed!(trials, Fixture::finished().publish(), ["-P"]));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let finished = Fixture::finished();
        let failure = ran!(trials, finished, ["digit-1"]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFound);
        assert!(failure.report.help().unwrap().to_string().contains("digits-1"));
        finished.submit("digits-2");
        let failure = ran!(trials, finished, []).unwrap_err();
        assert_eq!(
            (failure.kind, failure.report.to_string().as_str()),
            (FailureKind::NotFound, "digits-2 is submitted, and no tick has taken it in yet")
        );
        assert_eq!(ran!(trials, Fixture::empty(), []).unwrap_err().kind, FailureKind::NotFound);
    }

    #[test]
    fn a_state_that_there_is_not_is_a_wrong_command_line() {
        let error = try_parse::<super::Args>(&["--state", "runing"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("'running'"), "{error}");
    }
}
