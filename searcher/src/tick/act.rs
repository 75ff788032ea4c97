//! Act: what follows from the decisions outside the journals. Everything here can be done twice.

use std::collections::BTreeSet;
use std::path::Path;

use bandmaster_journal::{FileError, crash_point, names, now, rename, write_stage};
use bandmaster_record::{
    ArrayFile, ArrayNo, AttemptRef, Epoch, Offers, Phase, RECORD_VERSION, SearcherRecord, Seconds, SweepId, Timestamp,
};
use bandmaster_search::{ArrayState, Refused};

use super::{Step, still_mine};
use crate::cluster::ClusterError;
use crate::failure::Failure;
use crate::live::Live;

/// How long a slot that finds no offer waits for one: longer than a tick takes, so that slots live through a rung's
/// end, and short enough that nothing stays behind.
const IDLE: Seconds = Seconds(3.0);

/// How long a slot whose reserved segment was taken by an earlier run of its task waits for the next grant: that takes
/// a tick, and the evidence that the earlier run is over.
const REGRANT: Seconds = Seconds(60.0);

/// After the first refusal for a limit the next submission waits so long at least, and after each further one twice as
/// long; unless a task ends before.
const REFUSED: Seconds = Seconds(5.0);

/// … up to so many times.
const REFUSED_AT_MOST: u32 = 6;

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
            self.submit_arrays(sweep)?;
            self.back_arrays(sweep)
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
        let mut grants: Vec<AttemptRef> = if again {
            state.open_by_urgency()
        } else {
            self.granted.get(sweep).map(Vec::as_slice).unwrap_or_default().iter().copied().filter(|grant| state.is_open(grant)).collect()
        };
        // What an array's file names need not be offered.
        let reserved: BTreeSet<AttemptRef> = state.arrays.values().flat_map(|array| array.reserved.iter().copied()).collect();
        grants.retain(|grant| !reserved.contains(grant));
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

    /// Submits the arrays that were intended in this tick, as long as the cluster takes them.
    fn submit_arrays(&mut self, sweep: &SweepId) -> Result<(), Failure> {
        let Some(Live { state, .. }) = self.sweeps.get(sweep) else { return Ok(()) };
        // Older intents may have been submitted: the next look tells.
        let is_new = |number: &&ArrayNo| self.intended.contains(&(sweep.clone(), **number));
        let unrecorded = state.arrays.iter().filter(|(_, array)| array.job.is_none()).map(|(number, _)| number);
        let arrays: Vec<ArrayNo> = unrecorded.filter(is_new).copied().collect();
        let mut takes = self.sweeps.get(sweep).is_some_and(|live| self.answers(live));
        for array in arrays {
            let searcher = &self.binaries.kept()?.searcher;
            let Some(file) = self.sweeps.get(sweep).and_then(|live| self.array_file(live, array, searcher)).filter(|_| takes) else {
                self.record(given_up(sweep, array, "it was not submitted: the cluster takes nothing just now"))?;
                continue;
            };
            let content = serde_json::to_vec_pretty(&file).map_err(Failure::bug)?;
            self.publish(&self.campaign.sweep(sweep).array(array), &content)?;
            crash_point("tick.submit.before");
            let Some(live) = self.sweeps.get(sweep) else { return Ok(()) };
            let submitted = self.clusters.of(live.cluster)?.submit(self.campaign, &file, live);
            crash_point("tick.submit.after");
            takes &= submitted.is_ok();
            match submitted {
                Ok(job) => self.record(SearcherRecord::ArraySubmitted { sweep: sweep.clone(), array, job })?,
                Err(ClusterError::Limit(words)) => {
                    unlink(&self.campaign.sweep(sweep).array(array))?;
                    let not_before = later(live.state.refused.as_ref());
                    self.record(SearcherRecord::ArrayRefused { sweep: sweep.clone(), array, words, not_before })?;
                }
                Err(ClusterError::Refused(words)) => {
                    unlink(&self.campaign.sweep(sweep).array(array))?;
                    self.record(given_up(sweep, array, &format!("the cluster refuses it: {words}")))?;
                    let why = format!("paused: the cluster refuses its arrays: {words}");
                    self.record(SearcherRecord::PhaseChanged { sweep: sweep.clone(), phase: Phase::Paused, why })?;
                }
                // It may have been taken: the next tick finds out.
                Err(error) => self.is_away(file.cluster, error)?,
            }
        }
        Ok(())
    }

    /// What an array runs; `None` where a trial of it is not live any more.
    fn array_file(&self, live: &Live, number: ArrayNo, searcher: &Path) -> Option<ArrayFile> {
        let array = live.state.arrays.get(&number)?;
        Some(ArrayFile {
            v: RECORD_VERSION,
            sweep: live.state.sweep.clone(),
            array: number,
            nonce: array.nonce.clone(),
            epoch: self.lease.epoch(),
            cluster: live.cluster,
            tasks: array.tasks,
            trial: live.settings.clone(),
            searcher: Some(searcher.display().to_string()),
            reserved: array.reserved.iter().map(|attempt| live.state.segment(*attempt)).collect::<Option<_>>()?,
            idle: if array.reserved.is_empty() { IDLE } else { REGRANT },
        })
    }

    /// Submits what ticks at the end of each array, once an array.
    fn back_arrays(&mut self, sweep: &SweepId) -> Result<(), Failure> {
        let Some(Live { state, .. }) = self.sweeps.get(sweep) else { return Ok(()) };
        let is_bare = |array: &ArrayState| array.job.is_some() && !array.backed && !array.reserved.is_empty();
        let bare: Vec<ArrayNo> = state.arrays.iter().filter(|(_, array)| is_bare(array)).map(|(number, _)| *number).collect();
        for array in bare {
            let Some(live) = self.sweeps.get(sweep).filter(|live| self.answers(live)) else { return Ok(()) };
            let kind = live.cluster;
            let (job, words) = match self.clusters.of(live.cluster)?.backstop(self.campaign, array, live) {
                Ok(job) => (job, None),
                // There may be room at the next tick.
                Err(ClusterError::Limit(_)) => return Ok(()),
                Err(ClusterError::Refused(words)) => (None, Some(words)),
                Err(error) => return self.is_away(kind, error),
            };
            self.record(SearcherRecord::BackstopSubmitted { sweep: sweep.clone(), array, job, words })?;
        }
        Ok(())
    }

    fn stop(&mut self, sweep: &SweepId) -> Result<(), Failure> {
        let Some(live) = self.sweeps.get(sweep).filter(|live| self.answers(live)) else { return Ok(()) };
        let kind = live.cluster;
        if live.state.slots.is_empty() && live.state.tasks_out() == 0 {
            return Ok(());
        }
        match self.clusters.of(live.cluster)?.stop(live) {
            Err(error) => self.is_away(kind, error),
            Ok(()) => Ok(()),
        }
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

/// An array that was never submitted.
fn given_up(sweep: &SweepId, array: ArrayNo, why: &str) -> SearcherRecord {
    SearcherRecord::ArrayAbandoned { sweep: sweep.clone(), array, why: why.to_owned() }
}

/// When the next submission may be tried.
fn later(before: Option<&Refused>) -> Timestamp {
    let times = before.map_or(0, |refused| refused.times).min(REFUSED_AT_MOST);
    Timestamp(now().0 + (REFUSED.0 * 1000.0) as i64 * (1 << times))
}

/// Removes a file that may be gone already.
pub(super) fn unlink(path: &Path) -> Result<(), FileError> {
    crash_point("tick.unlink");
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(FileError::new("remove", path, source)),
        _ => Ok(()),
    }
}
