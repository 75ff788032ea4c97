//! `bandmaster run`: a sweep from its file to its end, here, with somebody looking on.
//!
//! It attaches to an unfinished sweep of the same file, else starts a new one, and says which. Ctrl-C stops what runs
//! at a checkpoint; the same command goes on from there.

use std::io::Write;
use std::path::Path;

use bandmaster_journal::{Campaign, names};
use bandmaster_ledger::Reader;
use bandmaster_record::{Phase, SweepId};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::submit::{Args, prepare, start};
use crate::drive::Driver;
use crate::ending::{End, Looks};
use crate::failure::{Exit, Failure};
use crate::live::Live;
use crate::progress::Progress;
use crate::submit::Prepared;
use crate::{open, select};

/// Runs to the end.
pub async fn run(args: &Args, directory: &Path, talk: &mut dyn Write) -> Result<Exit, Failure> {
    let campaign = open::or_new(directory)?;
    let prepared = prepare(args, &campaign)?;
    let (sweep, how) = match unfinished(&campaign, &prepared)? {
        Some(sweep) => (sweep, "goes on"),
        None => (start(args, &campaign, &prepared)?, "begins"),
    };
    writeln!(talk, "{sweep} {how} in {}", campaign.root().display()).map_err(Failure::output)?;
    let mut driver = Driver::new(open::searcher(campaign.clone())?);
    let interrupted = to_the_end(&mut driver, &campaign, &sweep, talk).await?;
    let end = End::of(&campaign, &sweep)?;
    writeln!(talk, "{}", end.sentence(&sweep, interrupted)).map_err(Failure::output)?;
    Ok(end.exit())
}

/// The newest sweep of these very bytes that is not over.
fn unfinished(campaign: &Campaign, prepared: &Prepared) -> Result<Option<SweepId>, Failure> {
    let mut same = Vec::new();
    for sweep in names::<SweepId>(&campaign.sweeps(), "")? {
        if let Some(submission) = select::submission(campaign, &sweep)
            && submission.hash == prepared.hash
            && Path::new(&submission.directory) == prepared.directory()
        {
            same.push(sweep);
        }
    }
    if same.is_empty() {
        return Ok(None);
    }
    let reader = Reader::open(campaign)?;
    same.sort_by_key(SweepId::number);
    let is_over = |sweep: &SweepId| {
        let phase: rusqlite::Result<String> =
            reader.connection().query_row("SELECT phase FROM sweeps WHERE sweep = ?1", [sweep.as_str()], |row| row.get(0));
        phase.is_ok_and(|phase| [Phase::Finished, Phase::Cancelled].iter().any(|over| over.as_str() == phase))
    };
    Ok(same.into_iter().rev().find(|sweep| !is_over(sweep)))
}

/// Ticks until the sweep is over and nothing of it is out. Says whether somebody interrupted it.
async fn to_the_end(driver: &mut Driver, campaign: &Campaign, sweep: &SweepId, talk: &mut dyn Write) -> Result<bool, Failure> {
    let listen = |kind| signal(kind).map_err(Failure::bug);
    let mut stops: [Signal; 2] = [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?];
    let mut progress = Progress::new();
    let mut interrupted = false;
    let mut seen = false;
    let mut looks = Looks::default();
    loop {
        let [int, term] = &mut stops;
        let stop = tokio::select! {
            round = driver.round() => { round?; false }
            _ = int.recv() => true,
            _ = term.recv() => true,
        };
        if stop && interrupted {
            progress.clear();
            writeln!(talk, "left; slots still stop at their checkpoints").map_err(Failure::output)?;
            return Ok(true);
        }
        if stop {
            interrupted = true;
            driver.searcher().drain(sweep);
            progress.say("stopping at a checkpoint; once more to leave at once");
        }
        match driver.searcher().sweeps().and_then(|sweeps| sweeps.get(sweep)) {
            Some(Live { state, .. }) => {
                seen = true;
                progress.show(state);
                let out = !state.slots.is_empty() || (!interrupted && state.arrays.values().any(|array| array.job.is_none()));
                if (interrupted || state.phase == Phase::Paused) && !out {
                    progress.clear();
                    return Ok(interrupted);
                }
            }
            // It was there and is at rest; or another process ticks, and the ledger tells.
            None if seen || looks.is_over(campaign, sweep)? => {
                progress.clear();
                return Ok(interrupted);
            }
            None => {}
        }
    }
}
