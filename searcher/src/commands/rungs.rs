//! `bandmaster rungs`: how far each rung of each bracket is.

use std::io::Write;

use bandmaster_journal::Campaign;

use super::trials::{Shape, shape};
use crate::failure::{Exit, Failure};
use crate::output::{Column, Format, Kind, Listing, Shown};
use crate::reading;

/// Of which sweep, and how to print them.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The sweep: digits-1, or digits for the newest of that name [default: the newest]
    pub sweep: Option<String>,
    /// How to print them.
    #[command(flatten)]
    pub format: Format,
}

const SQL: &str =
    "SELECT rung_table.s, rung_table.repetition, rung_table.anchors, rung_table.bracket, rung_table.rung, rung_table.resource,
        rung_table.planned, rung_table.finished, rung_table.failed, rung_table.promoted, rung_table.running,
        count(CASE WHEN segments.state IN ('offered', 'waiting') THEN 1 END),
        CASE sweeps.goal WHEN 'maximize' THEN max(segments.value) ELSE min(segments.value) END,
        rung_table.decided_at
    FROM rung_table JOIN sweeps USING (sweep)
    LEFT JOIN segments ON segments.sweep = rung_table.sweep AND segments.bracket = rung_table.bracket AND segments.rung = rung_table.rung
    WHERE rung_table.sweep = ?1
    GROUP BY rung_table.bracket, rung_table.rung
    ORDER BY rung_table.bracket, rung_table.rung";

/// Prints them, the deepest bracket first.
///
/// # Errors
/// There is no such sweep or column; the ledger cannot be read; the output cannot be written.
pub fn run(args: &Args, campaign: &Campaign, out: &mut dyn Write) -> Result<Exit, Failure> {
    let reader = reading::open(campaign)?;
    let db = reader.connection();
    let sweep = reading::sweep(campaign, db, args.sweep.as_deref())?;
    let Shape { repeated, anchored, .. } = shape(db, &sweep)?;
    let where_needed = |needed| if needed { Shown::EVERYWHERE } else { Shown::PROGRAMS };
    let columns = vec![
        Column::new("bracket", Kind::Integer),
        Column::new("repetition", Kind::Integer).shown(where_needed(repeated)),
        Column::new("anchors", Kind::Flag).shown(where_needed(anchored)),
        Column::new("bracket_index", Kind::Integer).shown(Shown::PROGRAMS),
        Column::new("rung", Kind::Integer),
        Column::new("resource", Kind::Integer),
        Column::new("planned", Kind::Integer),
        Column::new("finished", Kind::Integer),
        Column::new("failed", Kind::Integer),
        Column::new("promoted", Kind::Integer),
        Column::new("running", Kind::Integer),
        Column::new("waiting", Kind::Integer),
        Column::new("best", Kind::Number),
        Column::new("decided_at", Kind::Time).shown(Shown::PROGRAMS),
    ];
    let besides = [("sweep", sweep.as_str().into())];
    let mut listing = Listing::begin_with("rungs", &besides, columns.clone(), &args.format, out)?;
    reading::each(db, SQL, [sweep.as_str()], &columns, |row| listing.row(&row))?;
    listing.end()?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, printed};

    #[test]
    fn a_finished_sweep_has_what_was_planned() {
        insta::assert_snapshot!(printed!(rungs, Fixture::finished(), []));
    }

    #[test]
    fn a_running_sweep_shows_what_runs_and_waits() {
        insta::assert_snapshot!(printed!(
            rungs,
            Fixture::running(12),
            ["-o", "bracket,rung,planned,finished,failed,promoted,running,waiting"]
        ));
    }

    #[test]
    fn json_has_the_names_that_scripts_rely_on() {
        let json: serde_json::Value = serde_json::from_str(&printed!(rungs, Fixture::finished(), ["--format", "json"])).unwrap();
        assert_eq!((&json["schema_version"], &json["sweep"]), (&1.into(), &"digits-1".into()));
        let first = &json["rungs"][0];
        for (name, value) in [
            ("bracket", 2),
            ("repetition", 0),
            ("rung", 0),
            ("resource", 1),
            ("planned", 9),
            ("finished", 8),
            ("failed", 1),
            ("promoted", 3),
        ] {
            assert_eq!(first[name], value, "{name}");
        }
        assert_eq!(json["rungs"].as_array().unwrap().len(), 6);
    }
}
