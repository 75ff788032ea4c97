//! Observe: what is new in the campaign since the last tick, recorded before anything is decided by it.
//!
//! The order matters. The cluster says who is gone *before* the journals are read to their ends, so a slot that is
//! called gone has nothing unread; claims are looked at *after* them, so a claim whose slot is known and over has no
//! attempt that could still come.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bandmaster_journal::{Created, FileError, JournalReader, boottime, create_once, names};
use bandmaster_record::{
    ArrayNo, AttemptRef, Claim, ClusterKind, JobId, JournalId, Request, RequestId, SearcherRecord, Seconds, Seen, SlotId, Submission,
    SweepId, Timestamp,
};
use bandmaster_search::respond;
use serde::Deserialize;

use super::Step;
use crate::cluster::{Adopted, Gone, Survey};
use crate::failure::{Failure, FailureKind};
use crate::live::Live;
use crate::submit::spec_file;

/// What came of reading a sweep's journals.
pub(super) struct Read {
    /// The slots that were known when the clusters were looked at.
    known: BTreeSet<SlotId>,
    /// Those of which more lies there.
    unread: BTreeSet<SlotId>,
    /// Whether a journal was closed.
    closed: bool,
}

impl Read {
    /// Whether what was seen of the cluster may say that this slot is no more: it had begun by then, and has nothing
    /// left to say.
    fn may_be_gone(&self, slot: &SlotId) -> bool {
        self.known.contains(slot) && !self.unread.contains(slot)
    }
}

/// At most so many bytes of one slot's journal in one tick: what is left makes another tick.
const BITE: u64 = 8 << 20;

/// The content of a request's file.
#[derive(Debug, Deserialize)]
struct Asking {
    at: Timestamp,
    request: Request,
}

/// Reads a file of JSON; `None` if it is not there.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<serde_json::Result<T>>, FileError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::new("read", path, source)),
    }
}

impl Step<'_, '_> {
    /// Sweeps that were submitted and that no record mentions.
    pub(super) fn new_sweeps(&mut self) -> Result<(), Failure> {
        for sweep in names::<SweepId>(&self.campaign.sweeps(), "")? {
            if self.sweeps.get(&sweep).is_some() || self.tx.knows_sweep(&sweep)? {
                continue;
            }
            let place = self.campaign.sweep(&sweep);
            let Some(submission) = read_json::<Submission>(&place.submission())? else { continue };
            let submission = submission.map_err(|error| broken(&place.submission(), &error))?;
            let spec = spec_file(&place);
            let Some(meaning) = read_json::<serde_json::Value>(&spec)? else { continue };
            let meaning = meaning.map_err(|error| broken(&spec, &error))?;
            self.record(SearcherRecord::SweepSubmitted { submission: Box::new(submission), spec: Box::new(meaning) })?;
        }
        Ok(())
    }

    /// What people asked for, in the order of asking.
    pub(super) fn requests(&mut self) -> Result<(), Failure> {
        for request in names::<RequestId>(&self.campaign.requests(), ".json")? {
            let asking = read_json::<Asking>(&self.campaign.request(&request))?;
            let Some(asking) = asking else { continue };
            self.consumed.push(request.clone());
            if self.tx.knows_request(&request)? {
                continue;
            }
            let (asked, ask, (phase, outcome)) = match asking {
                Ok(Asking { at, request }) => {
                    let answer = match self.sweeps.get(request.sweep()) {
                        Some(live) => respond(&live.state, &request),
                        None => (None, format!("{} is not a live sweep", request.sweep())),
                    };
                    (at, Some(request), answer)
                }
                Err(error) => (Timestamp(0), None, (None, format!("not understood: {error}"))),
            };
            let sweep = ask.as_ref().map(|ask| ask.sweep().clone());
            self.record(SearcherRecord::RequestTaken { request, asked, ask, outcome: outcome.clone() })?;
            if let (Some(sweep), Some(phase)) = (sweep, phase) {
                self.record(SearcherRecord::PhaseChanged { sweep, phase, why: outcome })?;
            }
        }
        Ok(())
    }

