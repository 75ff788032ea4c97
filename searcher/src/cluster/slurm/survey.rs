//! What squeue and sacct say, judged: which tasks are out, which are over, and which slots are no more.
//!
//! A task that squeue lists is where squeue says. Of one that is missing, a terminal row of sacct tells the end; without
//! such a row it is silent, and a task that stays silent for `lost_after`, as one host's clock that never stands still
//! sees it, is lost. Its journal breaks the silence: whoever writes is not missing.

use std::collections::BTreeMap;

use bandmaster_record::{ArrayNo, Cause, Host, JobId, Nonce, Seconds, Seen, SlotId, Timestamp};
use bandmaster_search::{ArrayState, SlotState};

use super::sacct::{self, Row};
use super::script::array_name;
use super::squeue::{Listing, Queued};
use super::state::JobState;
use crate::cluster::{Adopted, Gone, Survey};
use crate::live::Live;

/// What is known of all jobs at one moment, and who looked.
pub struct Evidence<'a> {
    /// All jobs of ours that squeue lists: complete, or there is no evidence.
    pub listing: &'a Listing,
    /// What sacct says of the jobs that it was asked about; empty where it keeps no accounts.
    pub rows: &'a [Row],
    /// The host that looked.
    pub observer: &'a Host,
    /// How long it was up then.
    pub uptime: Seconds,
    /// After so long a silent task is lost.
    pub lost_after: Seconds,
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It is in the queue, for the first time or again.
    Waits,
    /// It holds its nodes.
    Runs,
    /// Nothing of it executes any more.
    Over { cause: Cause, evidence: String },
    /// Nobody knows.
    Silent,
}

impl<'a> Evidence<'a> {
    /// What of this sweep changed since it was recorded last.
    pub fn survey(&self, live: &Live) -> Survey {
        let mut survey = Survey::default();
        for (number, array) in &live.state.arrays {
            let Some(job) = &array.job else { continue };
            let slots = slots_of(live, *number);
            let fates = self.fates(array, job, &slots);
            let seen = self.seen(array, job, &fates);
            if seen.states != array.states || [&seen.over, &seen.silent, &seen.back].iter().any(|tasks| !tasks.is_empty()) {
                survey.seen.insert(*number, seen);
            }
            survey.gone.extend(self.gone(job, &slots, &fates));
        }
        survey
    }

    /// Arrays of which sacct may know what squeue does not say, with the time from which on to ask.
    pub fn unexplained(&self, live: &Live) -> Vec<(JobId, Timestamp)> {
        let wants_rows = |(number, array): &(&ArrayNo, &ArrayState)| {
            let (Some(job), slots) = (&array.job, slots_of(live, **number)) else { return false };
            let fates = self.fates(array, job, &slots);
            // One that was silent for long enough too: an end that is known comes before an end that is concluded.
            let is_missing = |task: u32| self.listing.task(job, task).is_none() && !array.over.contains(&task);
            let was_requeued = |(id, slot): &(&SlotId, &SlotState)| self.is_earlier_run(id, slot, &slots, &fates);
            fates.keys().copied().any(is_missing) || slots.iter().any(was_requeued)
        };
        let asked = live.state.arrays.iter().filter(wants_rows);
        asked.filter_map(|(_, array)| Some((array.job.clone()?, written_at(&array.nonce)))).collect()
    }

    fn fates(&self, array: &ArrayState, job: &JobId, slots: &Slots<'_>) -> BTreeMap<u32, Fate> {
        tasks(array, slots).map(|task| (task, self.fate(array, job, task))).collect()
    }

    fn fate(&self, array: &ArrayState, job: &JobId, task: u32) -> Fate {
        if let Some(queued) = self.listing.task(job, task) {
            return match &queued.state {
                state if state.waits() => Fate::Waits,
                state => match state.cause() {
                    Some(cause) => Fate::Over { cause, evidence: format!("squeue says {}", described(queued)) },
                    None => Fate::Runs,
                },
            };
        }
        if let Some(row) = self.runs(job, task).last().filter(|row| row.state != JobState::Requeued)
            && let Some(cause) = row.state.cause()
        {
            return Fate::Over { cause, evidence: format!("sacct says {}", accounted(row)) };
        }
        if array.over.contains(&task) {
            return Fate::Over { cause: Cause::Lost, evidence: "its task was over".to_owned() };
        }
        match array.silent_since(task, self.observer) {
            Some(Seconds(since)) if self.uptime.0 - since >= self.lost_after.0 => {
                let missing = self.uptime.0 - since;
                let evidence = format!("its task is missing from complete listings {missing:.0} s apart, and wrote nothing meanwhile");
                Fate::Over { cause: Cause::Lost, evidence }
            }
            _ => Fate::Silent,
        }
    }

