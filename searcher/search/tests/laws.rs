//! The laws of a search, whatever the cluster does: any order of arrival, any repetition, slots that die, pauses.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use bandmaster_record::{
    ArrayNo, AttemptRef, Cause, Execution, Goal, Host, JobId, Nonce, Number, Phase, Request, Resource, RungNo, SearcherRecord, Seconds,
    SlotId, SlotRecord, SweepId, TrialId, Usage,
};
use bandmaster_search::{Counts, Method, Site, Space, Spec, SweepState, decide, respond};
use proptest::prelude::*;

/// How one trial fares, whoever runs it: a result for each resource, or none.
type Outcome = fn(TrialId, Resource) -> Option<f64>;

/// What a run of a sweep came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Course {
    /// Who was promoted from each rung.
    promoted: BTreeMap<(u32, RungNo), BTreeSet<TrialId>>,
    /// How many each rung was to keep, and how many were ranked there.
    kept: BTreeMap<(u32, RungNo), (u32, usize, usize)>,
    /// Segments with an accepted result or a final failure.
    settled: BTreeSet<(TrialId, RungNo)>,
}

/// A cluster that does what a list of numbers says.
struct Storm {
    state: SweepState,
    course: Course,
    running: Vec<(SlotId, AttemptRef)>,
    past: Vec<(SlotId, SlotRecord)>,
    slots: u32,
    started: u32,
}

impl Storm {
    fn new(spec: &Spec, slots: u32) -> Self {
        let ladder = spec.ladder().unwrap();
        let state = SweepState::new(SweepId::new("storm", 1).unwrap(), spec.clone(), ladder);
        Self { state, course: Course::default(), running: Vec::new(), past: Vec::new(), slots, started: 0 }
    }

    fn record(&mut self, record: SearcherRecord) {
        match &record {
            SearcherRecord::Accepted { attempt, .. } | SearcherRecord::SegmentFailed { attempt, .. } => {
                assert!(self.course.settled.insert((attempt.trial, attempt.rung)), "{attempt} is settled twice");
            }
            SearcherRecord::RungDecided { bracket, rung, keep, ranking, promoted, .. } => {
                let usable = ranking.iter().filter(|ranked| ranked.value.is_some()).count();
                self.course.kept.insert((*bracket, *rung), (*keep, usable, promoted.len()));
                self.course.promoted.insert((*bracket, *rung), promoted.iter().copied().collect());
            }
            _ => {}
        }
        self.state.searcher(&record);
    }

    fn decide(&mut self) {
        for _ in 0..1000 {
            // As a cluster whose tasks wait in its queue until the sweep is over.
            let arrays = self.state.arrays.iter().filter(|_| !self.state.phase.is_over());
            let starting = arrays.map(|(array, known)| (*array, known.tasks)).collect();
            let site = Site { slots: self.slots, ahead: 4, nonce: Some(Nonce::new("n").unwrap()), starting, ..Site::default() };
            let decisions = decide(&self.state, &site);
            if decisions.is_empty() {
                return;
            }
            for decision in decisions {
                let array = if let SearcherRecord::ArrayIntended { array, .. } = &decision { Some(*array) } else { None };
                self.record(decision);
                if let Some(array) = array {
                    let sweep = self.state.sweep.clone();
                    self.record(SearcherRecord::ArraySubmitted { sweep, array, job: JobId::new("7").unwrap() });
                }
            }
        }
        panic!("decisions without end");
    }

    fn slot(&mut self, slot: &SlotId, record: SlotRecord) {
        self.state.slot(slot, &record);
        self.past.push((slot.clone(), record));
    }

    fn start(&mut self, choice: usize) {
        let open = self.state.open_by_urgency();
        let Some(attempt) = open.get(choice % open.len().max(1)).copied() else { return };
        if self.running.len() >= self.slots as usize {
            return;
        }
        self.started += 1;
        let slot = SlotId::new(format!("7_{}.n", self.started)).unwrap();
        let host = Host { name: "h".into(), boot_id: "b".into() };
        let version = String::new();
        let job = JobId::new("7").unwrap();
        self.slot(
            &slot,
            SlotRecord::SlotStarted { slot: slot.clone(), array: ArrayNo(1), job, task: 0, host, pid: 1, start_time: 1, version },
        );
        let execution = Box::new(Execution::default());
        let nonce = Nonce::new("n").unwrap();
        self.slot(
            &slot,
            SlotRecord::AttemptStarted { attempt, nonce, resumed_from: None, checkpoint: None, passed_over: vec![], execution },
        );
        self.running.push((slot, attempt));
    }