    /// Looks at the clusters, each once for all of its sweeps, before any journal is read.
    pub(super) fn look(&mut self) -> Result<(), Failure> {
        for kind in self.kinds() {
            let sweeps: Vec<&Live> = self.sweeps.iter().filter(|live| live.cluster == kind && self.answers(live)).collect();
            match self.clusters.of(kind).and_then(|cluster| cluster.look(&sweeps)) {
                Ok(mut adopted) => {
                    for sweep in sweeps.into_iter().map(|live| live.state.sweep.clone()).collect::<Vec<_>>() {
                        self.unresolved_intents(&sweep, &adopted.remove(&sweep).unwrap_or_default())?;
                    }
                }
                Err(error) => self.is_away(kind, error)?,
            }
        }
        Ok(())
    }

    /// What the clusters say, now that the journals are read. A sweep whose cluster does not answer has no survey.
    pub(super) fn surveys(&mut self) -> Result<BTreeMap<SweepId, Survey>, Failure> {
        let mut surveys = BTreeMap::new();
        for kind in self.kinds() {
            let sweeps: Vec<&Live> = self.sweeps.iter().filter(|live| live.cluster == kind && self.answers(live)).collect();
            if sweeps.is_empty() {
                continue;
            }
            match self.clusters.of(kind).and_then(|cluster| cluster.survey(&sweeps)) {
                Ok(found) => surveys.extend(found),
                Err(error) => self.is_away(kind, error)?,
            }
        }
        Ok(surveys)
    }

    fn kinds(&self) -> BTreeSet<ClusterKind> {
        self.sweeps.iter().map(|live| live.cluster).collect()
    }

    /// All that is new of one sweep, recorded. Claims that nobody is known to follow come back for the decisions.
    pub(super) fn observe(&mut self, sweep: &SweepId, survey: Option<&Survey>, read: &Read) -> Result<Vec<(AttemptRef, SlotId)>, Failure> {
        let mut is_over = read.closed;
        if let Some(survey) = survey {
            self.seen(sweep, &survey.seen)?;
            for Gone { slot, cause, evidence } in survey.gone.iter().filter(|gone| read.may_be_gone(&gone.slot)) {
                if self.sweeps.get(sweep).is_some_and(|live| live.state.slots.contains_key(slot)) {
                    is_over = true;
                    let (sweep, slot, evidence) = (sweep.clone(), slot.clone(), evidence.clone());
                    self.record(SearcherRecord::SlotGone { sweep, slot, cause: *cause, evidence })?;
                }
            }
        }
        if is_over || self.sweeps.get(sweep).is_some_and(|live| live.state.slots.is_empty()) {
            return self.claims(sweep);
        }
        Ok(Vec::new())
    }

    fn seen(&mut self, sweep: &SweepId, seen: &BTreeMap<ArrayNo, Seen>) -> Result<(), Failure> {
        let observer = self.lease.identity().host.clone();
        for (array, seen) in seen {
            let (sweep, seen, observer) = (sweep.clone(), seen.clone(), observer.clone());
            let uptime = Seconds(boottime().as_secs_f64());
            self.record(SearcherRecord::ArraySeen { sweep, array: *array, seen, observer, uptime })?;
        }
        Ok(())
    }

