//! Ticks one after another, for as long as somebody waits for them.
//!
//! A tick is due when somebody left a file in `wanted/`, and once a second to see who is still alive. While enough is
//! on offer nobody waits for a decision, and ticks are spaced so that the searcher stays cheap.

use std::time::{Duration, Instant};

use bandmaster_record::Phase;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::tick::{Searcher, Ticked, wanted};

/// How often `wanted/` is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The longest pause between ticks.
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
}

impl Driver {
    /// Drives with that searcher.
    pub fn new(searcher: Searcher) -> Self {
        Self { searcher, last: None, again: false }
    }

    /// What ticks.
    pub fn searcher(&mut self) -> &mut Searcher {
        &mut self.searcher
    }

    /// Waits until a tick is due, and ticks.
    pub async fn round(&mut self) -> Result<Round, Failure> {
        while !self.is_due()? {
            sleep(LOOK).await;
        }
        let ticked = self.searcher.tick()?;
        self.last = Some(Instant::now());
        Ok(match ticked {
            Ticked::Done { again, .. } => {
                self.again = again;
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
        if since >= ALIVE {
            return Ok(true);
        }
        if since < SPACED && !self.somebody_waits() {
            return Ok(false);
        }
        Ok(self.again || !wanted(self.searcher.campaign())?.is_empty())
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
