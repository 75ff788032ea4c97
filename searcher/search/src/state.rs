//! What is known of one live sweep: the fold of the searcher's journal and of the slots' records that it observed.
//!
//! [`SweepState::searcher`] and [`SweepState::slot`] take records in the one order there is; nothing else changes the
//! state, so a rebuilt ledger and a replayed search end in the same one. Work that a decision is waiting for lies in
//! queues (`ended`, `orphans`, `complete`, `ready`), so that deciding costs what is new and not what there is. Decided
//! rungs are kept as counts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bandmaster_record::{
    ArrayNo, AttemptNo, AttemptRef, Cause, Grant, Host, JobId, LineageStep, Nonce, Number, Phase, Resource, RungNo, SearcherRecord,
    Seconds, Seen, Segment, SlotId, SlotRecord, Standing, SweepId, Timestamp, TrialId, rank,
};
use serde::{Deserialize, Serialize};

use crate::{Budget, Ladder, Spec, configuration, trial_seed};

/// One live sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepState {
    /// Its id.
    pub sweep: SweepId,
    /// What it searches, and how.
    pub spec: Spec,
    /// Its brackets and rungs.
    pub ladder: Ladder,
    /// What it is doing.
    pub phase: Phase,
    /// The brackets' rungs, in the ladder's order.
    pub brackets: Vec<BracketState>,
    /// The trials that still run or may run; what was not promoted is forgotten.
    pub trials: BTreeMap<TrialId, TrialState>,
    /// Slots whose journals are open.
    pub slots: BTreeMap<SlotId, SlotState>,
    /// Arrays that are not over.
    pub arrays: BTreeMap<ArrayNo, ArrayState>,
    /// Arrays in a row of which nothing ever began.
    pub barren: u32,
    /// What the cluster's last refusals say about the next submission.
    pub refused: Option<Refused>,
    /// So many tasks at most go into an array, where the cluster refused larger ones.
    pub most_tasks: Option<u32>,
    /// What somebody cancelled behind the searcher's back, in a sentence: nothing is submitted until a person says so.
    pub cancelled: Option<String>,
    /// The number of the last array.
    pub last_array: ArrayNo,
    /// How many trials were created: the next one's number.
    pub created: u32,
    /// Trials that failed for good.
    pub failed: u32,
    /// Seconds that completed segments took, and the resource they gained: the pace.
    pub pace: (Seconds, u64),
    /// The best result at each resource.
    pub best: BTreeMap<Resource, Standing>,
    /// Attempts that ended with a result, or were the last that their budget allows.
    pub(crate) ended: VecDeque<AttemptRef>,
    /// Attempts whose slot is gone.
    pub(crate) orphans: VecDeque<(AttemptRef, Cause, String)>,
    /// Rungs whose trials are all in.
    pub(crate) complete: BTreeSet<(u32, RungNo)>,
    /// Trials that need a grant.
    pub(crate) ready: BTreeSet<TrialId>,
    /// Grants that no slot is known to have taken.
    pub(crate) open: BTreeSet<AttemptRef>,
}

/// One bracket's rungs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BracketState {
    /// As far as the bracket has come; rungs above are not begun.
    pub rungs: Vec<RungState>,
}

/// One rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rung", rename_all = "snake_case")]
pub enum RungState {
    /// Its trials are coming in.
    Open {
        /// How many trials it has.
        members: u32,
        /// Those that are in, in order of acceptance.
        standings: Vec<Standing>,
    },
    /// It is decided.
    Decided {
        /// Trials with a result.
        finished: u32,
        /// Trials without.
        failed: u32,
        /// Trials that went on.
        promoted: u32,
    },
}

/// One trial that may still run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialState {
    /// Its bracket, by its place in the ladder.
    pub bracket: u32,
    /// The rung that it is at or on its way to.
    pub rung: RungNo,
    /// Attempts granted so far, over all rungs.
    pub attempts: u32,
    /// Grants given for the present rung.
    pub grants: u32,
    /// Where the newest grant stands.
    pub stage: Stage,
    /// Whose checkpoints may be resumed: the accepted grants of the rungs below.
    pub lineage: Vec<LineageStep>,
    /// The furthest checkpoint of the lineage.
    pub checkpointed: Resource,
    /// Whether the newest grant's attempt has brought a further checkpoint.
    pub advanced: bool,
    /// What was spent on this segment.
    pub budget: Budget,
}

