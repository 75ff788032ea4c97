//! `bandmaster show`: everything that is known of one trial, or of one attempt of it.

use std::io::Write;

use bandmaster_journal::Campaign;
use bandmaster_record::{AttemptNo, AttemptRef, Grant, RungNo, SlotId, SweepId, TrialId};
use rusqlite::Connection;

use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Details, Kind, PageFormat, PageLayout, Record, write_json};
use crate::reading::{self, TrialName};

mod page;

/// Which trial, and how to print it.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The trial: digits-1/42, or 42 of the newest sweep; one attempt of it is 42.2
    #[arg(value_name = "TRIAL")]
    pub trial: TrialName,
    /// The environment of each attempt too, with what looks like a secret masked
    #[arg(long)]
    pub environment: bool,
    /// How to print it.
    #[command(flatten)]
    pub format: PageFormat,
}

const fn column(name: &'static str, kind: Kind) -> (&'static str, Kind) {
    (name, kind)
}

fn columns(columns: &[(&'static str, Kind)]) -> Vec<Column> {
    columns.iter().map(|(name, kind)| Column::new(*name, *kind)).collect()
}

const TRIAL: &[(&str, Kind)] = &[
    column("name", Kind::Text),
    column("sweep", Kind::Text),
    column("trial", Kind::Integer),
    column("state", Kind::Text),
    column("bracket", Kind::Integer),
    column("repetition", Kind::Integer),
    column("anchors", Kind::Flag),
    column("rung", Kind::Integer),
    column("resource", Kind::Integer),
    column("unit", Kind::Text),
    column("metric", Kind::Text),
    column("value", Kind::Number),
    column("place", Kind::Integer),
    column("params", Kind::Json),
    column("seed", Kind::Integer),
    column("created_at", Kind::Time),
];
const TRIAL_SQL: &str =
    "SELECT trials.name, trials.sweep, trials.trial, trials.state, rungs.s, rungs.repetition, rungs.anchors, trials.rung,
        trials.resource, sweeps.unit, sweeps.metric, coalesce(trials.non_finite, trials.value),
        (SELECT place FROM best WHERE best.sweep = ?1 AND best.trial = ?2), trials.params, trials.seed, trials.created_at
    FROM trials JOIN sweeps USING (sweep)
    LEFT JOIN rungs ON rungs.sweep = trials.sweep AND rungs.bracket = trials.bracket AND rungs.rung = 0
    WHERE trials.sweep = ?1 AND trials.trial = ?2";

const SEGMENT: &[(&str, Kind)] = &[
    column("rung", Kind::Integer),
    column("from_resource", Kind::Integer),
    column("target_resource", Kind::Integer),
    column("state", Kind::Text),
    column("value", Kind::Number),
    column("place", Kind::Integer),
    column("promoted", Kind::Flag),
    column("attempt", Kind::Integer),
    column("grant", Kind::Integer),
    column("cause", Kind::Text),
    column("why", Kind::Text),
    column("first_granted_at", Kind::Time),
    column("settled_at", Kind::Time),
];
const SEGMENT_SQL: &str = "SELECT rung, from_resource, target_resource, state, coalesce(non_finite, value), place, promoted, attempt,
        grant_number, cause, why, first_granted_at, settled_at
    FROM segments WHERE sweep = ?1 AND trial = ?2 ORDER BY rung";

const ATTEMPT: &[(&str, Kind)] = &[
    column("name", Kind::Text),
    column("attempt", Kind::Integer),
    column("rung", Kind::Integer),
    column("grant", Kind::Integer),
    column("state", Kind::Text),
    column("accepted", Kind::Flag),
    column("cause", Kind::Text),
    column("detail", Kind::Text),
    column("exit_code", Kind::Integer),
    column("signal", Kind::Integer),
    column("value", Kind::Number),
    column("target_resource", Kind::Integer),
    column("resumed_from_resource", Kind::Integer),
    column("resumed_checkpoint", Kind::Text),
    column("checkpointed_resource", Kind::Integer),
    column("slot", Kind::Text),
    column("host", Kind::Text),
    column("granted_at", Kind::Time),
    column("started_at", Kind::Time),
    column("ended_at", Kind::Time),
    column("seconds", Kind::Duration),
    column("cpu_seconds", Kind::Duration),
    column("peak_memory_bytes", Kind::Bytes),
    column("command", Kind::Json),
    column("directory", Kind::Text),
    column("params", Kind::Json),
    column("seed", Kind::Integer),
    // Read, and shown in another place.
    column("surroundings", Kind::Integer),
    column("journal", Kind::Integer),
];
const ATTEMPT_SQL: &str = "SELECT name, attempt, rung, grant_number, state, accepted, cause, detail, exit_code, signal,
        coalesce(non_finite, value), target_resource, resumed_from_resource, resumed_checkpoint, checkpointed_resource, slot, host, granted_at,
        started_at, ended_at, seconds, cpu_seconds, peak_memory_bytes, command, directory, params, seed, surroundings, journal
    FROM attempts WHERE sweep = ?1 AND trial = ?2 AND (?3 IS NULL OR attempt = ?3) ORDER BY attempt, rung, grant_number";

const NOTE: &[(&str, Kind)] = &[column("noted_at", Kind::Time), column("kind", Kind::Text), column("note", Kind::Text)];
const NOTE_SQL: &str =
    "SELECT noted_at, kind, note FROM notes WHERE sweep = ?1 AND trial = ?2 AND attempt = ?3 AND slot = ?4 ORDER BY journal, seq, part";

const CHECKPOINT: &[(&str, Kind)] = &[
    column("resource", Kind::Integer),
    column("attempt", Kind::Integer),
    column("directory", Kind::Text),
    column("files", Kind::Integer),
    column("bytes", Kind::Bytes),
    column("manifest_blake3", Kind::Text),
    column("publish_seconds", Kind::Duration),
    column("published_at", Kind::Time),
];
const CHECKPOINT_SQL: &str = "SELECT resource, attempt, directory, files, bytes, manifest_blake3, publish_seconds, published_at
    FROM checkpoints WHERE sweep = ?1 AND trial = ?2 AND (?3 IS NULL OR attempt = ?3) ORDER BY resource, attempt";

const SURROUNDINGS: &[(&str, Kind)] = &[
    column("git_commit", Kind::Text),
    column("git_dirty", Kind::Flag),
    column("cpu", Kind::Text),
    column("cores", Kind::Integer),
    column("gpus", Kind::Json),
    column("memory_bytes", Kind::Bytes),
    column("versions", Kind::Json),
    column("environment", Kind::Json),
];
const SURROUNDINGS_SQL: &str =
    "SELECT git_commit, git_dirty, cpu, cores, gpus, memory_bytes, versions, environment FROM surroundings WHERE surroundings = ?1";

/// Prints it.
///
/// # Errors
/// There is no such trial or attempt; the ledger cannot be read; the output cannot be written.
pub fn run(args: &Args, campaign: &Campaign, out: &mut dyn Write) -> Result<Exit, Failure> {
    let reader = reading::open(campaign)?;
    let sweep = reading::trial(campaign, reader.connection(), &args.trial)?;
    let asked = Asked {
        campaign,
        db: reader.connection(),
        sweep,
        trial: args.trial.trial,
        attempt: args.trial.attempt,
        environment: args.environment,
    };
    let trial = asked.trial()?;
    match args.format.format {
        PageLayout::Json => write_json("trial", &trial, out)?,
        PageLayout::Table => {
            let page: Details = if args.trial.attempt.is_some() { page::attempt(&trial) } else { page::trial(&trial) };
            page.write(args.format.screen, true, out)?;
        }
    }
    Ok(Exit::Ok)
}

struct Asked<'a> {
    campaign: &'a Campaign,
    db: &'a Connection,
    sweep: SweepId,
    trial: TrialId,
    attempt: Option<AttemptNo>,
    environment: bool,
}

impl Asked<'_> {
    fn records(&self, sql: &str, names: &[(&'static str, Kind)], params: impl rusqlite::Params) -> Result<Vec<Record>, Failure> {
        let columns = columns(names);
        Ok(reading::all(self.db, sql, params, &columns)?.into_iter().map(|row| Record::of(&columns, row)).collect())
    }

    fn trial(&self) -> Result<Record, Failure> {
        let (sweep, trial, attempt) = (self.sweep.as_str(), self.trial.0, self.attempt.map(|attempt| attempt.0));
        let mut record = self.records(TRIAL_SQL, TRIAL, (sweep, trial))?.pop().unwrap_or_default();
        record.set_list("segments", self.records(SEGMENT_SQL, SEGMENT, (sweep, trial))?);
        let attempts = self.records(ATTEMPT_SQL, ATTEMPT, (sweep, trial, attempt))?;
        record.set_list("attempts", attempts.into_iter().map(|attempt| self.attempt(attempt)).collect::<Result<_, _>>()?);
        let mut checkpoints = self.records(CHECKPOINT_SQL, CHECKPOINT, (sweep, trial, attempt))?;
        checkpoints.iter_mut().for_each(|checkpoint| self.absolute(checkpoint, "directory"));
        record.set_list("checkpoints", checkpoints);
        Ok(record)
    }

    fn attempt(&self, mut attempt: Record) -> Result<Record, Failure> {
        self.absolute(&mut attempt, "resumed_checkpoint");
        attempt.set("log", self.log(&attempt).map(|log| log.display().to_string()));
        let (surroundings, _) = (attempt.take("surroundings"), attempt.take("journal"));
        let surroundings = match surroundings {
            Cell::Int(number) => self.records(SURROUNDINGS_SQL, SURROUNDINGS, [number])?.pop(),
            _ => None,
        };
        let surroundings = surroundings.map(|mut known| {
            if !self.environment {
                known.take("environment");
            }
            known
        });
        attempt.set_record("surroundings", surroundings);
        let notes = match (attempt.get("attempt"), attempt.get("slot")) {
            (Cell::Int(number), Cell::Text(slot)) => self.records(NOTE_SQL, NOTE, (self.sweep.as_str(), self.trial.0, number, slot))?,
            _ => Vec::new(),
        };
        attempt.set_list("notes", notes);
        Ok(attempt)
    }

    /// Paths lie below the campaign in the ledger; people want to open them.
    fn absolute(&self, record: &mut Record, name: &str) {
        if let Cell::Text(below) = record.get(name) {
            record.put(name, self.campaign.root().join(below).display().to_string());
        }
    }

    fn log(&self, attempt: &Record) -> Option<std::path::PathBuf> {
        let number = |name| if let Cell::Int(number) = attempt.get(name) { u32::try_from(number).ok() } else { None };
        let Cell::Text(slot) = attempt.get("slot") else { return None };
        let named = AttemptRef {
            trial: self.trial,
            rung: RungNo(number("rung")?),
            grant: Grant(number("grant")?),
            attempt: AttemptNo(number("attempt")?),
        };
        Some(self.campaign.sweep(&self.sweep).log(&SlotId::new(slot).ok()?, &named))
    }
}

#[cfg(test)]
mod tests {
    use crate::failure::FailureKind;
    use crate::fixture::{Fixture, printed, ran};

    #[test]
    fn a_trial_that_was_promoted_is_told_rung_by_rung() {
        insta::assert_snapshot!(printed!(show, Fixture::finished(), ["1"]));
    }

    #[test]
    fn a_resumed_trial_says_from_where_and_what_was_passed_over() {
        insta::assert_snapshot!(printed!(show, Fixture::finished(), ["digits-1/14"]));
    }

    #[test]
    fn a_failed_trial_says_why() {
        let text = printed!(show, Fixture::finished(), ["digits/4"]);
        for said in [
            "wrong_exit",
            "exited with 1; its last line was: out of ideas",
            "line 3 of the report file is no JSON",
            "the last of 2 attempts",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }

    #[test]
    fn one_attempt_is_shown_with_all_that_surrounded_it() {
        insta::assert_snapshot!(printed!(show, Fixture::finished(), ["14.2", "--environment"]));
    }

    #[test]
    fn a_running_trial_shows_what_nobody_has_observed() {
        let json: serde_json::Value =
            serde_json::from_str(&printed!(show, Fixture::running(14).publish(), ["14.1", "--format", "json"])).unwrap();
        assert_eq!(json["trial"]["attempts"][0]["state"], "offered");
        let json: serde_json::Value =
            serde_json::from_str(&printed!(show, Fixture::running(12).publish(), ["5", "--format", "json"])).unwrap();
        assert_eq!(json["trial"]["attempts"][1]["state"], "running");
    }

    #[test]
    fn json_has_everything_and_the_environment_on_request() {
        let finished = Fixture::finished();
        let json = |arguments: &[&str]| -> serde_json::Value { serde_json::from_str(&printed!(show, finished, arguments)).unwrap() };
        let trial = &json(&["14", "--format", "json"])["trial"];
        assert_eq!(trial["segments"].as_array().unwrap().len(), 1);
        let attempt = &trial["attempts"][1];
        assert_eq!(attempt["resumed_from_resource"], 4);
        assert_eq!(attempt["surroundings"]["git_dirty"], true);
        assert!(attempt["surroundings"].get("environment").is_none());
        assert_eq!(attempt["notes"][0]["kind"], "passed_over");
        assert!(attempt["log"].as_str().unwrap().starts_with("/work/campaign/sweeps/digits-1/slots/100_"));
        assert!(attempt["resumed_checkpoint"].as_str().unwrap().starts_with("/work/campaign/"));
        let with = json(&["14", "--format=json", "--environment"]);
        assert_eq!(with["trial"]["attempts"][0]["surroundings"]["environment"]["API_TOKEN"], "(masked)");
    }

    #[test]
    fn a_trial_that_there_is_not_is_not_found() {
        let finished = Fixture::finished();
        let told = |argument: &str| {
            let failure = ran!(show, finished, [argument]).unwrap_err();
            assert_eq!(failure.kind, FailureKind::NotFound);
            format!("{} / {}", failure.report, failure.report.help().unwrap())
        };
        assert_eq!(told("17"), "digits-1 has no trial 17 / its trials are 0 to 16: `bandmaster trials digits-1` lists them");
        assert_eq!(told("14.3"), "digits-1/14 has no attempt 3 / its attempts are 1 to 2: `bandmaster show digits-1/14` shows them");
        assert!(told("digit-7/1").contains("digits-1"));
    }
}
