//! How a sweep ends, as the ledger tells it, for those who wait for it.

use std::time::{Duration, Instant};

use bandmaster_journal::Campaign;
use bandmaster_ledger::{Freshness, Reader};
use bandmaster_record::{Phase, SweepId};
use rusqlite::OptionalExtension as _;

use crate::failure::{Exit, Failure, FailureKind};
use crate::reading;

/// The ledger is asked so many times less often than asking takes: a twentieth of a core at most goes into waiting.
const COST: u32 = 20;

/// … and not more often than that.
const LOOK: Duration = Duration::from_secs(1);

/// How a sweep stands.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Its phase; nothing where no tick has taken it in.
    phase: Option<String>,
    failed: u32,
    /// Slots that have begun and of which no end is known.
    pub slots: u32,
    /// How old that is.
    pub freshness: Freshness,
}

impl End {
    /// How it stands now.
    pub fn of(campaign: &Campaign, sweep: &SweepId) -> Result<Self, Failure> {
        let reader = Reader::open(campaign)?;
        let sql = "SELECT phase,
                (SELECT count(*) FROM trials WHERE trials.sweep = sweeps.sweep AND state = 'failed'),
                (SELECT count(*) FROM slots WHERE slots.sweep = sweeps.sweep AND ended_at IS NULL)
            FROM sweeps WHERE sweep = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((Some(row.get(0)?), row.get(1)?, row.get(2)?));
        let row = reader.connection().query_row(sql, [sweep.as_str()], read).optional().map_err(reading::failed)?;
        let (phase, failed, slots) = row.unwrap_or_default();
        Ok(Self { phase, failed, slots, freshness: reader.freshness().clone() })
    }

    /// Whether nothing more can come.
    pub fn is_over(&self) -> bool {
        [Phase::Finished, Phase::Cancelled].iter().any(|over| self.is(*over))
    }

    /// Whether it goes on only when somebody says so.
    pub fn is_paused(&self) -> bool {
        self.is(Phase::Paused)
    }

    fn is(&self, phase: Phase) -> bool {
        self.phase.as_deref() == Some(phase.as_str())
    }

    /// The exit code of a command that waited for it.
    pub fn exit(&self) -> Exit {
        match self.is(Phase::Finished) {
            true if self.failed == 0 => Exit::Ok,
            true => Exit::Because(FailureKind::FailedTrials),
            false => Exit::Because(FailureKind::NotFinished),
        }
    }

    /// What to tell who waited, or stopped it at its checkpoints.
    pub fn sentence(&self, sweep: &SweepId, stopped: bool) -> String {
        match (self.phase.as_deref(), self.failed) {
            (Some("finished"), 0) => format!("{sweep} is finished"),
            (Some("finished"), 1) => format!("{sweep} is finished; 1 trial failed: `bandmaster trials {sweep} --state failed`"),
            (Some("finished"), failed) => {
                format!("{sweep} is finished; {failed} trials failed: `bandmaster trials {sweep} --state failed`")
            }
            (Some("paused"), _) => format!("{sweep} is paused: `bandmaster resume {sweep}`, then run it again"),
            (Some("running"), _) if stopped => format!("{sweep} is stopped at its checkpoints; the same command goes on"),
            (Some(phase), _) => format!("{sweep} is {phase}"),
            (None, _) => format!("{sweep} is submitted, and no tick has taken it in yet"),
        }
    }
}

/// How long to wait before looking again, after a look that took so long.
pub fn pause(took: Duration, least: Duration) -> Duration {
    (took * COST).max(least)
}

/// Looks at a sweep in each round of something else, and seldom enough.
#[derive(Debug, Default)]
pub struct Looks {
    next: Option<Instant>,
}

impl Looks {
    /// Whether the sweep is known to be over. Between two looks it is not.
    pub fn is_over(&mut self, campaign: &Campaign, sweep: &SweepId) -> Result<bool, Failure> {
        let begun = Instant::now();
        if self.next.is_some_and(|next| begun < next) {
            return Ok(false);
        }
        let end = End::of(campaign, sweep)?;
        self.next = Some(Instant::now() + pause(begun.elapsed(), LOOK));
        Ok(end.is_over())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    fn end(fixture: &Fixture) -> End {
        End::of(&fixture.campaign, &"digits-1".parse().unwrap()).unwrap()
    }

    #[test]
    fn only_a_finished_sweep_ends_well_and_failed_trials_are_told() {
        let finished = end(&Fixture::finished());
        assert!(finished.is_over() && !finished.is_paused());
        assert_eq!((finished.exit(), finished.slots), (Exit::Because(FailureKind::FailedTrials), 0));
        assert!(finished.sentence(&"digits-1".parse().unwrap(), false).contains("1 trial failed"));
        assert_eq!(End { failed: 0, ..finished.clone() }.exit(), Exit::Ok);
        for phase in [None, Some("running"), Some("paused"), Some("cancelled")] {
            let other = End { phase: phase.map(str::to_owned), ..finished.clone() };
            assert_eq!((other.exit(), other.is_over()), (Exit::Because(FailureKind::NotFinished), phase == Some("cancelled")), "{phase:?}");
        }
    }

    #[test]
    fn a_sweep_that_no_tick_knows_is_not_over() {
        let fixture = Fixture::empty();
        fixture.submit("digits-1");
        let submitted = end(&fixture);
        assert!(!submitted.is_over() && submitted.sentence(&"digits-1".parse().unwrap(), false).contains("submitted"));
        assert_eq!(end(&Fixture::running(12)).slots, 2);
    }

    #[test]
    fn looks_are_apart() {
        let fixture = Fixture::finished();
        let sweep = "digits-1".parse().unwrap();
        let mut looks = Looks::default();
        assert!(looks.is_over(&fixture.campaign, &sweep).unwrap());
        assert!(!looks.is_over(&fixture.campaign, &sweep).unwrap());
        assert_eq!(pause(Duration::from_millis(10), LOOK), LOOK);
        assert_eq!(pause(Duration::from_secs(1), LOOK), Duration::from_secs(20));
    }
}