/// Where a trial's newest grant stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// None is given.
    Waiting,
    /// It is given, and no slot is known to have taken it.
    Offered,
    /// A slot runs it.
    Running {
        /// Which.
        slot: SlotId,
    },
    /// Its attempt ended.
    Ended {
        /// How.
        cause: Cause,
        /// With which result.
        result: Option<Number>,
    },
    /// The trial is in at this rung.
    Settled,
}

/// One slot whose journal is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotState {
    /// The array it is a task of.
    pub array: ArrayNo,
    /// The task's number.
    pub task: u32,
    /// Its host.
    pub host: Host,
    /// Its process there.
    pub pid: u32,
    /// When that process started.
    pub start_time: u64,
    /// What it runs.
    pub running: Option<AttemptRef>,
}

/// One array that is not over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArrayState {
    /// The nonce of its submission.
    pub nonce: Nonce,
    /// How many tasks.
    pub tasks: u32,
    /// Its job id, once the cluster took it.
    pub job: Option<JobId>,
    /// Whether a slot of it has opened its journal; where its tasks have segments of their own, whether one has begun.
    pub began: bool,
    /// Task by task, the attempt that is reserved for it; empty where its tasks live from offers.
    pub reserved: Vec<AttemptRef>,
    /// So many of its tasks run at once; `None` for as many as the cluster runs.
    pub at_once: Option<u32>,
    /// Whether the job that ticks at its end was submitted, or refused.
    pub backed: bool,
    /// Whether it was told to stop: tasks that are cancelled then are no surprise.
    pub stopped: bool,
    /// How many tasks are in which state, as the cluster said last.
    pub states: BTreeMap<String, u32>,
    /// Tasks that are over, as far as the cluster said.
    pub over: BTreeSet<u32>,
    /// Tasks that are missing from complete listings: since when, by the clock of each host that looked.
    pub silent: BTreeMap<u32, Vec<(Host, Seconds)>>,
}

impl ArrayState {
    /// Tasks that run or may still run, where they have reservations.
    pub fn out(&self) -> u32 {
        self.reserved.len().saturating_sub(self.over.len()) as u32
    }

    /// Since when a task is missing, by the clock of that host.
    pub fn silent_since(&self, task: u32, observer: &Host) -> Option<Seconds> {
        self.silent.get(&task)?.iter().find(|(host, _)| host == observer).map(|(_, since)| *since)
    }
}

/// The cluster refused an array, since it has too many jobs of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// How many times in a row.
    pub times: u32,
    /// The next one is not tried before, unless a task ends.
    pub not_before: Timestamp,
    /// How many tasks were out then.
    pub out: u32,
}

impl SweepState {
    /// A sweep as it begins.
    pub fn new(sweep: SweepId, spec: Spec, ladder: Ladder) -> Self {
        let brackets = ladder
            .brackets
            .iter()
            .map(|bracket| BracketState {
                rungs: bracket.rungs.iter().take(1).map(|rung| RungState::Open { members: rung.trials, standings: Vec::new() }).collect(),
            })
            .collect();
        Self {
            sweep,
            spec,
            ladder,
            phase: Phase::Running,
            brackets,
            trials: BTreeMap::new(),
            slots: BTreeMap::new(),
            arrays: BTreeMap::new(),
            barren: 0,
            refused: None,
            most_tasks: None,
            cancelled: None,
            last_array: ArrayNo(0),
            created: 0,
            failed: 0,
            pace: (Seconds(0.0), 0),
            best: BTreeMap::new(),
            ended: VecDeque::new(),
            orphans: VecDeque::new(),
            complete: BTreeSet::new(),
            ready: BTreeSet::new(),
            open: BTreeSet::new(),
        }
    }

    /// Whether the sweep is over and nothing of it is out any more: no slot, no array.
    pub fn is_at_rest(&self) -> bool {
        self.phase.is_over() && self.slots.is_empty() && self.arrays.is_empty()
    }

