//! A slot with a segment of its own: its array says which. The scheduler may start the task again after its node was
//! taken, or after it had run its segment, so that the grant in the array's file is no more than the first.

use std::time::Duration;

use bandmaster_journal::{Campaign, Cursor, FileError, read_from, read_owned};
use bandmaster_record::{AttemptRef, Cause, Claim, Grant, JournalId, Segment, SlotRecord, SweepId};
use tokio::time::Instant;

use super::attempt;
use super::offers::{Claimed, Offers, claim};
use super::prepare::duration;
use super::run::Slot;
use crate::failure::Failure;
use crate::segment::signal_name;

/// How often is looked for a newer grant.
const POLL: Duration = Duration::from_millis(250);

impl Slot {
    /// Runs the one segment that is reserved for this task: under the grant that its array knew, or, where that one has
    /// been run (by this task before it was requeued, as a rule), under a newer one. Why it ends, for people.
    pub(super) async fn serve_reserved(&mut self, task: u32) -> Result<String, Failure> {
        let Some(segment) = self.array.reserved.get(task as usize).cloned() else {
            return Ok(format!("nothing is reserved for task {task}"));
        };
        self.rest(Duration::ZERO).await?;
        if let Some(signal) = self.stopping {
            return Ok(format!("it was asked to stop by {}", signal_name(signal)));
        }
        if let Some(why) = self.too_late() {
            return Ok(why);
        }
        let (sweep, id, attempt) = (self.campaign.sweep(&self.sweep), self.id.clone(), segment.attempt);
        match self.patience.until(|| claim(&sweep, &id, attempt)).await? {
            Some(nonce) => {
                attempt::run(self, Claimed { segment, nonce }).await?;
                Ok("its reserved segment was run".to_owned())
            }
            None if is_done(&self.campaign, &self.sweep, attempt)? => Ok("its reserved segment is done".to_owned()),
            None => self.serve_regrant(&segment).await,
        }
    }

    /// Waits for a newer grant of its reserved segment and runs it. Why it ends, for people.
    async fn serve_regrant(&mut self, segment: &Segment) -> Result<String, Failure> {
        let (idle, began) = (duration(self.array.idle), Instant::now());
        let mut offers = Offers::of(self.campaign.sweep(&self.sweep), segment.attempt.trial, segment.attempt.rung);
        // That this slot is here tells a tick that the one before it is over.
        self.wanted.leave();
        loop {
            if let Some(signal) = self.stopping {
                return Ok(format!("it was asked to stop by {}", signal_name(signal)));
            }
            if let Some(why) = self.too_late() {
                return Ok(why);
            }
            match offers.take(&self.id) {
                Ok(Some(claimed)) => {
                    self.patience.end();
                    let grant = claimed.segment.attempt.grant;
                    attempt::run(self, claimed).await?;
                    return Ok(format!("its reserved segment was run under grant {grant}"));
                }
                Ok(None) if began.elapsed() >= idle => {
                    return Ok(format!("its reserved segment was not granted again within {} s", idle.as_secs_f64()));
                }
                Ok(None) => self.rest(POLL.min(idle)).await?,
                Err(error) => {
                    let pause = self.patience.wait(error)?;
                    self.rest(pause).await?;
                }
            }
        }
    }
}

/// Whether the newest claim of that trial's rung, from that grant on, was run to the end.
fn is_done(campaign: &Campaign, sweep: &SweepId, first: AttemptRef) -> Result<bool, FileError> {
    let (dir, mut newest) = (campaign.sweep(sweep), None);
    let mut grant = first.grant;
    loop {
        match read_owned(&dir.claim(first.trial, first.rung, grant)) {
            Ok(content) => newest = serde_json::from_slice::<Claim>(&content).ok().map(|claim| (grant, claim.slot)),
            Err(error) if error.is_missing() => break,
            Err(error) => return Err(error),
        }
        grant = Grant(grant.0 + 1);
    }
    let Some((grant, slot)) = newest else { return Ok(false) };
    let journal = campaign.journal(&JournalId::Slot(sweep.clone(), slot));
    let records = match read_from::<SlotRecord>(&journal, Cursor::default(), None) {
        Ok(batch) => batch.frames,
        Err(error) if error.is_missing() => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(records.into_iter().any(|frame| match frame.record {
        SlotRecord::AttemptEnded { attempt, cause: Cause::Completed, .. } => {
            (attempt.trial, attempt.rung, attempt.grant) == (first.trial, first.rung, grant)
        }
        _ => false,
    }))
}
