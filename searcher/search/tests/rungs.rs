//! The laws of rung arrays, whatever Slurm does with their tasks: preempt, requeue, cancel, lose, refuse.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use bandmaster_record::{
    ArrayNo, AttemptRef, Cause, Execution, Goal, Host, JobId, Nonce, Number, Phase, Request, Resource, RungNo, SearcherRecord, Seconds,
    Seen, SlotId, SlotRecord, SweepId, Timestamp, TrialId, Usage,
};
use bandmaster_search::{Counts, Layout, Method, Site, Space, Spec, SweepState, decide, respond};
use proptest::prelude::*;

/// Who was promoted from each rung.
type Promoted = BTreeMap<(u32, RungNo), BTreeSet<TrialId>>;

/// What Slurm knows of a task.
#[derive(Debug, Clone, PartialEq)]
enum Task {
    Waits,
    Runs(SlotId, AttemptRef),
    /// Whether somebody cancelled it.
    Over(bool),
}

/// A Slurm that does what a list of numbers says.
struct Slurm {
    state: SweepState,
    most_tasks: u32,
    tasks: BTreeMap<(ArrayNo, u32), Task>,
    promoted: Promoted,
    settled: BTreeSet<(TrialId, RungNo)>,
    executed: BTreeSet<AttemptRef>,
    slots: u32,
    clock: i64,
    refuse: bool,
}

fn host() -> Host {
    Host { name: "h".into(), boot_id: "b".into() }
}

fn nonce() -> Nonce {
    Nonce::new("n").unwrap()
}

impl Slurm {
    fn new(spec: &Spec, most_tasks: u32) -> Self {
        let state = SweepState::new(SweepId::new("storm", 1).unwrap(), spec.clone(), spec.ladder().unwrap());
        let (tasks, promoted, settled, executed) = Default::default();
        Self { state, most_tasks, tasks, promoted, settled, executed, slots: 0, clock: 0, refuse: false }
    }

    fn record(&mut self, record: SearcherRecord) {
        match &record {
            SearcherRecord::Accepted { attempt, .. } | SearcherRecord::SegmentFailed { attempt, .. } => {
                assert!(self.settled.insert((attempt.trial, attempt.rung)), "{attempt} is settled twice");
            }
            SearcherRecord::RungDecided { bracket, rung, promoted, .. } => {
                self.promoted.insert((*bracket, *rung), promoted.iter().copied().collect());
            }
            _ => {}
        }
        self.state.searcher(&record);
    }

    /// One tick: what squeue lists is recorded, then decided, then arrays are submitted.
    fn tick(&mut self) {
        self.clock += 1000;
        let sweep = self.state.sweep.clone();
        let over = |tasks: &BTreeMap<(ArrayNo, u32), Task>, array: ArrayNo, known: &BTreeSet<u32>| -> (Vec<u32>, Vec<u32>) {
            let new = tasks.iter().filter(|((number, task), _)| *number == array && !known.contains(task));
            let over =
                new.filter_map(|((_, task), state)| if let Task::Over(cancelled) = state { Some((*task, *cancelled)) } else { None });
            over.map(|(task, cancelled)| (task, cancelled.then_some(task))).fold(
                (vec![], vec![]),
                |(mut all, mut some), (task, cancelled)| {
                    all.push(task);
                    some.extend(cancelled);
                    (all, some)
                },
            )
        };
        let arrays: Vec<_> = self.state.arrays.iter().map(|(array, known)| (*array, over(&self.tasks, *array, &known.over))).collect();
        for (array, (over, cancelled)) in arrays.into_iter().filter(|(_, (over, _))| !over.is_empty()) {
            let seen = Seen { over, cancelled, ..Seen::default() };
            self.record(SearcherRecord::ArraySeen { sweep: sweep.clone(), array, seen, observer: host(), uptime: Seconds(1.0) });
        }
        for _ in 0..1000 {
            let layout = Layout::Rungs { most_tasks: self.most_tasks };
            let now = Timestamp(self.clock);
            let site = Site { layout, now, slots: u32::MAX, ahead: u32::MAX, nonce: Some(nonce()), ..Site::default() };
            let decisions = decide(&self.state, &site);
            if decisions.is_empty() {
                return self.submit();
            }
            decisions.into_iter().for_each(|decision| self.record(decision));
        }
        panic!("decisions without end");
    }

