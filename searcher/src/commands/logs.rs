//! `bandmaster logs`: what a trial printed, as it is or as it grows.

use std::io::Write;
use std::path::PathBuf;

use bandmaster_journal::Campaign;
use bandmaster_record::{AttemptNo, AttemptRef, Grant, RungNo, SlotId, SweepId, TrialId};
use rusqlite::Connection;

use crate::failure::{Exit, Failure, FailureKind};
use crate::reading::{self, TrialName};

mod file;
mod follow;

/// Whose, and how much of it.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The trial: digits-1/42, or 42 of the newest sweep, for its newest attempt; 42.2 for its second
    #[arg(value_name = "TRIAL")]
    pub trial: TrialName,
    /// All attempts, one after another
    #[arg(long)]
    pub all: bool,
    /// Go on printing, into the next attempts too, until the trial is over
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Only so many lines, the last, of each log
    #[arg(short = 'n', long, value_name = "LINES")]
    pub lines: Option<u64>,
}

/// The log of one attempt that was begun.
#[derive(Debug, Clone, PartialEq)]
struct Log {
    attempt: AttemptRef,
    slot: SlotId,
    host: Option<String>,
    path: PathBuf,
    /// Whether nothing more is written to it.
    over: bool,
}

/// Prints it.
///
/// # Errors
/// There is no such trial, or it has no log; the ledger or a log cannot be read; the output cannot be written.
pub fn run(args: &Args, campaign: &Campaign, out: &mut dyn Write) -> Result<Exit, Failure> {
    let reader = reading::open(campaign)?;
    let sweep = reading::trial(campaign, reader.connection(), &args.trial)?;
    let asked = Asked { campaign, sweep, trial: args.trial.trial, attempt: args.trial.attempt };
    let logs = asked.begun(reader.connection())?;
    let shown = if args.all { logs.as_slice() } else { logs.get(logs.len().saturating_sub(1)..).unwrap_or_default() };
    if shown.is_empty() && !args.follow {
        return Err(Failure::say(
            FailureKind::NotFound,
            format!("{} was not begun, so that it has no log", asked.name()),
            format!("`bandmaster show {}/{}` says what it waits for; with -f its log is shown when there is one", asked.sweep, asked.trial),
        ));
    }
    let mut follow = follow::Follow::new(&asked, out);
    for log in shown {
        if args.all {
            follow.heading(log)?;
        }
        follow.print(log, args.lines)?;
    }
    if args.follow {
        drop(reader);
        follow.until_over()?;
    }
    Ok(Exit::Ok)
}

/// What is asked for.
struct Asked<'a> {
    campaign: &'a Campaign,
    sweep: SweepId,
    trial: TrialId,
    attempt: Option<AttemptNo>,
}

impl Asked<'_> {
    fn name(&self) -> String {
        let attempt = self.attempt.map(|attempt| format!(".{attempt}")).unwrap_or_default();
        format!("{}/{}{attempt}", self.sweep, self.trial)
    }

    /// The attempts that a slot began, in their order.
    fn begun(&self, db: &Connection) -> Result<Vec<Log>, Failure> {
        let sql = "SELECT attempt, rung, grant_number, slot, host, state = 'ended' OR ended_at IS NOT NULL FROM attempts
            WHERE sweep = ?1 AND trial = ?2 AND (?3 IS NULL OR attempt = ?3) AND slot IS NOT NULL ORDER BY attempt, rung, grant_number";
        let read = || -> rusqlite::Result<Vec<Log>> {
            let mut find = db.prepare_cached(sql)?;
            let rows = find.query_map((self.sweep.as_str(), self.trial.0, self.attempt.map(|attempt| attempt.0)), |row| {
                let attempt =
                    AttemptRef { trial: self.trial, rung: RungNo(row.get(1)?), grant: Grant(row.get(2)?), attempt: AttemptNo(row.get(0)?) };
                Ok((attempt, row.get::<_, String>(3)?, row.get(4)?, row.get(5)?))
            })?;
            let log = |(attempt, slot, host, over)| {
                let slot = SlotId::new(slot).ok()?;
                let path = self.campaign.sweep(&self.sweep).log(&slot, &attempt);
                Some(Log { attempt, slot, host, path, over })
            };
            rows.filter_map(|row| row.map(log).transpose()).collect()
        };
        read().map_err(reading::failed)
    }

    /// Whether no further attempt can come.
    fn is_over(&self, db: &Connection) -> Result<bool, Failure> {
        let sql = "SELECT trials.state IN ('finished', 'stopped', 'failed') OR sweeps.phase IN ('cancelled', 'finished')
            FROM trials JOIN sweeps USING (sweep) WHERE sweep = ?1 AND trial = ?2";
        db.query_row(sql, (self.sweep.as_str(), self.trial.0), |row| row.get(0)).map_err(reading::failed)
    }
}

#[cfg(test)]
mod tests;
