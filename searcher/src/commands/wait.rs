//! `bandmaster wait`: until a sweep is over, for scripts. It looks on and drives nothing: the sweep's slots do, and
//! whoever ticks.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use bandmaster_journal::{Campaign, names};
use bandmaster_record::{Epoch, Seconds, SweepId};

use crate::ending::{End, pause};
use crate::failure::{Exit, Failure, FailureKind};
use crate::output::readable_seconds;
use crate::{select, sweepfile};

/// So long nothing may happen before it is said that perhaps nobody drives the sweep.
const QUIET: Duration = Duration::from_secs(60);

/// For which sweep, and how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The sweep: digits-1, or digits for the newest of that name
    pub sweep: String,
    /// Wait so long at most, and exit with 5: 90s, 10m, 1h30m [default: as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = sweepfile::duration)]
    pub timeout: Option<Seconds>,
    /// Look so often: less often where looking is expensive
    #[arg(long, value_name = "TIME", value_parser = sweepfile::duration, default_value = "1s")]
    pub poll: Seconds,
}

/// Waits. Exit 0 if it is finished, 9 if with failed trials, 5 if it is paused, cancelled, or the time is over.
///
/// # Errors
/// There is no such sweep; the ledger cannot be read.
pub fn run(args: &Args, campaign: &Campaign, talk: &mut dyn Write) -> Result<Exit, Failure> {
    let sweep = select::sweep(campaign, Some(&args.sweep))?;
    let begun = Instant::now();
    // A span that no clock can hold is no limit.
    let deadline = args.timeout.and_then(|Seconds(timeout)| begun.checked_add(Duration::from_secs_f64(timeout)));
    let mut quiet = Quiet::default();
    let mut say = |text: String| writeln!(talk, "{text}").map_err(Failure::output);
    for round in 0_u64.. {
        let looked = Instant::now();
        let end = End::of(campaign, &sweep)?;
        let now = Instant::now();
        if end.is_over() || end.is_paused() {
            say(end.sentence(&sweep, false))?;
            return Ok(end.exit());
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            say(format!("{}; waited {}", end.sentence(&sweep, false), readable_seconds(begun.elapsed().as_secs_f64())))?;
            break;
        }
        if round == 0 {
            say(format!("waiting for {sweep}; this drives nothing: its slots do, and whoever ticks"))?;
        }
        let tick = names::<Epoch>(&campaign.lease_dir(), "")?.pop();
        if quiet.is_to_be_said((tick, end.freshness.published, end.freshness.added), now) {
            say(doubt(&sweep, end.slots))?;
        }
        let pause = pause(now - looked, Duration::from_secs_f64(args.poll.0));
        std::thread::sleep(deadline.map_or(pause, |deadline| pause.min(deadline.saturating_duration_since(now))));
    }
    Ok(Exit::Because(FailureKind::NotFinished))
}

/// What changes whenever somebody ticks or anything is recorded.
type Sign = (Option<Epoch>, Option<SystemTime>, u64);

/// For how long there was no sign of anybody who drives the sweep.
#[derive(Debug, Default)]
struct Quiet {
    last: Option<(Sign, Instant)>,
    said: bool,
}

impl Quiet {
    /// Whether it was quiet for so long that a person wants to know: once.
    fn is_to_be_said(&mut self, sign: Sign, now: Instant) -> bool {
        match self.last {
            Some((last, since)) if last == sign => {
                let first = !self.said && now.saturating_duration_since(since) >= QUIET;
                self.said |= first;
                first
            }
            _ => {
                self.last = Some((sign, now));
                false
            }
        }
    }
}

/// Silence is no evidence: a trial may train for an hour and say nothing.
fn doubt(sweep: &SweepId, slots: u32) -> String {
    let quiet = QUIET.as_secs();
    match slots {
        0 => format!(
            "nobody has ticked for {quiet} s, and no slot of {sweep} is at work: `bandmaster run` of its file, `bandmaster serve` or \
             `bandmaster tick` drives it"
        ),
        slots => format!(
            "nobody has ticked for {quiet} s, and nothing was recorded; {slots} of {sweep}'s slots were at work last: \
             `bandmaster tick` looks whether they are"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_is_told_once_and_only_after_a_while() {
        let begun = Instant::now();
        let mut quiet = Quiet::default();
        let mut said = |epoch: u64, added: u64, seconds: u64| {
            quiet.is_to_be_said((Some(Epoch(epoch)), None, added), begun + Duration::from_secs(seconds))
        };
        assert!(!said(1, 0, 0) && !said(1, 0, 59));
        assert!(!said(2, 0, 60), "somebody ticked");
        assert!(!said(2, 1, 100), "a slot has recorded something");
        assert!(!said(2, 1, 159));
        assert!(said(2, 1, 160));
        assert!(!said(2, 1, 161) && !said(2, 1, 1000), "once is enough");
    }

    #[test]
    fn a_time_needs_a_unit() {
        let parse = crate::fixture::try_parse::<Args>;
        assert_eq!(parse(&["digits", "--timeout", "10m"]).unwrap().timeout, Some(Seconds(600.0)));
        assert!(parse(&["digits", "--timeout", "10"]).unwrap_err().to_string().contains("needs a unit"));
        assert!(parse(&[]).is_err());
    }
}
