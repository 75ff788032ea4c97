//! Ticks one after another, for as long as somebody waits for them.
//!
//! A tick is due when somebody left a file in `wanted/`, and now and then to see who is still alive: on this machine once
//! a second, on Slurm as often as the campaign says, since all of a site's users ask the same controller. While enough is
//! on offer nobody waits for a decision, and ticks are spaced so that the searcher stays cheap.

use std::time::{Duration, Instant};

use bandmaster_record::{ClusterKind, Phase};
use tokio::time::sleep;

use crate::failure::Failure;
use crate::tick::{Searcher, Ticked, wanted};

/// How often `wanted/` is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The longest pause between ticks while all slots are on this machine.
const ALIVE: Duration = Duration::from_secs(1);
/// The pause between ticks that nobody waits for.
const SPACED: Duration = Duration::from_millis(250);

/// What one round of driving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// A tick was done.
    Ticked,
    /// Another process ticks; that is as good.
    Another,
}

/// When to tick.
pub struct Driver {
    searcher: Searcher,
    last: Option<Instant>,
    again: bool,
    /// What a cluster said that did not answer in the last tick.
    away: Option<String>,
}

impl Driver {
    /// Drives with that searcher.
    pub fn new(searcher: Searcher) -> Self {
        Self { searcher, last: None, again: false, away: None }
    }

    /// What ticks.
    pub fn searcher(&mut self) -> &mut Searcher {
        &mut self.searcher
    }

    /// What a cluster said that did not answer in the last tick.
    pub fn away(&self) -> Option<&str> {
        self.away.as_deref()
    }

    /// Waits until a tick is due, and ticks.
    pub async fn round(&mut self) -> Result<Round, Failure> {
        while !self.is_due()? {
            sleep(LOOK).await;
        }
        let ticked = self.searcher.tick()?;
        self.last = Some(Instant::now());
        Ok(match ticked {
            Ticked::Done { again, away, .. } => {
                self.again = again;
                self.away = away;
                Round::Ticked
            }
            Ticked::Held(held) => {
                tracing::debug!("{held}");
                self.again = false;
                Round::Another
            }
        })
    }

    fn is_due(&self) -> Result<bool, Failure> {
        let Some(last) = self.last else { return Ok(true) };
        let since = last.elapsed();
        let on_slurm = self.is_on_slurm();
        if since >= if on_slurm { self.searcher.poll() } else { ALIVE } {
            return Ok(true);
        }
        // Several slots may end within a second; one listing shows them all.
        if since < if on_slurm { ALIVE } else { SPACED } && (on_slurm || !self.somebody_waits()) {
            return Ok(false);
        }
        Ok(self.again || !wanted(self.searcher.campaign())?.is_empty())
    }

    /// Whether a cluster is asked that others ask too.
    fn is_on_slurm(&self) -> bool {
        self.searcher.sweeps().is_some_and(|sweeps| sweeps.iter().any(|live| live.cluster == ClusterKind::Slurm))
    }

    /// Whether slots may be without work, or a sweep is about to end.
    fn somebody_waits(&self) -> bool {
        let Some(sweeps) = self.searcher.sweeps() else { return true };
        sweeps.iter().any(|live| {
            let open = live.state.open_grants().take(live.slots as usize + 1).count();
            live.state.phase != Phase::Running || open <= live.slots as usize
        })
    }
}