    fn end(&mut self, choice: usize, outcome: Outcome, cause: Option<Cause>) {
        if self.running.is_empty() {
            return;
        }
        let (slot, attempt) = self.running.swap_remove(choice % self.running.len());
        let target = self.state.segment(attempt).map(|segment| segment.target);
        let result = target.and_then(|target| outcome(attempt.trial, target)).filter(|_| cause.is_none()).map(Number);
        let cause = cause.unwrap_or(if result.is_some() { Cause::Completed } else { Cause::WrongExit });
        let usage = Usage { wall: Seconds(1.0), ..Usage::default() };
        self.slot(
            &slot,
            SlotRecord::AttemptEnded {
                attempt,
                cause,
                exit_code: None,
                signal: None,
                detail: String::new(),
                result,
                checkpointed: None,
                usage,
            },
        );
        self.slot(&slot, SlotRecord::SlotEnded { why: String::new() });
    }

    fn lose(&mut self, choice: usize) {
        if self.running.is_empty() {
            return;
        }
        let (slot, _) = self.running.swap_remove(choice % self.running.len());
        let sweep = self.state.sweep.clone();
        self.record(SearcherRecord::SlotGone { sweep, slot, cause: Cause::Lost, evidence: String::new() });
    }

    fn ask(&mut self, request: &Request) {
        if let (Some(phase), why) = respond(&self.state, request) {
            let sweep = self.state.sweep.clone();
            self.record(SearcherRecord::PhaseChanged { sweep, phase, why });
        }
    }

