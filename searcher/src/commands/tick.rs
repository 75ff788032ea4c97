//! `bandmaster tick`: one step, for cron, scrontab, slots and Slurm's afterany jobs. Harmless at any time.

use std::io::Write;

use bandmaster_journal::Campaign;

use crate::failure::{Exit, Failure, FailureKind};
use crate::open;
use crate::tick::Ticked;

/// So many ticks in a row, as long as there is something to observe, and then it is another's turn.
const MOST: usize = 100;

/// Ticks until nothing new is to be seen. Exit 6 if another process ticks.
pub fn run(campaign: Campaign, talk: &mut dyn Write) -> Result<Exit, Failure> {
    let mut searcher = open::searcher(campaign)?;
    for round in 0..MOST {
        match searcher.tick()? {
            Ticked::Done { again: true, .. } => {}
            Ticked::Done { again: false, .. } => return Ok(Exit::Ok),
            // What this process left unseen, the other sees: it looks at `wanted/` again after it is done.
            Ticked::Held(_) if round > 0 => return Ok(Exit::Ok),
            Ticked::Held(held) => {
                writeln!(talk, "{held}; nothing to do").map_err(Failure::output)?;
                return Ok(Exit::Because(FailureKind::LeaseHeld));
            }
        }
    }
    Ok(Exit::Ok)
}
