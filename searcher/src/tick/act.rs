//! Act: what follows from the decisions outside the journals. Everything here can be done twice.

use std::path::Path;

use bandmaster_journal::{FileError, crash_point, names, rename, write_stage};
use bandmaster_record::{ArrayFile, ArrayNo, AttemptRef, Epoch, Nonce, Offers, Phase, RECORD_VERSION, SearcherRecord, Seconds, SweepId};

use super::{Step, still_mine};
use crate::cluster::Asked;
use crate::failure::Failure;
use crate::live::Live;

/// How long a slot that finds no offer waits for one: longer than a tick takes, so that slots live through a rung's
/// end, and short enough that nothing stays behind.
const IDLE: Seconds = Seconds(3.0);

/// So many files of offers may lie beside each other before they are made into one.
const OFFER_FILES: usize = 8;

impl Step<'_, '_> {
    /// Offers, arrays and stops of one sweep.
    pub(super) fn act(&mut self, sweep: &SweepId) -> Result<(), Failure> {
        let Some(Live { state, .. }) = self.sweeps.get(sweep) else { return Ok(()) };
        if self.draining.contains(sweep) {
            self.stop(sweep)
        } else if state.phase == Phase::Running {
            self.offer(sweep)?;
            self.submit_arrays(sweep)
        } else {
            self.withdraw(sweep)?;
            self.stop(sweep)
        }
    }

    /// Puts new grants on offer. All open ones are offered again where a holder may have died before offering them,
    /// where offers were withdrawn, and where they lie in too many files.
    fn offer(&mut self, sweep: &SweepId) -> Result<(), Failure> {
        let Some(Live { state, .. }) = self.sweeps.get(sweep) else { return Ok(()) };
        let files: Vec<Epoch> = names(&self.campaign.sweep(sweep).offers(), ".json")?;
        let open = state.open_grants().next().is_some();
        let again = open && (self.anew || files.is_empty() || files.len() >= OFFER_FILES);
        let grants: Vec<AttemptRef> = if again {
            state.open_by_urgency()
        } else {
            self.granted.get(sweep).map(Vec::as_slice).unwrap_or_default().iter().copied().filter(|grant| state.is_open(grant)).collect()
        };
        if !grants.is_empty() {
            let segments = grants.into_iter().filter_map(|grant| state.segment(grant)).collect();
            let offers = serde_json::to_vec(&Offers { v: RECORD_VERSION, segments }).map_err(Failure::bug)?;
            self.publish(&self.campaign.sweep(sweep).offer(self.lease.epoch()), &offers)?;
        }
        if again || !open {
            self.unlink_offers(sweep, &files)?;
        }
        Ok(())
    }

    fn withdraw(&mut self, sweep: &SweepId) -> Result<(), Failure> {
        let files = names(&self.campaign.sweep(sweep).offers(), ".json")?;
        self.unlink_offers(sweep, &files)
    }

    fn unlink_offers(&self, sweep: &SweepId, files: &[Epoch]) -> Result<(), Failure> {
        for epoch in files.iter().filter(|epoch| **epoch < self.lease.epoch()) {
            unlink(&self.campaign.sweep(sweep).offer(*epoch))?;
        }
        Ok(())
    }

    /// Submits the arrays that were intended in this tick.
    fn submit_arrays(&mut self, sweep: &SweepId) -> Result<(), Failure> {
        let Some(Live { state, .. }) = self.sweeps.get(sweep) else { return Ok(()) };
        let intended: Vec<(ArrayNo, Nonce, u32)> = state
            .arrays
            .iter()
            .filter(|(_, array)| array.job.is_none())
            .map(|(number, array)| (*number, array.nonce.clone(), array.tasks))
            .collect();
        for (array, nonce, tasks) in intended {
            let Some(Live { settings, cluster, .. }) = self.sweeps.get(sweep) else { return Ok(()) };
            let kind = *cluster;
            let searcher = self.binaries.kept()?.searcher.display().to_string();
            let file = ArrayFile {
                v: RECORD_VERSION,
                sweep: sweep.clone(),
                array,
                nonce,
                epoch: self.lease.epoch(),
                cluster: kind,
                tasks,
                trial: settings.clone(),
                searcher: Some(searcher),
                reserved: Vec::new(),
                idle: IDLE,
            };
            let content = serde_json::to_vec_pretty(&file).map_err(Failure::bug)?;
            self.publish(&self.campaign.sweep(sweep).array(array), &content)?;
            crash_point("tick.submit.before");
            let Some(Live { state, .. }) = self.sweeps.get(sweep) else { return Ok(()) };
            let asked = Asked { sweep, arrays: &state.arrays, slots: &state.slots };
            let job = self.clusters.of(kind)?.submit(self.campaign, &file, asked)?;
            crash_point("tick.submit.after");
            self.record(SearcherRecord::ArraySubmitted { sweep: sweep.clone(), array, job })?;
        }
        Ok(())
    }

    fn stop(&mut self, sweep: &SweepId) -> Result<(), Failure> {
        let Some(Live { state, cluster, .. }) = self.sweeps.get(sweep) else { return Ok(()) };
        if state.slots.is_empty() {
            return Ok(());
        }
        Ok(self.clusters.of(*cluster)?.stop(Asked { sweep, arrays: &state.arrays, slots: &state.slots })?)
    }

    /// Requests whose records are safe are no longer needed.
    pub(super) fn remove_consumed(&mut self) -> Result<(), Failure> {
        for request in std::mem::take(&mut self.consumed) {
            unlink(&self.campaign.request(&request))?;
        }
        Ok(())
    }

    /// Writes a file under its constant name if the lease is still ours: staged under a name of this epoch, fsynced,
    /// renamed.
    fn publish(&self, path: &Path, content: &[u8]) -> Result<(), Failure> {
        let stage = path.with_extension(format!("{}.stage", self.lease.epoch()));
        write_stage(&stage, content)?;
        still_mine(self.lease)?;
        rename(&stage, path)?;
        Ok(())
    }
}

/// Removes a file that may be gone already.
pub(super) fn unlink(path: &Path) -> Result<(), FileError> {
    crash_point("tick.unlink");
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(FileError::new("remove", path, source)),
        _ => Ok(()),
    }
}
