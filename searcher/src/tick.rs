//! One tick: observe, decide, act. Idempotent: doing it again changes nothing.
//!
//! It takes the lease, brings the projection up to what the journals say, records what is new, decides until nothing is
//! left to decide, makes that durable, acts on it, commits the rows, and gives the lease back. A tick that finds
//! nothing new writes nothing but the lease.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bandmaster_journal::{Campaign, Damage, FileError, HeldBy, JournalError, Lease, Taken, crash_point, names, nonce, now};
use bandmaster_ledger::{Transaction, fold, refuse_newer};
use bandmaster_record::{ArrayNo, AttemptRef, ClusterKind, JournalId, RequestId, Sealed, SearcherRecord, SlotId, SweepId};
use bandmaster_search::{Layout, Site, decide};

use crate::binaries::Binaries;
use crate::campaignfile::CampaignFile;
use crate::cluster::{Cluster, ClusterError, Survey};
use crate::failure::{Failure, FailureKind};
use crate::live::{Live, Sweeps};

mod act;
mod observe;
mod projection;
mod recorder;

use recorder::Recorder;

/// So many segments are kept on offer ahead of the slots, so that they never wait for a tick.
const AHEAD: u32 = 512;

/// The clusters of this machine.
pub struct Clusters(BTreeMap<ClusterKind, Box<dyn Cluster>>);

impl Clusters {
    /// These, each under its kind.
    pub fn new(clusters: impl IntoIterator<Item = Box<dyn Cluster>>) -> Self {
        Self(clusters.into_iter().map(|cluster| (cluster.kind(), cluster)).collect())
    }

    /// The one of that kind; one that this machine has not is away.
    pub fn of(&mut self, kind: ClusterKind) -> Result<&mut dyn Cluster, ClusterError> {
        let missing = || ClusterError::Away("there is no sbatch on this machine".to_owned());
        self.0.get_mut(&kind).map(|cluster| cluster.as_mut() as &mut dyn Cluster).ok_or_else(missing)
    }
}

/// What drives a campaign's sweeps from this process.
pub struct Searcher {
    campaign: Campaign,
    config: CampaignFile,
    clusters: Clusters,
    binaries: Binaries,
    /// Sweeps that are to get no new slots from this process, and whose slots are told to stop.
    draining: BTreeSet<SweepId>,
    /// The states as they were when this process gave the lease back, and which lease that was.
    warm: Option<(u64, Sweeps)>,
    /// Calls of the clusters' commands that no record tells of yet.
    calls: BTreeMap<String, u64>,
}

/// What came of a tick.
pub enum Ticked {
    /// Another holds the lease.
    Held(HeldBy),
    /// It was done.
    Done {
        /// Whether anything was recorded.
        recorded: bool,
        /// Whether there is something to observe already: another tick should follow at once.
        again: bool,
        /// A cluster did not answer: what it said. The rest was done.
        away: Option<String>,
    },
}

/// One tick while the lease is held.
struct Step<'a, 'h> {
    campaign: &'h Campaign,
    lease: &'h Lease,
    clusters: &'a mut Clusters,
    binaries: &'a Binaries,
    /// The ledger as it was when the tick began: nothing is written through it before the journal is safe.
    tx: &'a Transaction<'a>,
    recorder: Recorder<'h>,
    sweeps: &'a mut Sweeps,
    draining: &'a BTreeSet<SweepId>,
    /// Requests whose files may go when their records are safe.
    consumed: Vec<RequestId>,
    /// Whether the holder before did not finish: what it decided may not have been acted upon.
    anew: bool,
    /// What was granted in this tick.
    granted: BTreeMap<SweepId, Vec<AttemptRef>>,
    /// Whether something was left unread.
    more: bool,
    /// What clusters said that do not answer: nothing more is asked of them in this tick.
    away: BTreeMap<ClusterKind, String>,
    /// The arrays that were intended in this tick: older ones may have been submitted.
    intended: BTreeSet<(SweepId, ArrayNo)>,
    /// Calls of the clusters' commands that no record tells of yet.
    calls: &'a mut BTreeMap<String, u64>,
}

impl Searcher {
    /// Nothing is read or written yet.
    pub fn new(campaign: Campaign, config: CampaignFile, clusters: Clusters, binaries: Binaries) -> Self {
        Self { campaign, config, clusters, binaries, draining: BTreeSet::new(), warm: None, calls: BTreeMap::new() }
    }

    /// The campaign.
    pub fn campaign(&self) -> &Campaign {
        &self.campaign
    }

    /// The live sweeps as the last tick of this process left them.
    pub fn sweeps(&self) -> Option<&Sweeps> {
        self.warm.as_ref().map(|(_, sweeps)| sweeps)
    }