    fn submit(&mut self) {
        let sweep = self.state.sweep.clone();
        let intended: Vec<_> = self.state.arrays.iter().filter(|(_, array)| array.job.is_none()).map(|(number, _)| *number).collect();
        let mut refused = std::mem::take(&mut self.refuse);
        for (place, array) in intended.into_iter().enumerate() {
            if refused {
                let words = "too many jobs".to_owned();
                self.record(match place {
                    0 => SearcherRecord::ArrayRefused { sweep: sweep.clone(), array, words, not_before: Timestamp(self.clock + 5000) },
                    _ => SearcherRecord::ArrayAbandoned { sweep: sweep.clone(), array, why: words },
                });
                continue;
            }
            refused = false;
            let reserved = self.state.arrays[&array].reserved.clone();
            assert!(!reserved.is_empty() && reserved.len() <= self.most_tasks as usize, "{} tasks", reserved.len());
            assert_eq!(reserved.iter().map(|attempt| attempt.rung).collect::<BTreeSet<_>>().len(), 1, "an array is of one rung");
            let job = JobId::new(array.to_string()).unwrap();
            self.record(SearcherRecord::ArraySubmitted { sweep: sweep.clone(), array, job });
            self.tasks.extend((0..reserved.len() as u32).map(|task| ((array, task), Task::Waits)));
        }
        self.assert_nothing_is_there_twice();
    }

    /// A segment has one task at most that is not over.
    fn assert_nothing_is_there_twice(&self) {
        let mut there = BTreeSet::new();
        for (number, array) in &self.state.arrays {
            for (task, attempt) in (0..).zip(&array.reserved) {
                let out = self.tasks.get(&(*number, task)).is_some_and(|state| !matches!(state, Task::Over(_)));
                assert!(!out || there.insert((attempt.trial, attempt.rung)), "{attempt} has two tasks");
            }
        }
    }

    fn of(&self, what: fn(&Task) -> bool, choice: usize) -> Option<(ArrayNo, u32)> {
        let found: Vec<_> = self.tasks.iter().filter(|(_, task)| what(task)).map(|(id, _)| *id).collect();
        found.get(choice % found.len().max(1)).copied()
    }

    /// A waiting task begins: it takes its segment's newest grant, and without one it ends.
    fn start(&mut self, choice: usize) {
        let Some(id) = self.of(|task| *task == Task::Waits, choice) else { return };
        let (array, task) = id;
        let reserved = self.state.arrays.get(&array).and_then(|array| array.reserved.get(task as usize)).copied();
        let grant = reserved.and_then(|reserved| {
            self.state
                .open_grants()
                .find(|open| (open.trial, open.rung) == (reserved.trial, reserved.rung) && !self.executed.contains(open))
        });
        let Some(attempt) = grant.filter(|_| self.state.phase == Phase::Running) else {
            self.tasks.insert(id, Task::Over(false));
            return;
        };
        assert!(self.executed.insert(attempt), "each grant is executed once");
        self.slots += 1;
        let slot = SlotId::new(format!("{array}_{task}.{:026}", self.slots)).unwrap();
        let job = JobId::new(array.to_string()).unwrap();
        let version = String::new();
        let started = SlotRecord::SlotStarted { slot: slot.clone(), array, job, task, host: host(), pid: 1, start_time: 1, version };
        self.state.slot(&slot, &started);
        let execution = Box::new(Execution::default());
        let begun =
            SlotRecord::AttemptStarted { attempt, nonce: nonce(), resumed_from: None, checkpoint: None, passed_over: vec![], execution };
        self.state.slot(&slot, &begun);
        self.tasks.insert(id, Task::Runs(slot, attempt));
    }

    /// A running task ends: with a result, or with a cause; and is over, or waits again.
    fn end(&mut self, choice: usize, cause: Option<Cause>, then: Task) {
        let Some(id) = self.of(|task| matches!(task, Task::Runs(..)), choice) else { return };
        let Some(Task::Runs(slot, attempt)) = self.tasks.insert(id, then) else { return };
        let target = self.state.segment(attempt).map(|segment| segment.target);
        let result = target.and_then(|target| mixed(attempt.trial, target)).filter(|_| cause.is_none()).map(Number);
        let cause = cause.unwrap_or(if result.is_some() { Cause::Completed } else { Cause::WrongExit });
        let (detail, usage) = (String::new(), Usage::default());
        let ended = SlotRecord::AttemptEnded { attempt, cause, exit_code: None, signal: None, detail, result, checkpointed: None, usage };
        self.state.slot(&slot, &ended);
        self.state.slot(&slot, &SlotRecord::SlotEnded { why: String::new() });
    }

    /// A running task dies without a word, and Slurm says so.
    fn lose(&mut self, choice: usize, then: Task) {
        let Some(id) = self.of(|task| matches!(task, Task::Runs(..)), choice) else { return };
        let Some(Task::Runs(slot, _)) = self.tasks.insert(id, then) else { return };
        let sweep = self.state.sweep.clone();
        self.record(SearcherRecord::SlotGone { sweep, slot, cause: Cause::NodeFailure, evidence: String::new() });
    }

    fn ask(&mut self, request: &Request) {
        if let (Some(phase), why) = respond(&self.state, request) {
            let sweep = self.state.sweep.clone();
            self.record(SearcherRecord::PhaseChanged { sweep, phase, why });
        }
    }

