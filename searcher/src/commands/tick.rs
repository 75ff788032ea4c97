//! `bandmaster tick`: one step, for cron, scrontab, slots and Slurm's afterany jobs. Harmless at any time.

use std::io::Write;
use std::time::{Duration, Instant};

use bandmaster_journal::Campaign;
use bandmaster_record::Seconds;

use crate::failure::{Exit, Failure, FailureKind};
use crate::open;
use crate::tick::Ticked;

/// So many ticks in a row, as long as there is something to observe, and then it is another's turn.
const MOST: usize = 100;

/// How often a lease that another holds is tried.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// How often Slurm is tried that does not answer.
const AGAIN: Duration = Duration::from_secs(5);

/// How to tick.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Wait so long for another process that ticks just now, and tick after it; and for Slurm where it does not answer
    #[arg(long, value_name = "TIME", value_parser = crate::sweepfile::duration)]
    pub patience: Option<Seconds>,
    /// Say nothing where the next tick does as well: another one ticks (exit 6), Slurm does not answer (exit 7)
    #[arg(long, short)]
    pub quiet: bool,
}

/// Ticks until nothing new is to be seen. Exit 6 if another process ticks, 7 if Slurm does not answer.
pub fn run(args: &Args, campaign: Campaign, talk: &mut dyn Write) -> Result<Exit, Failure> {
    let mut searcher = open::searcher(campaign)?;
    let patience = args.patience.map_or(Duration::ZERO, |Seconds(seconds)| Duration::from_secs_f64(seconds));
    let mut say = |words: String| if args.quiet { Ok(()) } else { writeln!(talk, "{words}").map_err(Failure::output) };
    let begun = Instant::now();
    let mut rounds = 0;
    while rounds < MOST {
        match searcher.tick()? {
            Ticked::Done { away: Some(_), .. } if begun.elapsed() < patience => std::thread::sleep(AGAIN),
            Ticked::Done { away: Some(words), .. } => {
                say(format!("Slurm does not answer: {words}; what does not need it was done, the next tick tries again"))?;
                return Ok(Exit::Because(FailureKind::Slurm));
            }
            Ticked::Done { again: true, .. } => rounds += 1,
            Ticked::Done { again: false, .. } => return Ok(Exit::Ok),
            Ticked::Held(_) if begun.elapsed() < patience => std::thread::sleep(TRY_AGAIN),
            // What this process left unseen, the other sees: it looks at `wanted/` again after it is done.
            Ticked::Held(_) if rounds > 0 => return Ok(Exit::Ok),
            Ticked::Held(held) => {
                say(format!("{held}; nothing to do"))?;
                return Ok(Exit::Because(FailureKind::LeaseHeld));
            }
        }
    }
    Ok(Exit::Ok)
}
