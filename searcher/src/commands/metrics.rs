//! `bandmaster metrics`: what trials reported, along the attempts that their results descend from.

use std::io::Write;

use bandmaster_journal::Campaign;
use bandmaster_record::SweepId;
use rusqlite::Connection;

use crate::failure::{Exit, Failure, FailureKind};
use crate::output::{Cell, Column, Format, Kind, Listing, Shown};
use crate::reading::{self, TrialName};

/// Of what, and how to print them.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A trial (digits-1/42, or 42 of the newest sweep), an attempt of it (42.2), or a sweep [default: the newest sweep]
    #[arg(value_name = "TRIAL|SWEEP")]
    pub what: Option<String>,
    /// Only these metrics
    #[arg(long = "metric", value_name = "NAME", value_delimiter = ',')]
    pub metrics: Vec<String>,
    /// What all attempts reported, those too of which nothing came
    #[arg(long)]
    pub all: bool,
    /// How to print them.
    #[command(flatten)]
    pub format: Format,
}

/// What is asked for.
struct Asked {
    sweep: SweepId,
    trial: Option<u32>,
    attempt: Option<u32>,
}

/// Prints them.
///
/// # Errors
/// There is no such trial, sweep, metric or column; the ledger cannot be read; the output cannot be written.
pub fn run(args: &Args, campaign: &Campaign, out: &mut dyn Write) -> Result<Exit, Failure> {
    let reader = reading::open(campaign)?;
    let db = reader.connection();
    let asked = asked(args, campaign, db)?;
    unknown_metric(db, &asked, &args.metrics)?;
    // An attempt that is asked for by its number is shown, whatever came of it.
    let all = args.all || asked.attempt.is_some();
    let (from, order) = if all { ("metrics", "trial, metric, attempt, resource, seq") } else { ("curves", "trial, metric, resource") };
    let sql = format!(
        "SELECT sweep || '/' || trial, sweep, trial, attempt, metric, resource, coalesce(non_finite, value), reported_at FROM {from}
        WHERE sweep = ?1 AND (?2 IS NULL OR trial = ?2) AND (?3 IS NULL OR attempt = ?3)
            AND (?4 IS NULL OR metric IN (SELECT value FROM json_each(?4)))
        ORDER BY {order}"
    );
    let columns = vec![
        Column::new("name", Kind::Text),
        Column::new("sweep", Kind::Text).shown(Shown::PROGRAMS),
        Column::new("trial", Kind::Integer).shown(Shown::PROGRAMS),
        Column::new("attempt", Kind::Integer),
        Column::new("metric", Kind::Text),
        Column::new("resource", Kind::Integer),
        Column::new("value", Kind::Number),
        Column::new("reported_at", Kind::Time),
    ];
    let metrics = (!args.metrics.is_empty()).then(|| serde_json::Value::from(args.metrics.clone()).to_string());
    let mut listing = Listing::begin("metrics", columns.clone(), &args.format, out)?;
    reading::each(db, &sql, (asked.sweep.as_str(), asked.trial, asked.attempt, metrics), &columns, |row| listing.row(&row))?;
    listing.end()?;
    Ok(Exit::Ok)
}

fn asked(args: &Args, campaign: &Campaign, db: &Connection) -> Result<Asked, Failure> {
    let what = args.what.as_deref();
    match what.map(str::parse::<TrialName>) {
        Some(Ok(name)) => {
            let sweep = reading::trial(campaign, db, &name)?;
            Ok(Asked { sweep, trial: Some(name.trial.0), attempt: name.attempt.map(|attempt| attempt.0) })
        }
        Some(Err(error)) if what.is_some_and(|what| what.contains('/')) => {
            Err(Failure::say(FailureKind::Usage, format!("`{}` is no trial", what.unwrap_or_default()), error))
        }
        _ => Ok(Asked { sweep: reading::sweep(campaign, db, what)?, trial: None, attempt: None }),
    }
}

/// Refuses a metric that the sweep never reported.
fn unknown_metric(db: &Connection, asked: &Asked, wanted: &[String]) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Ok(());
    }
    let sql = "SELECT DISTINCT metric FROM metrics WHERE sweep = ?1 AND (?2 IS NULL OR trial = ?2) ORDER BY metric";
    let rows = reading::all(db, sql, (asked.sweep.as_str(), asked.trial), &[Column::new("metric", Kind::Text)])?;
    let known: Vec<String> = rows.iter().flatten().map(|cell| cell.plain().into_owned()).collect();
    let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) else { return Ok(()) };
    let help = if known.is_empty() { "nothing was reported yet".to_owned() } else { format!("reported are {}", known.join(", ")) };
    let of = asked.trial.map_or_else(|| asked.sweep.to_string(), |trial| format!("{}/{trial}", asked.sweep));
    let unknown = Cell::from(unknown.as_str()).readable();
    Err(Failure::say(FailureKind::NotFound, format!("{of} has reported no metric `{unknown}`"), help))
}

#[cfg(test)]
mod tests {
    use crate::failure::FailureKind;
    use crate::fixture::{Fixture, printed, ran};

    #[test]
    fn a_curve_leaves_out_what_was_trained_again() {
        insta::assert_snapshot!(printed!(metrics, Fixture::finished(), ["digits-1/14", "--metric", "val_loss"]));
    }

    #[test]
    fn all_attempts_and_one_attempt_can_be_asked_for() {
        let finished = Fixture::finished();
        let of = |arguments: &[&str]| {
            let arguments = [arguments, &["-Ph", "-o", "attempt,resource", "--metric=val_loss"]].concat();
            printed!(metrics, finished, arguments).replace('\n', " ")
        };
        assert_eq!(of(&["14"]), "1|1 1|2 1|3 1|4 2|5 2|6 2|7 2|8 2|9 ");
        assert_eq!(of(&["14", "--all"]), "1|1 1|2 1|3 1|4 1|5 2|5 2|6 2|7 2|8 2|9 ");
        assert_eq!(of(&["14.1"]), "1|1 1|2 1|3 1|4 1|5 ");
    }

    #[test]
    fn a_whole_sweep_is_as_many_rows_as_were_reported() {
        let json: serde_json::Value = serde_json::from_str(&printed!(metrics, Fixture::finished(), ["digits", "--format=json"])).unwrap();
        let rows = json["metrics"].as_array().unwrap();
        assert!(rows.iter().any(|row| row["value"] == "NaN" && row["trial"] == 6));
        assert_eq!(rows.iter().filter(|row| row["trial"] == 14).count(), 18);
    }

    #[test]
    fn what_is_not_there_is_not_found_and_what_is_no_name_is_a_wrong_command_line() {
        let finished = Fixture::finished();
        let kind = |argument: &[&str]| ran!(metrics, finished, argument).unwrap_err().kind;
        assert_eq!(kind(&["99"]), FailureKind::NotFound);
        assert_eq!(kind(&["14.9"]), FailureKind::NotFound);
        assert_eq!(kind(&["numbers"]), FailureKind::NotFound);
        assert_eq!(kind(&["14", "--metric", "loss"]), FailureKind::NotFound);
        assert_eq!(kind(&["digits-1/x"]), FailureKind::Usage);
    }
}
