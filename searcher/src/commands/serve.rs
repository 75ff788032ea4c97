//! `bandmaster serve`: ticks until it is told to stop. It holds nothing between two ticks, so any number of them may
//! run, and each may be killed at any moment.

use std::io::Write;

use bandmaster_journal::Campaign;
use tokio::signal::unix::{SignalKind, signal};

use crate::drive::Driver;
use crate::failure::{Exit, Failure};
use crate::open;

/// Ticks until TERM, INT or HUP.
pub async fn run(campaign: Campaign, talk: &mut dyn Write) -> Result<Exit, Failure> {
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
            round = driver.round() => { round?; }
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => break,
        }
    }
    writeln!(talk, "no longer serving {place}; slots go on").map_err(Failure::output)?;
    Ok(Exit::Ok)
}
