//! `bandmaster serve`: ticks until it is told to stop. It holds nothing between two ticks, so any number of them may
//! run, and each may be killed at any moment.

use std::io::Write;

use bandmaster_journal::Campaign;
use tokio::signal::unix::{SignalKind, signal};

use crate::drive::Driver;
use crate::failure::{Exit, Failure};
use crate::live::Sweeps;
use crate::open;

/// How to serve.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Leave when no sweep is left to drive
    #[arg(long)]
    pub until_idle: bool,
}

/// Ticks until TERM, INT or HUP.
///
/// With `until_idle` also when no sweep is left to drive.
pub async fn run(args: &Args, campaign: Campaign, talk: &mut dyn Write) -> Result<Exit, Failure> {
    let place = campaign.root().display().to_string();
    let mut driver = Driver::new(open::searcher(campaign)?);
    let mut ends = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    writeln!(talk, "serving {place}").map_err(Failure::output)?;
    let [term, int, hup] = &mut ends;
    let (Ok(term), Ok(int), Ok(hup)) = (term, int, hup) else {
        return Err(Failure::bug(std::io::Error::other("signals cannot be listened to")));
    };
    loop {
        tokio::select! {
            round = driver.round() => {
                round?;
                if args.until_idle && driver.searcher().sweeps().is_some_and(Sweeps::is_empty) {
                    writeln!(talk, "no sweep of {place} is left to drive").map_err(Failure::output)?;
                    return Ok(Exit::Ok);
                }
            }
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => break,
        }
    }
    writeln!(talk, "no longer serving {place}; slots go on").map_err(Failure::output)?;
    Ok(Exit::Ok)
}