    /// Grants that no slot is known to have taken, in no order.
    pub fn open_grants(&self) -> impl Iterator<Item = AttemptRef> + '_ {
        self.open.iter().copied()
    }

    /// The same, the most urgent first: higher rungs, since other trials wait for them; then the deepest bracket,
    /// since most rungs wait for it; then in the order of the trials.
    pub fn open_by_urgency(&self) -> Vec<AttemptRef> {
        let mut open: Vec<_> = self.open.iter().filter_map(|grant| Some((*grant, self.trials.get(&grant.trial)?))).collect();
        open.sort_by_key(|(grant, trial)| trial.urgency(grant.trial));
        open.into_iter().map(|(grant, _)| grant).collect()
    }

    /// Whether that grant is given and no slot is known to have taken it.
    pub fn is_open(&self, attempt: &AttemptRef) -> bool {
        self.open.contains(attempt)
    }

    /// Trials that wait for a grant.
    pub fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// The resource of a bracket's rung; 0 below the first.
    pub fn resource(&self, bracket: u32, rung: u32) -> Option<Resource> {
        Some(self.ladder.brackets.get(bracket as usize)?.rungs.get(rung as usize)?.resource)
    }

    /// All that a slot must know to run the segment of this attempt; `None` if the trial is not live.
    pub fn segment(&self, attempt: AttemptRef) -> Option<Segment> {
        let trial = self.trials.get(&attempt.trial)?;
        let target = self.resource(trial.bracket, attempt.rung.0)?;
        let from = match attempt.rung.0.checked_sub(1) {
            Some(below) => self.resource(trial.bracket, below)?,
            None => Resource(0),
        };
        let mut lineage = trial.lineage.clone();
        if let Some(earlier) = attempt.grant.0.checked_sub(1).filter(|&earlier| earlier > 0) {
            lineage.push(LineageStep { rung: attempt.rung, up_to: Grant(earlier) });
        }
        let (Seconds(seconds), gained) = self.pace;
        Some(Segment {
            attempt,
            params: configuration(&self.spec, attempt.trial),
            seed: trial_seed(self.spec.seed, attempt.trial),
            from,
            target,
            max_resource: self.spec.method.max_resource(),
            lineage,
            predicted: (gained > 0).then(|| Seconds(seconds / gained as f64 * (target.0 - from.0) as f64)),
        })
    }

    /// Takes one record of the searcher's journal.
    pub fn searcher(&mut self, record: &SearcherRecord) {
        match record {
            SearcherRecord::SlotGone { slot, cause, evidence, .. } => self.slot_over(slot, *cause, evidence),
            SearcherRecord::TrialCreated { trial, bracket, .. } => {
                self.created = self.created.max(trial.0.saturating_add(1));
                self.trials.insert(*trial, TrialState::new(*bracket));
                self.ready.insert(*trial);
            }
            SearcherRecord::Granted { attempt, .. } => {
                if let Some(trial) = self.trials.get_mut(&attempt.trial) {
                    trial.attempts = attempt.attempt.0;
                    trial.grants = attempt.grant.0;
                    trial.stage = Stage::Offered;
                    trial.advanced = false;
                    self.ready.remove(&attempt.trial);
                    self.open.insert(*attempt);
                }
            }
            SearcherRecord::AttemptLost { attempt, cause, .. } => {
                self.orphans.retain(|(orphan, ..)| orphan != attempt);
                self.attempt_over(attempt, *cause, None);
            }
            SearcherRecord::Accepted { attempt, value, .. } => self.settle(attempt, Some(*value)),
            SearcherRecord::SegmentFailed { attempt, .. } => {
                self.failed += 1;
                self.settle(attempt, None);
            }
            SearcherRecord::RungDecided { bracket, rung, ranking, promoted, .. } => {
                self.rung_decided(*bracket, *rung, ranking.len(), promoted)
            }
            SearcherRecord::PhaseChanged { phase, .. } => {
                self.phase = *phase;
                self.barren = 0;
                self.refused = None;
                self.cancelled = None;
                if *phase != Phase::Running {
                    self.arrays.values_mut().for_each(|array| array.stopped = true);
                }
            }
            SearcherRecord::ArrayIntended { array, nonce, tasks, reserved, at_once, .. } => {
                self.last_array = self.last_array.max(*array);
                self.arrays.insert(*array, ArrayState::intended(nonce.clone(), *tasks, reserved.clone(), *at_once));
            }
            SearcherRecord::ArraySubmitted { array, job, .. } => {
                if let Some(array) = self.arrays.get_mut(array) {
                    array.job = Some(job.clone());
                    self.refused = None;
                    self.most_tasks = None;
                }
            }
            SearcherRecord::ArrayRefused { array, not_before, .. } => self.array_refused(*array, *not_before),
            SearcherRecord::BackstopSubmitted { array, .. } => {
                if let Some(array) = self.arrays.get_mut(array) {
                    array.backed = true;
                }
            }
            SearcherRecord::ArraySeen { array, seen, observer, uptime, .. } => self.array_seen(*array, seen, observer, *uptime),
            SearcherRecord::ArrayAbandoned { array, .. } => {
                self.arrays.remove(array);
            }
            SearcherRecord::ArrayEnded { array, .. } => {
                // One that was taken back did not get to begin.
                if self.arrays.remove(array).is_some_and(|array| !array.began && !array.stopped) {
                    self.barren += 1;
                }
            }
            SearcherRecord::LeaseTaken { .. }
            | SearcherRecord::SweepSubmitted { .. }
            | SearcherRecord::RequestTaken { .. }
            | SearcherRecord::Observed { .. }
            | SearcherRecord::ClusterCalled { .. }
            | SearcherRecord::Unknown(_) => {}
        }
    }

    /// Takes one record of a slot's journal, when the searcher has observed it.
    pub fn slot(&mut self, slot: &SlotId, record: &SlotRecord) {
        // Who writes is not missing.
        if let Some(SlotState { array, task, .. }) = self.slots.get(slot)
            && let Some(array) = self.arrays.get_mut(array)
        {
            array.silent.remove(task);
        }
        match record {
            SlotRecord::SlotStarted { array, job, task, host, pid, start_time, .. } => {
                let started =
                    SlotState { array: *array, task: *task, host: host.clone(), pid: *pid, start_time: *start_time, running: None };
                // A task that somebody put back into the queue after its array was over: it is watched until its end.
                let array = self.arrays.entry(*array).or_insert_with(|| ArrayState::intended(slot.nonce(), 1, Vec::new(), None));
                // Only tasks of the array's owner open journals, whatever else was submitted for it.
                array.job = Some(job.clone());
                // Where a task has a segment of its own, only beginning that counts.
                if array.reserved.is_empty() {
                    array.began = true;
                    self.barren = 0;
                }
                self.slots.insert(slot.clone(), started);
            }
            SlotRecord::AttemptStarted { attempt, .. } => {
                self.barren = 0;
                let array = self.slots.get(slot).map(|state| state.array);
                if let Some(array) = array.and_then(|array| self.arrays.get_mut(&array)) {
                    array.began = true;
                }
                if let Some(state) = self.slots.get_mut(slot) {
                    state.running = Some(*attempt);
                }
                if let Some(trial) = self.current(attempt).filter(|trial| trial.stage == Stage::Offered) {
                    trial.stage = Stage::Running { slot: slot.clone() };
                    self.open.remove(attempt);
                }
            }
            SlotRecord::CheckpointPublished { attempt, resource, .. } => {
                if let Some(trial) = self.current(attempt)
                    && trial.checkpointed < *resource
                {
                    trial.checkpointed = *resource;
                    trial.advanced = true;
                }
            }
            SlotRecord::AttemptEnded { attempt, cause, result, usage, .. } => {
                if let Some(state) = self.slots.get_mut(slot) {
                    state.running = None;
                }
                if let (Some(_), Some(segment)) = (result, self.current(attempt).is_some().then(|| self.segment(*attempt)).flatten()) {
                    self.pace.0.0 += usage.wall.0;
                    self.pace.1 += segment.target.0 - segment.from.0;
                }
                self.attempt_over(attempt, *cause, *result);
            }
            SlotRecord::SlotEnded { why } => self.slot_over(slot, Cause::Lost, why),
            SlotRecord::Surroundings(_)
            | SlotRecord::Report { .. }
            | SlotRecord::CheckpointRefused { .. }
            | SlotRecord::Note { .. }
            | SlotRecord::Unknown(_) => {}
        }
    }

    /// The trial, if this attempt holds its newest grant and that is not settled: a higher grant fences the lower ones.
    fn current(&mut self, attempt: &AttemptRef) -> Option<&mut TrialState> {
        self.trials.get_mut(&attempt.trial).filter(|trial| {
            trial.rung == attempt.rung && trial.grants == attempt.grant.0 && matches!(trial.stage, Stage::Offered | Stage::Running { .. })
        })
    }

    /// An attempt that brought a result, or was the last that its budget allows, waits for a decision; any other
    /// makes its trial ready for the next grant.
    fn attempt_over(&mut self, attempt: &AttemptRef, cause: Cause, result: Option<Number>) {
        let allowed = self.spec.retries;
        let Some(trial) = self.current(attempt) else { return };
        trial.stage = Stage::Ended { cause, result };
        if result.is_none() {
            trial.budget.charge(cause, trial.advanced);
        }
        if result.is_some() || trial.budget.is_spent(allowed) {
            self.ended.push_back(*attempt);
        } else {
            self.ready.insert(attempt.trial);
        }
        self.open.remove(attempt);
    }

    /// Too many jobs of ours: later, and where none was out that could end, fewer at once.
    fn array_refused(&mut self, array: ArrayNo, not_before: Timestamp) {
        let Some(refused) = self.arrays.remove(&array) else { return };
        let out = self.tasks_out();
        if out == 0 {
            self.most_tasks = Some((refused.tasks / 2).max(1));
        }
        let times = self.refused.as_ref().map_or(0, |refused| refused.times).saturating_add(1);
        self.refused = Some(Refused { times, not_before, out });
    }

    fn array_seen(&mut self, number: ArrayNo, seen: &Seen, observer: &Host, uptime: Seconds) {
        let Some(array) = self.arrays.get_mut(&number) else { return };
        array.states.clone_from(&seen.states);
        for task in &seen.back {
            array.over.remove(task);
            array.silent.remove(task);
        }
        for task in &seen.silent {
            array.silent.entry(*task).or_default().push((observer.clone(), uptime));
        }
        for task in &seen.over {
            array.over.insert(*task);
            array.silent.remove(task);
        }
        if !array.stopped && !seen.cancelled.is_empty() && self.phase == Phase::Running {
            let (job, count) = (array.job.as_ref().map(JobId::as_str).unwrap_or_default(), seen.cancelled.len());
            let tasks = if count == 1 { "1 task was".to_owned() } else { format!("{count} tasks were") };
            self.cancelled = Some(format!("{tasks} cancelled outside of Bandmaster, of array {number} (job {job})"));
        }
    }

    /// Tasks with a reservation that the cluster has, and that run or may still run.
    pub fn tasks_out(&self) -> u32 {
        self.arrays.values().filter(|array| array.job.is_some()).map(ArrayState::out).sum()
    }

    fn slot_over(&mut self, slot: &SlotId, cause: Cause, evidence: &str) {
        let Some(running) = self.slots.remove(slot).and_then(|state| state.running) else { return };
        if self.current(&running).is_some() {
            self.orphans.push_back((running, cause, evidence.to_owned()));
        }
    }

    fn settle(&mut self, attempt: &AttemptRef, value: Option<Number>) {
        self.ended.retain(|ended| ended != attempt);
        self.ready.remove(&attempt.trial);
        let Some(trial) = self.trials.get_mut(&attempt.trial).filter(|trial| trial.rung == attempt.rung) else { return };
        trial.stage = Stage::Settled;
        trial.lineage.push(LineageStep { rung: attempt.rung, up_to: attempt.grant });
        let bracket = trial.bracket;
        let standing = Standing { trial: attempt.trial, value };
        if let (Some(_), Some(resource)) = (value, self.resource(bracket, attempt.rung.0)) {
            let best = self.best.entry(resource).or_insert(standing);
            if rank(self.spec.goal, &standing, best).is_lt() {
                *best = standing;
            }
        }
        let rung = self.brackets.get_mut(bracket as usize).and_then(|bracket| bracket.rungs.get_mut(attempt.rung.0 as usize));
        if let Some(RungState::Open { members, standings }) = rung {
            standings.push(standing);
            if standings.len() == *members as usize {
                self.complete.insert((bracket, attempt.rung));
            }
        }
    }

    fn rung_decided(&mut self, bracket: u32, rung: RungNo, members: usize, promoted: &[TrialId]) {
        self.complete.remove(&(bracket, rung));
        let Some(state) = self.brackets.get_mut(bracket as usize) else { return };
        let Some(here) = state.rungs.get_mut(rung.0 as usize) else { return };
        let RungState::Open { standings, .. } = here else { return };
        let failed = standings.iter().filter(|standing| standing.value.is_none()).count() as u32;
        let kept: BTreeSet<TrialId> = promoted.iter().copied().collect();
        for standing in standings.iter().filter(|standing| !kept.contains(&standing.trial)) {
            self.trials.remove(&standing.trial);
        }
        *here = RungState::Decided { finished: members as u32 - failed, failed, promoted: promoted.len() as u32 };
        if !promoted.is_empty() {
            state.rungs.push(RungState::Open { members: promoted.len() as u32, standings: Vec::new() });
        }
        for trial in promoted {
            if let Some(state) = self.trials.get_mut(trial) {
                state.climb();
                self.ready.insert(*trial);
            }
        }
    }
}