    fn run(mut self, storm: &[(u8, usize)]) -> Promoted {
        let sweep = self.state.sweep.clone();
        let mut losses = 0;
        for &(what, choice) in storm {
            if choice % 3 > 0 {
                self.tick();
            }
            match what % 16 {
                0..=5 => self.start(choice),
                6..=8 => self.end(choice, None, Task::Over(false)),
                9 => self.end(choice, Some(Cause::Stopped), Task::Waits),
                10 => self.end(choice, Some(Cause::Stopped), Task::Over(false)),
                11 | 12 if losses < 15 => {
                    losses += 1;
                    self.lose(choice, if what % 2 == 0 { Task::Waits } else { Task::Over(false) });
                }
                13 => {
                    if let Some(id) = self.of(|task| *task == Task::Waits, choice) {
                        self.tasks.insert(id, Task::Over(true));
                    }
                }
                14 => self.refuse = true,
                _ => self.ask(&Request::Resume { sweep: sweep.clone() }),
            }
        }
        for _ in 0..100_000 {
            self.tick();
            if self.state.phase == Phase::Finished {
                self.tasks.values_mut().for_each(|task| *task = Task::Over(false));
                self.tick();
                assert!(self.state.is_at_rest());
                return self.promoted;
            }
            self.ask(&Request::Resume { sweep: sweep.clone() });
            self.start(0);
            self.end(0, None, Task::Over(false));
        }
        panic!("the sweep does not end: {:?}", self.state);
    }
}

/// Deterministic, in no order, with failures, NaN and ties.
fn mixed(trial: TrialId, resource: Resource) -> Option<f64> {
    let hash = (trial.0 as u64 * 2_654_435_761 + resource.0 * 40_503) % 1009;
    match hash % 11 {
        0 => None,
        1 => Some(f64::NAN),
        2 => Some(0.5),
        _ => Some(hash as f64 / 1009.0),
    }
}

fn hyperband(max_resource: u64) -> Spec {
    let (min_resource, max_resource) = (Resource(1), Resource(max_resource));
    let method = Method::Hyperband { max_resource, min_resource, eta: 3, counts: Counts::Algorithm1, repetitions: 1, anchors: 1 };
    Spec { seed: 1, goal: Goal::Minimize, method, space: Space { parameters: Vec::new() }, retries: 1 }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn no_segment_has_two_tasks_and_the_promoted_sets_are_the_same(
        max_resource in 1..30u64,
        most_tasks in 1..9u32,
        storm in proptest::collection::vec((any::<u8>(), 0..1000usize), 0..400),
    ) {
        let spec = hyperband(max_resource);
        prop_assert_eq!(Slurm::new(&spec, most_tasks).run(&storm), Slurm::new(&spec, 1000).run(&[]));
    }
}

#[test]
fn each_rung_is_one_array() {
    let mut slurm = Slurm::new(&hyperband(9), 1000);
    slurm.tick();
    let sizes: Vec<u32> = slurm.state.arrays.values().map(|array| array.tasks).collect();
    assert_eq!(sizes, [9, 5, 3, 1], "three brackets and the anchor");
}

#[test]
fn what_somebody_cancelled_pauses_the_sweep_and_is_not_submitted_again() {
    let mut slurm = Slurm::new(&hyperband(9), 1000);
    slurm.tick();
    slurm.tasks.insert((ArrayNo(1), 4), Task::Over(true));
    let arrays = slurm.state.last_array;
    slurm.tick();
    assert_eq!((slurm.state.phase, slurm.state.last_array), (Phase::Paused, arrays));
    let sweep = slurm.state.sweep.clone();
    slurm.ask(&Request::Resume { sweep });
    slurm.tick();
    assert_eq!((slurm.state.phase, slurm.state.last_array.0), (Phase::Running, arrays.0 + 1));
}

#[test]
fn arrays_that_a_pause_took_back_are_no_arrays_that_never_start() {
    let mut slurm = Slurm::new(&hyperband(9), 1000);
    slurm.tick();
    let out = slurm.state.last_array.0;
    for request in [|sweep| Request::Pause { sweep }, |sweep| Request::Resume { sweep }] {
        let sweep = slurm.state.sweep.clone();
        slurm.ask(&request(sweep));
    }
    slurm.tasks.values_mut().for_each(|task| *task = Task::Over(true));
    slurm.tick();
    assert_eq!((slurm.state.phase, slurm.state.last_array.0), (Phase::Running, 2 * out));
}

#[test]
fn a_refusal_is_waited_out_and_what_can_never_pass_is_made_smaller() {
    let mut slurm = Slurm::new(&hyperband(9), 1000);
    slurm.refuse = true;
    slurm.tick();
    assert!(slurm.state.arrays.is_empty());
    let tried = slurm.state.last_array;
    slurm.tick();
    assert_eq!(slurm.state.last_array, tried, "not before its time");
    slurm.clock += 5000;
    slurm.tick();
    assert_eq!(slurm.state.arrays.values().map(|array| array.tasks).max(), Some(4), "half of nine");
}