    /// Reads every open journal of the sweep from where it was left.
    pub(super) fn journals(&mut self, sweep: &SweepId) -> Result<Read, Failure> {
        let known = self.sweeps.get(sweep).map(|live| live.state.slots.keys().cloned().collect()).unwrap_or_default();
        let mut read = Read { known, unread: BTreeSet::new(), closed: false };
        for slot in names::<SlotId>(&self.campaign.sweep(sweep).slots(), "")? {
            let journal = JournalId::Slot(sweep.clone(), slot.clone());
            let Some(start) = self.tx.open_cursor(&journal)? else { continue };
            let mut reader = JournalReader::open(&self.campaign.journal(&journal), start, None)?;
            let mut frames = Vec::new();
            while reader.cursor().offset - start.offset < BITE
                && let Some(frame) = reader.next_frame()?
            {
                frames.push(frame);
            }
            if let Some(damage) = reader.damage() {
                tracing::warn!("{damage}");
            }
            if frames.is_empty() {
                continue;
            }
            let cursor = reader.cursor();
            if cursor.offset - start.offset >= BITE {
                self.more = true;
                read.unread.insert(slot.clone());
            }
            self.record(SearcherRecord::Observed { journal, through_seq: cursor.seq, offset: cursor.offset })?;
            self.recorder.observed(self.sweeps, sweep, &slot, frames, cursor);
            read.closed |= self.sweeps.get(sweep).is_some_and(|live| !live.state.slots.contains_key(&slot));
        }
        Ok(read)
    }

    /// Claims for grants that no slot is known to have begun, where the claiming slot's journal has been read.
    fn claims(&mut self, sweep: &SweepId) -> Result<Vec<(AttemptRef, SlotId)>, Failure> {
        let Some(Live { state, .. }) = self.sweeps.get(sweep) else { return Ok(Vec::new()) };
        let place = self.campaign.sweep(sweep);
        let mut found = Vec::new();
        for attempt in state.open_grants() {
            let path = place.claim(attempt.trial, attempt.rung, attempt.grant);
            // A claim that cannot be read proves nothing; its slot's journal will.
            if let Some(Ok(Claim { slot, .. })) = read_json(&path)?
                && self.tx.knows_journal(&JournalId::Slot(sweep.clone(), slot.clone()))?
            {
                found.push((attempt, slot));
            }
        }
        Ok(found)
    }

    /// Arrays whose submission was not recorded: those that the cluster has are adopted; others run if a task of theirs
    /// got to own them, and never otherwise.
    fn unresolved_intents(&mut self, sweep: &SweepId, adopted: &Adopted) -> Result<(), Failure> {
        let Some(Live { state, .. }) = self.sweeps.get(sweep) else { return Ok(()) };
        let intended: Vec<ArrayNo> = state.arrays.iter().filter(|(_, array)| array.job.is_none()).map(|(number, _)| *number).collect();
        for array in intended {
            if let Some(job) = adopted.get(&array) {
                self.record(SearcherRecord::ArraySubmitted { sweep: sweep.clone(), array, job: job.clone() })?;
                continue;
            }
            let path = self.campaign.sweep(sweep).owner(array);
            let abandoned = || SearcherRecord::ArrayAbandoned {
                sweep: sweep.clone(),
                array,
                why: "its submission was not completed, and none of its tasks can run any more".to_owned(),
            };
            let record = match create_once(&path, VOID)? {
                Created::Mine => abandoned(),
                Created::Theirs(owner) if owner == VOID => abandoned(),
                Created::Theirs(owner) => {
                    let job: JobId = std::str::from_utf8(&owner).ok().and_then(|job| job.trim().parse().ok()).ok_or_else(|| {
                        Failure::say(
                            FailureKind::Disk,
                            format!("{} holds no job id", path.display()),
                            "it is written by bandmaster alone: was it edited?",
                        )
                    })?;
                    SearcherRecord::ArraySubmitted { sweep: sweep.clone(), array, job }
                }
            };
            self.record(record)?;
        }
        Ok(())
    }
}

/// What the searcher writes into an owner's file of an array that shall never run.
const VOID: &[u8] = b"void";

fn broken(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::say(
        FailureKind::WrongFile,
        format!("{} cannot be used: {error}", path.display()),
        "a frozen sweep's files are not to be edited; submit the sweep again",
    )
}