    /// How often clusters that others use too are asked when nothing else calls for a tick.
    pub fn poll(&self) -> Duration {
        Duration::from_secs_f64(self.config.poll.0)
    }

    /// The clusters of this machine.
    pub fn clusters(&mut self) -> &mut Clusters {
        &mut self.clusters
    }

    /// From now on that sweep gets no new slots from this process, and its slots are told to stop at a checkpoint.
    pub fn drain(&mut self, sweep: &SweepId) {
        self.draining.insert(sweep.clone());
    }

    /// One tick.
    pub fn tick(&mut self) -> Result<Ticked, Failure> {
        // Before the lease: what a newer holder has begun is to find everything as it left it.
        refuse_newer(&self.campaign)?;
        let lease = match Lease::take(&self.campaign, Duration::from_secs_f64(self.config.lease_takeover.0))? {
            Taken::Held(held) => return Ok(Ticked::Held(held)),
            Taken::Mine(lease) => lease,
        };
        match self.hold(&lease) {
            Ok(Held { recorded, more, away }) => {
                lease.release()?;
                Ok(Ticked::Done { recorded, again: more || !wanted(&self.campaign)?.is_empty(), away })
            }
            Err(failure) => {
                // What was begun is not finished: whoever comes next must not rely on this process's projection.
                // The lease is abandoned where it is dropped.
                self.warm = None;
                Err(failure)
            }
        }
    }

    fn hold(&mut self, lease: &Lease) -> Result<Held, Failure> {
        for name in wanted(&self.campaign)? {
            act::unlink(&self.campaign.wanted().join(name))?;
        }
        let (mut ledger, anew) = projection::open(&self.campaign, lease)?;
        let mut tx = ledger.begin()?;
        let mut sweeps = match self.warm.take() {
            Some((epoch, sweeps)) if !anew && epoch + 1 == lease.epoch().0 => sweeps,
            _ => projection::sweeps(&tx)?,
        };
        // After an unclean release, what the dead holder recorded; after a clean one, nothing.
        let folded = fold(&self.campaign, &mut tx, &mut sweeps)?;
        report(&folded.damaged);
        let mut step = Step {
            campaign: &self.campaign,
            lease,
            clusters: &mut self.clusters,
            binaries: &self.binaries,
            tx: &tx,
            recorder: Recorder::new(&self.campaign, lease),
            anew,
            sweeps: &mut sweeps,
            draining: &self.draining,
            consumed: Vec::new(),
            granted: BTreeMap::new(),
            more: false,
            away: BTreeMap::new(),
            intended: BTreeSet::new(),
            calls: &mut self.calls,
        };
        step.run()?;
        let Step { recorder, more, away, .. } = step;
        let recorded = recorder.is_used();
        let ended = sweeps.iter().any(|live| live.state.is_at_rest());
        if recorded || folded.records() > 0 {
            still_mine(lease)?;
            projection::commit(tx, &recorder, &mut sweeps)?;
            crash_point("tick.committed");
            projection::publish(&ledger, &self.campaign, lease, ended)?;
        }
        self.warm = Some((lease.epoch().0, sweeps));
        Ok(Held { recorded, more, away: away.into_values().next() })
    }
}

/// What came of a tick that had the lease.
struct Held {
    recorded: bool,
    more: bool,
    away: Option<String>,
}

impl Step<'_, '_> {
    fn run(&mut self) -> Result<(), Failure> {
        self.new_sweeps()?;
        self.requests()?;
        self.look()?;
        let mut read = BTreeMap::new();
        for sweep in self.sweeps.ids() {
            read.insert(sweep.clone(), self.journals(&sweep)?);
        }
        let mut surveys = self.surveys()?;
        for (sweep, read) in read {
            let survey = surveys.remove(&sweep);
            let claims = self.observe(&sweep, survey.as_ref(), &read)?;
            self.decide(&sweep, survey, claims)?;
        }
        crash_point("tick.decided");
        self.recorder.sync()?;
        crash_point("tick.synced");
        for sweep in self.sweeps.ids() {
            self.act(&sweep)?;
        }
        self.record_calls()?;
        self.recorder.sync()?;
        crash_point("tick.acted");
        self.remove_consumed()
    }