impl ArrayState {
    fn intended(nonce: Nonce, tasks: u32, reserved: Vec<AttemptRef>, at_once: Option<u32>) -> Self {
        Self {
            nonce,
            tasks,
            job: None,
            began: false,
            reserved,
            at_once,
            backed: false,
            stopped: false,
            states: BTreeMap::new(),
            over: BTreeSet::new(),
            silent: BTreeMap::new(),
        }
    }
}

impl TrialState {
    fn new(bracket: u32) -> Self {
        Self {
            bracket,
            rung: RungNo(0),
            attempts: 0,
            grants: 0,
            stage: Stage::Waiting,
            lineage: Vec::new(),
            checkpointed: Resource(0),
            advanced: false,
            budget: Budget::default(),
        }
    }

    fn climb(&mut self) {
        self.rung.0 += 1;
        self.grants = 0;
        self.stage = Stage::Waiting;
        self.budget = Budget::default();
    }

    /// The order of offers; less is sooner.
    pub(crate) fn urgency(&self, trial: TrialId) -> (Reverse<RungNo>, u32, TrialId) {
        (Reverse(self.rung), self.bracket, trial)
    }

    /// The next grant for this trial's present rung.
    pub(crate) fn next_grant(&self, trial: TrialId) -> AttemptRef {
        AttemptRef { trial, rung: self.rung, grant: Grant(self.grants + 1), attempt: AttemptNo(self.attempts + 1) }
    }
}

