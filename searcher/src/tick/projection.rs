//! The projection: the SQLite file that this tick's rows go into, and the published ledger that people open.
//!
//! It bears the number of the lease that began it, and holders that follow a clean release go on with it. After an
//! unclean one it is begun anew from the published ledger, and the old file is unlinked: whoever still has it open
//! writes where nobody reads.

use std::path::Path;
use std::time::{Duration, SystemTime};

use bandmaster_journal::{Campaign, FileError, Lease, crash_point, names_between};
use bandmaster_ledger::{Ledger, LedgerError, Transaction};
use bandmaster_record::Epoch;

use super::act::unlink;
use super::recorder::{Event, Recorder};
use crate::failure::{Failure, FailureKind};
use crate::live::{Live, Sweeps};

/// The ledger is published again when it is older than so many times what publishing costs: a twentieth of the time
/// at most goes into it.
const PUBLISH_AGE: u32 = 20;

/// … and not more often than that.
const PUBLISH_AT_MOST: Duration = Duration::from_secs(1);

/// What publishing costs, by the ledger's size: measured, 208 MB took 0.57 s.
fn cost(bytes: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 * 0.57 / 208e6)
}

/// Opens the projection. Says whether it had to be begun anew.
pub(super) fn open(campaign: &Campaign, lease: &Lease) -> Result<(Ledger, bool), Failure> {
    let newest = epochs(campaign)?.pop();
    if let Some(newest) = newest.filter(|_| lease.clean()) {
        return Ok((Ledger::open(&campaign.work_db(newest))?, false));
    }
    for older in epochs(campaign)? {
        unlink(&campaign.work_db(older))?;
        let journal = campaign.work_db(older).with_extension("db-journal");
        unlink(&journal)?;
    }
    crash_point("tick.takeover");
    Ok((Ledger::begin_anew(&campaign.ledger(), &campaign.work_db(lease.epoch()))?, true))
}

/// The projections that lie in the campaign.
fn epochs(campaign: &Campaign) -> Result<Vec<Epoch>, FileError> {
    let directory = campaign.work_db(Epoch(0));
    names_between(directory.parent().unwrap_or(Path::new(".")), "work.", ".db")
}

/// The states of the live sweeps as they were committed last.
pub(super) fn sweeps(tx: &Transaction<'_>) -> Result<Sweeps, Failure> {
    let mut sweeps = Sweeps::default();
    for (sweep, snapshot) in tx.states()? {
        let live: Live = serde_json::from_slice(&snapshot).map_err(|error| {
            Failure::say(
                FailureKind::Ledger,
                format!("the ledger's snapshot of {sweep} cannot be read by this version: {error}"),
                "make the ledger anew from the journals with `bandmaster ledger rebuild`",
            )
        })?;
        sweeps.insert(live);
    }
    Ok(sweeps)
}

/// Rows, cursors and snapshots, in one transaction. Sweeps at rest are forgotten.
pub(super) fn commit(mut tx: Transaction<'_>, recorder: &Recorder<'_>, sweeps: &mut Sweeps) -> Result<(), Failure> {
    let own = recorder.journal();
    for event in &recorder.events {
        match event {
            Event::Searcher(envelope) => tx.apply_searcher(&own, envelope)?,
            Event::Slot(journal, frames, cursor) => {
                for frame in frames {
                    tx.apply_slot(journal, frame)?;
                }
                tx.set_cursor(journal, *cursor)?;
            }
        }
    }
    if let Some(position) = recorder.position() {
        tx.set_cursor(&own, position)?;
    }
    for sweep in sweeps.ids() {
        let Some(live) = sweeps.get(&sweep) else { continue };
        if live.state.is_at_rest() {
            tx.drop_state(&sweep)?;
            sweeps.remove(&sweep);
        } else {
            tx.put_state(&sweep, &serde_json::to_vec(live).map_err(Failure::bug)?)?;
        }
    }
    Ok(tx.commit()?)
}

/// Publishes the ledger where it is due: when asked, and otherwise by age.
pub(super) fn publish(ledger: &Ledger, campaign: &Campaign, lease: &Lease, now: bool) -> Result<(), Failure> {
    let published = campaign.ledger();
    if !now && let Ok(meta) = std::fs::metadata(&published) {
        let age = meta.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or(Duration::MAX);
        if age < (cost(meta.len()) * PUBLISH_AGE).max(PUBLISH_AT_MOST) {
            return Ok(());
        }
    }
    let stage = published.with_extension(format!("{}.stage", lease.epoch()));
    Ok(ledger.publish(&stage, &published)?)
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::File(error) => error.into(),
            error if error.is_full() => Failure::because(FailureKind::Disk, error),
            error => Failure::because(FailureKind::Ledger, error),
        }
    }
}