    /// Decides until nothing is left to decide. Where the cluster did not answer, nothing is put there.
    fn decide(&mut self, sweep: &SweepId, survey: Option<Survey>, claims: Vec<(AttemptRef, SlotId)>) -> Result<(), Failure> {
        let Some(live) = self.sweeps.get(sweep) else { return Ok(()) };
        let slots = if self.draining.contains(sweep) { 0 } else { live.slots };
        let (answered, starting) = survey.map_or_else(Default::default, |survey| (true, survey.starting));
        let layout = live.layout();
        // A rung is one array, so that all of it is granted at once.
        let ahead = if layout == Layout::Slots { AHEAD } else { u32::MAX };
        let mut site = Site { layout, now: now(), slots, starting, ahead, claims, nonce: None };
        loop {
            site.nonce = answered.then(nonce);
            let Some(live) = self.sweeps.get(sweep) else { return Ok(()) };
            let decisions = decide(&live.state, &site);
            if decisions.is_empty() {
                return Ok(());
            }
            for decision in decisions {
                match &decision {
                    SearcherRecord::Granted { attempt, .. } => self.granted.entry(sweep.clone()).or_default().push(*attempt),
                    SearcherRecord::ArrayIntended { array, .. } => drop(self.intended.insert((sweep.clone(), *array))),
                    _ => {}
                }
                self.record(decision)?;
            }
        }
    }

    /// A cluster does not answer; its first words stand. Any other error is one of this tick.
    fn is_away(&mut self, kind: ClusterKind, error: ClusterError) -> Result<(), Failure> {
        match error {
            ClusterError::Away(words) => drop(self.away.entry(kind).or_insert(words)),
            error => return Err(error.into()),
        }
        Ok(())
    }

    /// Whether the sweep's cluster can be asked from here: it answers, and what runs on one machine runs on this one.
    fn answers(&self, live: &Live) -> bool {
        let is_elsewhere = live.cluster == ClusterKind::Local && live.host != self.lease.identity().host.name;
        !is_elsewhere && !self.away.contains_key(&live.cluster)
    }

    /// Calls are told where something is told anyway: a tick that finds nothing new writes nothing.
    fn record_calls(&mut self) -> Result<(), Failure> {
        let mut asked = false;
        for (command, calls) in self.clusters.0.values_mut().flat_map(|cluster| cluster.calls()) {
            asked = true;
            *self.calls.entry(command).or_default() += calls;
        }
        if asked {
            *self.calls.entry("ticks".to_owned()).or_default() += 1;
        }
        if self.recorder.is_used() && !self.calls.is_empty() {
            let calls = std::mem::take(self.calls);
            self.record(SearcherRecord::ClusterCalled { calls })?;
        }
        Ok(())
    }

    fn record(&mut self, record: SearcherRecord) -> Result<(), Failure> {
        if !self.recorder.is_used() {
            self.recorder.open(seals(self.tx)?)?;
        }
        Ok(self.recorder.record(self.sweeps, record)?)
    }
}

/// What the first record of this tick's journal seals: the newest journal that this tick has read, at the length read,
/// and no other. What turned up since counts for nothing.
fn seals(tx: &Transaction<'_>) -> Result<Vec<Sealed>, Failure> {
    let Some(epoch) = tx.newest_epoch()? else { return Ok(Vec::new()) };
    Ok(vec![Sealed { epoch, length: tx.cursor(&JournalId::Searcher(epoch))?.offset }])
}

/// An evicted holder leaves without a trace.
fn still_mine(lease: &Lease) -> Result<(), Failure> {
    if lease.still_mine()? {
        return Ok(());
    }
    Err(Failure::say(
        FailureKind::LeaseHeld,
        format!("lease {} was taken over while this process held it", lease.epoch()),
        "nothing is lost: another one drives the campaign now",
    ))
}

/// Damage in a journal loses what lies behind it, and that only; it is told each time until somebody looks.
fn report(damage: &[Damage]) {
    for damage in damage {
        tracing::warn!("{damage}");
    }
}

/// What somebody left in `wanted/`.
pub fn wanted(campaign: &Campaign) -> Result<Vec<String>, FileError> {
    names(&campaign.wanted(), "")
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let kind = if error.is_unsafe() { FailureKind::NotSafe } else { FailureKind::Disk };
        Failure::because(kind, error)
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::File(error) => error.into(),
            JournalError::Damaged(damage) if damage.is_newer() => Failure::because(FailureKind::Ledger, damage),
            JournalError::Damaged(damage) => Failure::because(FailureKind::Disk, damage),
        }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        match error {
            ClusterError::File(error) => error.into(),
            ClusterError::Launcher { .. } | ClusterError::Refused(_) => Failure::because(FailureKind::Site, error),
            ClusterError::Away(_) | ClusterError::Limit(_) => Failure::because(FailureKind::Slurm, error),
        }
    }
}

/// Makes sure that somebody looks: leaves a file in `wanted/`.
pub fn want(campaign: &Campaign, name: &str) -> Result<(), FileError> {
    let path = campaign.wanted().join(name);
    std::fs::write(&path, b"").map_err(|source| FileError::new("write", Path::new(&path), source))
}