/// How far a sweep has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Segments that have a result or failed for good.
    pub settled: u64,
    /// Segments in all; those of failed trials that were never begun are not counted.
    pub planned: u64,
    /// The resource still to be spent, where segments are resumed.
    pub remaining: u64,
}

impl SweepState {
    /// How far it has come.
    pub fn progress(&self) -> Progress {
        let mut progress = Progress { settled: 0, planned: 0, remaining: 0 };
        for (plan, bracket) in self.ladder.brackets.iter().zip(&self.brackets) {
            let is_closed =
                bracket.rungs.len() < plan.rungs.len() && matches!(bracket.rungs.last(), Some(RungState::Decided { promoted: 0, .. }));
            let mut below = Resource(0);
            for (index, rung) in plan.rungs.iter().enumerate() {
                let (settled, members) = match bracket.rungs.get(index) {
                    Some(RungState::Open { members, standings }) => (standings.len() as u64, u64::from(*members)),
                    Some(RungState::Decided { finished, failed, .. }) => (u64::from(finished + failed), u64::from(finished + failed)),
                    None if is_closed => (0, 0),
                    None => (0, u64::from(rung.trials)),
                };
                progress.settled += settled;
                progress.planned += members;
                progress.remaining += (members - settled) * (rung.resource.0 - below.0);
                below = rung.resource;
            }
        }
        progress
    }
}
