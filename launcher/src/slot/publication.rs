//! The checkpoints that an attempt's agents offer: each is published, journaled, and only then answered.

use std::collections::VecDeque;
use std::path::PathBuf;

use bandmaster_journal::{Campaign, FileError};
use bandmaster_record::{AttemptRef, Nonce, Resource, Seconds, SlotRecord, SweepId};
use tokio::time::Instant;

use super::journal::SlotJournal;
use super::patience::Patience;
use crate::checkpoint::manifest::{Manifest, VERSION, admit, directory_name};
use crate::checkpoint::publish::{Outcome, publish};
use crate::wire::{Staged, ToAgent};

/// The checkpoints of one attempt.
#[derive(Debug)]
pub(super) struct Publication {
    sweep: SweepId,
    attempt: AttemptRef,
    nonce: Nonce,
    from: Resource,
    target: Resource,
    staging: PathBuf,
    checkpoints: PathBuf,
    /// The same, below the campaign's directory.
    below: PathBuf,
    /// Offered and not published yet, because the disk is full.
    waiting: VecDeque<(Staged, Instant)>,
    retry_at: Option<Instant>,
    patience: Patience,
    /// Answers that wait for the journal.
    answers: Vec<ToAgent>,
    /// The furthest that is published.
    pub(super) furthest: Option<Resource>,
    /// What the last one cost.
    pub(super) cost: Option<Seconds>,
}

impl Publication {
    pub(super) fn new(
        campaign: &Campaign,
        sweep: &SweepId,
        attempt: AttemptRef,
        nonce: Nonce,
        (from, target): (Resource, Resource),
        staging: PathBuf,
    ) -> Self {
        let checkpoints = campaign.sweep(sweep).checkpoints(attempt.trial);
        let below = checkpoints.strip_prefix(campaign.root()).unwrap_or(&checkpoints).to_owned();
        Self {
            sweep: sweep.clone(),
            attempt,
            nonce,
            from,
            target,
            staging,
            checkpoints,
            below,
            waiting: VecDeque::new(),
            retry_at: None,
            patience: Patience::default(),
            answers: Vec::new(),
            furthest: None,
            cost: None,
        }
    }

    /// Takes an offer whose files are hashed.
    pub(super) fn offer(&mut self, staged: Staged, journal: &mut SlotJournal) -> Result<(), FileError> {
        self.waiting.push_back((staged, Instant::now()));
        if self.retry_at.is_none() { self.work(journal) } else { Ok(()) }
    }

    /// Refuses an offer.
    pub(super) fn refuse(&mut self, name: String, why: String, journal: &mut SlotJournal) -> Result<(), FileError> {
        journal.append(&SlotRecord::CheckpointRefused { attempt: self.attempt, name: name.clone(), why: why.clone() })?;
        self.answers.push(ToAgent::Refused { name, why });
        Ok(())
    }

    /// When [`Publication::work`] is due again, the disk being full.
    pub(super) fn due(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Whether an answer waits for the journal to be on disk.
    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// The answers, once the journal is on disk.
    pub(super) fn take_answers(&mut self) -> Vec<ToAgent> {
        std::mem::take(&mut self.answers)
    }

    /// Publishes what waits.
    pub(super) fn work(&mut self, journal: &mut SlotJournal) -> Result<(), FileError> {
        self.retry_at = None;
        while let Some((staged, since)) = self.waiting.pop_front() {
            match self.publish(&staged, since, journal) {
                Ok(()) => self.patience.end(),
                Err(error) if error.is_full() => {
                    self.retry_at = Some(Instant::now() + self.patience.wait(error)?);
                    self.waiting.push_front((staged, since));
                    return Ok(());
                }
                Err(error) => self.refuse(staged.name, error.to_string(), journal)?,
            }
        }
        Ok(())
    }

    fn publish(&mut self, staged: &Staged, since: Instant, journal: &mut SlotJournal) -> Result<(), FileError> {
        // The agent has looked at the name already; what is written is this process's business.
        let resource = match admit(&staged.name, self.from, self.target) {
            Ok(resource) => resource,
            Err(why) => return self.refuse(staged.name.clone(), why, journal),
        };
        let manifest = Manifest {
            v: VERSION,
            sweep: self.sweep.clone(),
            attempt: self.attempt,
            nonce: self.nonce.clone(),
            resource,
            files: staged.files.clone(),
            seconds: staged.seconds,
        };
        let ready = self.staging.join(format!("{}.ready", staged.name));
        let hash = match publish(&ready, &self.checkpoints, &manifest)? {
            Outcome::Refused(why) => return self.refuse(staged.name.clone(), why, journal),
            Outcome::Published { manifest, .. } => manifest,
        };
        let seconds = Seconds(staged.seconds.0 + since.elapsed().as_secs_f64());
        self.furthest = self.furthest.max(Some(resource));
        self.cost = Some(seconds);
        self.answers.push(ToAgent::Published { name: staged.name.clone() });
        journal.append(&SlotRecord::CheckpointPublished {
            attempt: self.attempt,
            resource,
            directory: self.below.join(directory_name(resource, self.attempt.grant)).display().to_string(),
            files: manifest.files.len() as u64,
            bytes: manifest.bytes(),
            manifest: hash,
            seconds,
        })
    }
}
