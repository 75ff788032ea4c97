//! `bandmaster ledger rebuild`: the ledger from the journals, in place of the published one.
//!
//! Only the holder of the lease does it, and for as long as it lasts no tick works. The new ledger is whole and durable
//! before it takes the place of the old one; a process that dies on the way leaves the old one where it is.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bandmaster_journal::{Campaign, FileError, Lease, Taken, names_between};
use bandmaster_ledger::{Folded, Ledger, LedgerError, Listener, Transaction};
use bandmaster_record::{Envelope, SearcherRecord, SlotId, SlotRecord, SweepId};

use crate::campaignfile::CampaignFile;
use crate::failure::{Exit, Failure, FailureKind};
use crate::live::Sweeps;

/// How often waiting hosts are shown that the holder lives; far below any takeover time.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// Makes the ledger anew.
pub(super) fn rebuild(campaign: &Campaign, force: bool, out: &mut dyn Write) -> Result<Exit, Failure> {
    let takeover = Duration::try_from_secs_f64(CampaignFile::load(&campaign.config())?.lease_takeover.0).unwrap_or(Duration::MAX);
    let mut lease = match Lease::take(campaign, takeover)? {
        Taken::Mine(lease) => lease,
        Taken::Held(held) => {
            let help = "it is only held for a tick: try again in a moment";
            return Err(Failure::say(FailureKind::LeaseHeld, held.to_string(), help));
        }
    };
    let Folded { searcher_records, slot_records, damaged } = hold(campaign, &mut lease, force)?;
    lease.release()?;
    let mut text: String = damaged.iter().map(|damage| format!("{damage}; the ledger holds what stands before\n")).collect();
    let path = campaign.ledger();
    text.push_str(&format!("{}: {searcher_records} records of the searcher and {slot_records} of slots\n", path.display()));
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::output)?;
    Ok(Exit::Ok)
}

fn hold(campaign: &Campaign, lease: &mut Lease, force: bool) -> Result<Folded, Failure> {
    let work = campaign.work_db(lease.epoch());
    let mut listener = Rebuilding { sweeps: Sweeps::default(), lease, shown: Instant::now() };
    let (ledger, folded) = bandmaster_ledger::rebuild(campaign, &work, &mut listener)?;
    if let Some(damage) = folded.damaged.first().filter(|_| !force) {
        drop(ledger);
        remove(&work)?;
        return Err(Failure::say(
            FailureKind::Ledger,
            damage,
            "the published ledger may hold what the damaged journal does not any more, and is left as it is; restore the journal \
             from a backup, or rebuild without its rest with --force",
        ));
    }
    publish(campaign, lease, &ledger)?;
    drop(ledger);
    projections(campaign)?;
    Ok(folded)
}

fn publish(campaign: &Campaign, lease: &Lease, ledger: &Ledger) -> Result<(), Failure> {
    let published = campaign.ledger();
    let staged = ledger.stage(&published.with_extension(format!("{}.stage", lease.epoch())))?;
    if !lease.still_mine()? {
        let what = format!("lease {} was taken over while the ledger was made", lease.epoch());
        return Err(Failure::say(FailureKind::LeaseHeld, what, "nothing was changed: try again"));
    }
    Ok(staged.publish(&published)?)
}

/// Removes the projections, ours and older ones: the next tick begins one from the new ledger.
fn projections(campaign: &Campaign) -> Result<(), FileError> {
    let work = campaign.work_db(bandmaster_record::Epoch(0));
    let directory = work.parent().unwrap_or(campaign.root());
    names_between(directory, "work.", ".db")?.into_iter().try_for_each(|epoch| remove(&campaign.work_db(epoch)))
}

/// Removes a SQLite file, with the journal that an interrupted transaction left beside it.
fn remove(path: &Path) -> Result<(), FileError> {
    for path in [path.with_extension("db-journal"), path.to_owned()] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(FileError::new("remove", path, error)),
            _ => {}
        }
    }
    Ok(())
}

/// Folds the searches' states beside the rows, and lets waiting hosts see that the holder lives.
struct Rebuilding<'a> {
    sweeps: Sweeps,
    lease: &'a mut Lease,
    shown: Instant,
}

impl Rebuilding<'_> {
    fn live(&mut self) {
        if self.shown.elapsed() >= SIGN_OF_LIFE {
            self.shown = Instant::now();
            // If it cannot be shown, the lease may be lost: that is asked before anything is published.
            let _ = self.lease.renew();
        }
    }
}

impl Listener for Rebuilding<'_> {
    fn searcher(&mut self, envelope: &Envelope<SearcherRecord>) {
        self.live();
        self.sweeps.searcher(&envelope.record);
    }

    fn slot(&mut self, sweep: &SweepId, slot: &SlotId, envelope: &Envelope<SlotRecord>) {
        self.live();
        self.sweeps.slot(sweep, slot, &envelope.record);
    }

    fn complete(&mut self, transaction: &mut Transaction<'_>) -> Result<(), LedgerError> {
        for live in self.sweeps.iter().filter(|live| !live.state.is_at_rest()) {
            let snapshot =
                serde_json::to_vec(live).map_err(|error| FileError::new("encode a sweep's state for", transaction.path(), error.into()))?;
            transaction.put_state(&live.state.sweep, &snapshot)?;
        }
        Ok(())
    }
}