    /// Runs to the end, first as the numbers say, then quietly.
    fn run(mut self, storm: &[(u8, usize)], outcome: Outcome) -> (Course, SweepState) {
        let sweep = self.state.sweep.clone();
        let mut losses = 0;
        for &(what, choice) in storm {
            self.decide();
            match what % 16 {
                0..=5 => self.start(choice),
                6..=10 => self.end(choice, outcome, None),
                11 if losses < 15 => {
                    losses += 1;
                    self.lose(choice);
                }
                12 => self.end(choice, outcome, Some(Cause::Stopped)),
                13 => {
                    // Everything may be heard twice.
                    if let Some((slot, record)) = self.past.get(choice % self.past.len().max(1)).cloned()
                        && !matches!(record, SlotRecord::SlotStarted { .. })
                    {
                        self.state.slot(&slot, &record);
                    }
                }
                14 => self.ask(&Request::Pause { sweep: sweep.clone() }),
                _ => self.ask(&Request::Resume { sweep: sweep.clone() }),
            }
        }
        self.ask(&Request::Resume { sweep });
        for _ in 0..1_000_000 {
            self.decide();
            if self.state.phase == Phase::Finished {
                return (self.course, self.state);
            }
            self.start(0);
            self.end(0, outcome, None);
        }
        panic!("the sweep does not end");
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

fn all_fail(_: TrialId, _: Resource) -> Option<f64> {
    None
}

fn all_nan(_: TrialId, _: Resource) -> Option<f64> {
    Some(f64::NAN)
}

fn by_trial(trial: TrialId, _: Resource) -> Option<f64> {
    Some(f64::from(trial.0))
}

fn hyperband(max_resource: u64, eta: u32, counts: Counts, retries: u32) -> Spec {
    let method =
        Method::Hyperband { max_resource: Resource(max_resource), min_resource: Resource(1), eta, counts, repetitions: 1, anchors: 1 };
    Spec { seed: 1, goal: Goal::Minimize, method, space: Space { parameters: Vec::new() }, retries }
}

fn quiet(spec: &Spec, outcome: Outcome) -> Course {
    Storm::new(spec, 1).run(&[], outcome).0
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn the_promoted_sets_depend_on_the_results_alone(
        max_resource in 1..90u64,
        eta in 2..6u32,
        table_1 in any::<bool>(),
        slots in 1..9u32,
        storm in proptest::collection::vec((any::<u8>(), 0..1000usize), 0..400),
    ) {
        let spec = hyperband(max_resource, eta, if table_1 { Counts::Table1 } else { Counts::Algorithm1 }, 1);
        let (course, state) = Storm::new(&spec, slots).run(&storm, mixed);
        prop_assert_eq!(&course, &quiet(&spec, mixed));
        for (rung, &(keep, usable, promoted)) in &course.kept {
            prop_assert_eq!(promoted, usable.min(keep as usize), "kept number at {:?}", rung);
        }
        prop_assert_eq!(state.created, state.ladder.trials());
        prop_assert!(state.trials.is_empty(), "decided rungs leave no trial behind");
    }

    #[test]
    fn a_snapshot_goes_on_as_the_state_it_was_taken_of(
        cut in 0..300usize,
        storm in proptest::collection::vec((any::<u8>(), 0..1000usize), 300),
    ) {
        let spec = hyperband(27, 3, Counts::Algorithm1, 2);
        let (_, mut whole) = Storm::new(&spec, 3).run(&storm, mixed);
        let mut half = Storm::new(&spec, 3);
        for &(what, choice) in storm.iter().take(cut) {
            half.decide();
            match what % 3 {
                0 => half.start(choice),
                1 => half.end(choice, mixed, None),
                _ => half.lose(choice),
            }
        }
        let json = serde_json::to_string(&half.state).unwrap();
        half.state = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&serde_json::to_string(&half.state).unwrap(), &json);
        let (course, end) = half.run(&[], mixed);
        prop_assert_eq!(course.promoted, quiet(&spec, mixed).promoted);
        whole.pace = end.pace;
        prop_assert_eq!(end.best, whole.best);
    }
}

#[test]
fn a_sweep_in_which_everything_fails_ends() {
    let course = quiet(&hyperband(81, 3, Counts::Algorithm1, 2), all_fail);
    assert!(course.promoted.values().all(BTreeSet::is_empty));
    assert_eq!(course.settled.len(), 81 + 34 + 15 + 8 + 5 + 1);
}

#[test]
fn a_sweep_of_nan_keeps_its_numbers() {
    let course = quiet(&hyperband(27, 3, Counts::Algorithm1, 0), all_nan);
    let deepest: Vec<usize> = (0..4).map(|rung| course.promoted[&(0, RungNo(rung))].len()).collect();
    assert_eq!(deepest, [9, 3, 1, 0]);
    assert_eq!(course.promoted[&(0, RungNo(0))], (0..9).map(TrialId).collect(), "ties go to the lower number");
}

#[test]
fn the_best_are_promoted_and_nobody_else() {
    let course = quiet(&hyperband(81, 3, Counts::Table1, 0), by_trial);
    assert_eq!(course.promoted[&(0, RungNo(0))], (0..27).map(TrialId).collect());
    assert_eq!(course.promoted[&(0, RungNo(3))], [TrialId(0)].into());
    assert_eq!(course.promoted[&(1, RungNo(0))], (81..90).map(TrialId).collect());
}

#[test]
fn a_trial_that_kills_its_slot_again_and_again_ends() {
    let spec = hyperband(1, 2, Counts::Algorithm1, 2);
    let mut storm = Storm::new(&spec, 1);
    for _ in 0..1000 {
        storm.decide();
        storm.start(0);
        storm.lose(0);
    }
    storm.decide();
    assert_eq!(storm.state.phase, Phase::Finished);
    assert_eq!(storm.state.failed, 2, "the one trial and the anchor");
}

#[test]
fn slots_that_never_start_pause_the_sweep_and_a_resume_tries_again() {
    let spec = hyperband(9, 3, Counts::Algorithm1, 0);
    let mut storm = Storm::new(&spec, 2);
    let site = Site { slots: 2, ahead: 4, nonce: Some(Nonce::new("n").unwrap()), ..Site::default() };
    let mut arrays = 0;
    let mut turn = |storm: &mut Storm| {
        for decision in decide(&storm.state, &site) {
            let array = if let SearcherRecord::ArrayIntended { array, .. } = &decision { Some(*array) } else { None };
            storm.record(decision);
            if let Some(array) = array {
                arrays += 1;
                let sweep = storm.state.sweep.clone();
                storm.record(SearcherRecord::ArraySubmitted { sweep, array, job: JobId::new("7").unwrap() });
            }
        }
        arrays
    };
    let after = (0..100).map(|_| turn(&mut storm)).last();
    assert_eq!((after, storm.state.phase), (Some(3), Phase::Paused));
    let sweep = storm.state.sweep.clone();
    storm.ask(&Request::Resume { sweep });
    let after = (0..100).map(|_| turn(&mut storm)).last();
    assert_eq!((after, storm.state.phase), (Some(6), Phase::Paused));
}

#[test]
fn a_fenced_attempt_changes_nothing() {
    let spec = hyperband(1, 2, Counts::Algorithm1, 2);
    let mut storm = Storm::new(&spec, 1);
    storm.decide();
    storm.start(0);
    let (zombie, attempt) = storm.running[0].clone();
    storm.lose(0);
    storm.decide();
    storm.start(0);
    let (_, second) = storm.running[0].clone();
    assert_eq!((second.trial, second.grant.0, second.attempt.0), (attempt.trial, 2, 2));
    let ended = SlotRecord::AttemptEnded {
        attempt,
        cause: Cause::Completed,
        exit_code: Some(0),
        signal: None,
        detail: String::new(),
        result: Some(Number(-1.0)),
        checkpointed: None,
        usage: Usage::default(),
    };
    storm.slot(&zombie, ended);
    storm.decide();
    assert!(storm.course.settled.is_empty(), "the result of the lower grant is evidence");
    storm.end(0, by_trial, None);
    storm.decide();
    assert_eq!(storm.course.settled.len(), 1);
}

#[test]
fn a_cancelled_sweep_accepts_nothing_more() {
    let spec = hyperband(9, 3, Counts::Algorithm1, 0);
    let mut storm = Storm::new(&spec, 2);
    storm.decide();
    storm.start(0);
    let sweep = storm.state.sweep.clone();
    storm.ask(&Request::Cancel { sweep: sweep.clone() });
    storm.end(0, by_trial, None);
    storm.decide();
    assert!(storm.course.settled.is_empty());
    assert_eq!(respond(&storm.state, &Request::Resume { sweep }).0, None, "over is over");
    assert!(storm.state.is_at_rest(), "its arrays end with their slots");
}