    /// The runs of a task that have accounts, in their order.
    fn runs(&self, job: &JobId, task: u32) -> Vec<&'a Row> {
        let mut runs: Vec<&Row> = sacct::of_task(self.rows, job, task).collect();
        runs.sort_by_key(|row| (row.start.unwrap_or(Timestamp(i64::MAX)), row.submit));
        runs
    }

    fn seen(&self, array: &ArrayState, job: &JobId, fates: &BTreeMap<u32, Fate>) -> Seen {
        let mut seen = Seen::default();
        for (_, queued) in self.listing.tasks(job) {
            *seen.states.entry(described(queued)).or_default() += 1;
        }
        for (task, fate) in fates {
            let known = array.over.contains(task);
            match fate {
                Fate::Waits | Fate::Runs if known || array.silent.contains_key(task) => seen.back.push(*task),
                Fate::Over { cause, .. } if !known => {
                    seen.over.push(*task);
                    if *cause == Cause::Cancelled {
                        seen.cancelled.push(*task);
                    }
                }
                Fate::Silent if array.silent_since(*task, self.observer).is_none() => seen.silent.push(*task),
                _ => {}
            }
        }
        seen
    }

    /// The slots that are no more: their task is over, waits to run again, or runs again already.
    fn gone(&self, job: &JobId, slots: &Slots<'_>, fates: &BTreeMap<u32, Fate>) -> Vec<Gone> {
        let judge = |(id, slot): &(&SlotId, &SlotState)| {
            let (cause, evidence) = match fates.get(&slot.task)? {
                _ if self.is_earlier_run(id, slot, slots, fates) => self.requeued(job, id, slot.task),
                Fate::Over { cause, evidence } => (*cause, evidence.clone()),
                Fate::Waits | Fate::Runs | Fate::Silent => return None,
            };
            Some(Gone { slot: (*id).clone(), cause, evidence })
        };
        slots.iter().filter_map(judge).collect()
    }

    /// Whether the slot was a run of a task that is in the queue again, or runs again: a newer slot of it is open.
    fn is_earlier_run(&self, id: &SlotId, slot: &SlotState, slots: &Slots<'_>, fates: &BTreeMap<u32, Fate>) -> bool {
        let is_newer = |(other, known): &(&SlotId, &SlotState)| known.task == slot.task && other.nonce() > id.nonce();
        fates.get(&slot.task) == Some(&Fate::Waits) || slots.iter().any(is_newer)
    }

    /// Why an earlier run of a task ended, as far as accounts tell: the run that began nearest to the slot's own start.
    fn requeued(&self, job: &JobId, slot: &SlotId, task: u32) -> (Cause, String) {
        let began = written_at(&slot.nonce());
        let over = self.runs(job, task).into_iter().filter(|row| row.state.is_over());
        match over.min_by_key(|row| row.start.map_or(i64::MAX, |start| (start.0 - began.0).abs())) {
            Some(row) => (row.state.cause().unwrap_or(Cause::Lost), format!("sacct says {}", accounted(row))),
            None => (Cause::Lost, "its task is in the queue again, or runs again".to_owned()),
        }
    }
}

/// Arrays whose submission was not recorded, and that are there: their jobs bear their names.
pub fn adopted(listing: &Listing, live: &Live) -> Adopted {
    let unrecorded = live.state.arrays.iter().filter(|(_, array)| array.job.is_none());
    let find = |(number, array): (&ArrayNo, &ArrayState)| {
        Some((*number, listing.find(&array_name(&live.state.sweep, *number, &array.nonce))?.clone()))
    };
    unrecorded.filter_map(find).collect()
}

/// The open slots of an array.
type Slots<'a> = [(&'a SlotId, &'a SlotState)];

fn slots_of(live: &Live, array: ArrayNo) -> Vec<(&SlotId, &SlotState)> {
    live.state.slots.iter().filter(|(_, slot)| slot.array == array).collect()
}

/// The tasks that somebody waits for: those with reservations, and those with open slots.
fn tasks(array: &ArrayState, slots: &Slots<'_>) -> impl Iterator<Item = u32> {
    let reserved = 0..array.reserved.len() as u32;
    let others: Vec<u32> = slots.iter().map(|(_, slot)| slot.task).filter(|task| !reserved.contains(task)).collect();
    reserved.chain(others)
}

/// When a nonce was drawn, by the clock of the host that drew it; long ago for one that is no ULID.
fn written_at(nonce: &Nonce) -> Timestamp {
    let drawn = ulid::Ulid::from_string(nonce.as_str()).map_or(0, |ulid| ulid.timestamp_ms());
    Timestamp(i64::try_from(drawn).unwrap_or(0))
}

fn described(queued: &Queued) -> String {
    let state = &queued.state;
    match queued.reason.as_str() {
        "" | "None" | "N/A" | "(null)" => state.to_string(),
        reason if state.waits() => format!("{state} ({reason})"),
        _ => state.to_string(),
    }
}

fn accounted(row: &Row) -> String {
    let mut said = row.state.to_string();
    if let Some(by) = &row.cancelled_by {
        said.push_str(&format!(" by {by}"));
    }
    if row.exit_code != 0 || row.signal != 0 {
        said.push_str(&format!(", exit code {}, signal {}", row.exit_code, row.signal));
    }
    said
}

#[cfg(test)]
mod tests;
