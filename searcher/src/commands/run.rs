//! `bandmaster run`: a sweep from its file to its end, here, with somebody looking on.
//!
//! It attaches to an unfinished sweep of the same file, else starts a new one, and says which. On this machine Ctrl-C
//! stops what runs at a checkpoint, and the same command goes on from there; on Slurm it only leaves: the jobs go on.

use std::io::Write;
use std::path::Path;

use bandmaster_journal::{Campaign, names};
use bandmaster_ledger::Reader;
use bandmaster_record::{ClusterKind, Phase, SweepId};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::submit::{Args, place, prepare};
use crate::drive::Driver;
use crate::ending::{End, Looks};
use crate::failure::{Exit, Failure};
use crate::live::Live;
use crate::progress::Progress;
use crate::submit::{Prepared, submit};
use crate::{open, select};

/// Runs to the end.
pub async fn run(args: &Args, directory: &Path, talk: &mut dyn Write) -> Result<Exit, Failure> {
    let prepared = prepare(args, directory)?;
    let (campaign, sweep, how) = match unfinished(directory, &prepared)? {
        Some((campaign, sweep)) => (campaign, sweep, "goes on"),
        None => {
            let place = place(args, &prepared)?;
            let campaign = open::or_new(directory)?;
            let sweep = submit(&campaign, &prepared, place)?;
            (campaign, sweep, "begins")
        }
    };
    let cluster = select::submission(&campaign, &sweep).map_or(ClusterKind::Local, |submission| submission.cluster);
    let on = if cluster == ClusterKind::Slurm { " on Slurm" } else { "" };
    writeln!(talk, "{sweep} {how}{on} in {}", campaign.root().display()).map_err(Failure::output)?;
    let mut driver = Driver::new(open::searcher(campaign.clone())?);
    let left = to_the_end(&mut driver, &campaign, &sweep, cluster, talk).await?;
    let end = End::of(&campaign, &sweep)?;
    let sentence = match left {
        Left::Detached => {
            format!("{sweep} goes on without this terminal; the same command attaches again, `bandmaster status {sweep}` shows it")
        }
        Left::AtRest | Left::Stopped => end.sentence(&sweep, left == Left::Stopped),
    };
    writeln!(talk, "{sentence}").map_err(Failure::output)?;
    Ok(end.exit())
}

/// Why `run` is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The sweep is at rest.
    AtRest,
    /// Somebody interrupted it, and what ran has stopped at its checkpoints.
    Stopped,
    /// Somebody left it, and it goes on without.
    Detached,
}

/// The newest sweep of these very bytes that is not over, in a campaign that is there.
fn unfinished(directory: &Path, prepared: &Prepared) -> Result<Option<(Campaign, SweepId)>, Failure> {
    if !Campaign::at(directory).sweeps().is_dir() {
        return Ok(None);
    }
    let campaign = open::existing(directory)?;
    // What runs on one machine is driven there.
    let here = bandmaster_journal::Identity::current().map_err(Failure::bug)?.host.name;
    let mut same = Vec::new();
    for sweep in names::<SweepId>(&campaign.sweeps(), "")? {
        if let Some(submission) = select::submission(&campaign, &sweep)
            && submission.hash == prepared.hash
            && Path::new(&submission.directory) == prepared.directory()
            && (submission.cluster == ClusterKind::Slurm || submission.host == here)
        {
            same.push(sweep);
        }
    }
    if same.is_empty() {
        return Ok(None);
    }
    let reader = Reader::open(&campaign)?;
    same.sort_by_key(SweepId::number);
    let is_over = |sweep: &SweepId| {
        let phase: rusqlite::Result<String> =
            reader.connection().query_row("SELECT phase FROM sweeps WHERE sweep = ?1", [sweep.as_str()], |row| row.get(0));
        phase.is_ok_and(|phase| [Phase::Finished, Phase::Cancelled].iter().any(|over| over.as_str() == phase))
    };
    Ok(same.into_iter().rev().find(|sweep| !is_over(sweep)).map(|sweep| (campaign, sweep)))
}

/// Ticks until the sweep is over and nothing of it is out, or somebody interrupts it.
async fn to_the_end(
    driver: &mut Driver,
    campaign: &Campaign,
    sweep: &SweepId,
    cluster: ClusterKind,
    talk: &mut dyn Write,
) -> Result<Left, Failure> {
    let listen = |kind| signal(kind).map_err(Failure::bug);
    let mut stops: [Signal; 2] = [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?];
    let mut told = false;
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
        if stop && cluster == ClusterKind::Slurm {
            progress.clear();
            return Ok(Left::Detached);
        }
        if stop && interrupted {
            progress.clear();
            writeln!(talk, "left; slots still stop at their checkpoints").map_err(Failure::output)?;
            return Ok(Left::Stopped);
        }
        if let Some(words) = driver.away().filter(|_| !told) {
            progress.say(&format!("Slurm does not answer: {words}; trying again"));
        }
        told = driver.away().is_some();
        if stop {
            interrupted = true;
            driver.searcher().drain(sweep);
            progress.say("stopping at a checkpoint; once more to leave at once");
        }
        match driver.searcher().sweeps().and_then(|sweeps| sweeps.get(sweep)) {
            Some(Live { state, .. }) => {
                seen = true;
                progress.show(state);
                // What is left of its jobs is over soon, and nobody needs to see it.
                if cluster == ClusterKind::Slurm && state.phase.is_over() && state.slots.is_empty() {
                    progress.clear();
                    return Ok(Left::AtRest);
                }
                let out = !state.slots.is_empty() || (!interrupted && state.arrays.values().any(|array| array.job.is_none()));
                if (interrupted || state.phase == Phase::Paused) && !out {
                    progress.clear();
                    return Ok(if interrupted { Left::Stopped } else { Left::AtRest });
                }
            }
            // It was there and is at rest; or another process ticks, and the ledger tells.
            None if seen || looks.is_over(campaign, sweep)? => {
                progress.clear();
                return Ok(Left::AtRest);
            }
            None => {}
        }
    }
}
