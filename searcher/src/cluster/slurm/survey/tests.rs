//! What the judgement holds to, for answers that Slurm gave and for any that it could give.

use bandmaster_record::{AttemptNo, AttemptRef, ClusterKind, Grant, RungNo, SearcherRecord, SlotRecord, TrialId};
use bandmaster_search::SweepState;
use proptest::prelude::*;
use ulid::Ulid;

use super::super::{sacct, squeue};
use super::*;
use crate::campaignfile::Defaults;
use crate::sweepfile::SweepFile;

const SWEEP: &str = r#"
name = "t"
seed = 1
[objective]
metric = "loss"
goal = "minimize"
[method]
kind = "random"
trials = 9
max_resource = 1
[space]
x = { uniform = [0.0, 1.0] }
[trial]
command = ["./train", "{x}"]
"#;

/// When the array's nonce was drawn, in seconds since 1970; times in tests count from here.
const BEGIN: i64 = 1_770_000_000;
const JOB: &str = "100";
const ARRAY: ArrayNo = ArrayNo(1);
const LOST_AFTER: Seconds = Seconds(60.0);
/// The index of the row that stands for all tasks without one of their own.
const REST: u32 = u32::MAX;

/// An array of which one look after the other is judged.
#[derive(Debug, Clone)]
struct Case {
    live: Live,
    observer: Host,
    uptime: f64,
    /// squeue's answer, and sacct's.
    listing: String,
    rows: String,
}

impl Case {
    /// An array of so many tasks as job 100, of which squeue and sacct know nothing.
    fn new(tasks: u32) -> Self {
        let mut case = Self::unrecorded(tasks);
        case.record(SearcherRecord::ArraySubmitted { sweep: case.live.state.sweep.clone(), array: ARRAY, job: JOB.parse().unwrap() });
        case
    }

    /// The same, and nobody recorded which job it is.
    fn unrecorded(tasks: u32) -> Self {
        let SweepFile { search, trial, slurm, resources, ladder, .. } =
            SweepFile::parse("sweep.toml", SWEEP.as_bytes(), &Defaults::default()).sweep.unwrap();
        let live = Live {
            host: "login".to_owned(),
            state: SweepState::new("t-1".parse().unwrap(), search, ladder),
            settings: trial.to_settings("/t"),
            cluster: ClusterKind::Slurm,
            slots: u32::MAX,
            slurm,
            resources,
            most_tasks: None,
        };
        let mut case = Self { live, observer: host("login1"), uptime: 1000.0, listing: String::new(), rows: String::new() };
        let reserved = (0..tasks).map(|task| AttemptRef { trial: TrialId(task), rung: RungNo(0), grant: Grant(1), attempt: AttemptNo(1) });
        let (sweep, reserved) = (case.live.state.sweep.clone(), reserved.collect());
        case.record(SearcherRecord::ArrayIntended { sweep, array: ARRAY, nonce: nonce(0), tasks, reserved, at_once: None });
        case
    }

    fn record(&mut self, record: SearcherRecord) {
        self.live.state.searcher(&record);
    }

    /// A run of a task opened its journal so many seconds after the beginning.
    fn slot(&mut self, task: u32, began: i64) -> SlotId {
        let id: SlotId = format!("{JOB}_{task}.{}", nonce(began)).parse().unwrap();
        let started = SlotRecord::SlotStarted {
            slot: id.clone(),
            array: ARRAY,
            job: JOB.parse().unwrap(),
            task,
            host: host("n1"),
            pid: 1,
            start_time: 1,
            version: String::new(),
        };
        self.live.state.slot(&id, &started);
        id
    }

    /// What squeue lists from now on: indices with states, and with the reason behind a blank.
    fn queue(&mut self, tasks: &[(u32, &str)]) -> &mut Self {
        let line = |(index, state): &(u32, &str)| {
            let (state, reason) = state.split_once(' ').unwrap_or((state, "None"));
            let index = if *index == REST { "N/A".to_owned() } else { index.to_string() };
            format!("\u{1e}{}\n", [JOB, &index, "9", state, reason, "", "", &name()].join("\u{1f}"))
        };
        self.listing = tasks.iter().map(line).collect();
        self
    }

    /// What sacct tells from now on: what stands behind the job's id, the state, and when that run began.
    fn accounts(&mut self, rows: &[(&str, &str, i64)]) -> &mut Self {
        let line = |(index, state, start): &(&str, &str, i64)| {
            let start = if *start < 0 { "Unknown".to_owned() } else { (BEGIN + start).to_string() };
            format!("{JOB}{index}|{state}|0:0|{BEGIN}|{start}|Unknown|n1\n")
        };
        self.rows = rows.iter().map(line).collect();
        self
    }

    fn later(&mut self, seconds: f64) -> &mut Self {
        self.uptime += seconds;
        self
    }

    fn judged<T>(&self, judge: impl Fn(&Evidence<'_>, &Live) -> T) -> T {
        let (listing, rows) = (squeue::parse(&self.listing).unwrap(), sacct::parse(&self.rows).unwrap());
        let uptime = Seconds(self.uptime);
        judge(&Evidence { listing: &listing, rows: &rows, observer: &self.observer, uptime, lost_after: LOST_AFTER }, &self.live)
    }

    fn survey(&self) -> Survey {
        self.judged(|evidence, live| evidence.survey(live))
    }

    fn adopted(&self) -> Adopted {
        adopted(&squeue::parse(&self.listing).unwrap(), &self.live)
    }

    /// Whether sacct is asked about the array.
    fn asks(&self) -> bool {
        !self.judged(|evidence, live| evidence.unexplained(live)).is_empty()
    }

    /// One look, recorded as a tick records it. What it said of the array, and of slots.
    fn look(&mut self) -> (Seen, Vec<Gone>) {
        let survey = self.survey();
        let sweep = self.live.state.sweep.clone();
        for (array, seen) in survey.seen.clone() {
            let (observer, uptime) = (self.observer.clone(), Seconds(self.uptime));
            self.record(SearcherRecord::ArraySeen { sweep: sweep.clone(), array, seen, observer, uptime });
        }
        for Gone { slot, cause, evidence } in survey.gone.clone() {
            self.record(SearcherRecord::SlotGone { sweep: sweep.clone(), slot, cause, evidence });
        }
        (survey.seen.get(&ARRAY).cloned().unwrap_or_default(), survey.gone)
    }

    fn out(&self) -> u32 {
        self.live.state.arrays[&ARRAY].out()
    }
}

fn host(name: &str) -> Host {
    Host { name: name.to_owned(), boot_id: "b".to_owned() }
}

/// The nonce that was drawn so many seconds after the beginning.
fn nonce(after: i64) -> Nonce {
    let drawn = u64::try_from((BEGIN + after) * 1000).unwrap();
    Nonce::new(Ulid::from_parts(drawn, 7).to_string()).unwrap()
}

fn name() -> String {
    format!("t-1.1.{}", nonce(0))
}

fn gone(slot: &SlotId, cause: Cause) -> Vec<(SlotId, Cause)> {
    vec![(slot.clone(), cause)]
}

fn causes(gone: &[Gone]) -> Vec<(SlotId, Cause)> {
    gone.iter().map(|Gone { slot, cause, .. }| (slot.clone(), *cause)).collect()
}

#[test]
fn what_squeue_lists_is_where_squeue_says() {
    let mut case = Case::new(2);
    case.slot(0, 5);
    let failed = case.slot(1, 5);
    case.queue(&[(0, "RUNNING"), (1, "FAILED")]).accounts(&[("_0", "FAILED", 5), ("_1", "RUNNING", 5)]);
    let (seen, slots) = case.look();
    assert_eq!((seen.over, causes(&slots)), (vec![1], gone(&failed, Cause::Lost)));
    assert!(slots[0].evidence.contains("squeue says FAILED"), "{slots:?}");
    assert!(!case.asks());
}

#[test]
fn of_what_squeue_has_not_a_terminal_row_tells_the_end() {
    for (state, cause) in [("TIMEOUT", Cause::TimeLimit), ("PREEMPTED", Cause::Preempted), ("COMPLETED", Cause::Lost)] {
        let mut case = Case::new(1);
        let slot = case.slot(0, 5);
        assert!(case.asks());
        let (seen, slots) = case.accounts(&[("_0", state, 5)]).look();
        assert_eq!((seen.over, causes(&slots)), (vec![0], gone(&slot, cause)), "{state}");
        assert!(slots[0].evidence.contains(state), "{slots:?}");
    }
}

#[test]
fn a_row_of_a_run_that_goes_on_is_silence() {
    for state in ["RUNNING", "PENDING", "REQUEUED", "LEVITATING"] {
        let mut case = Case::new(1);
        case.slot(0, 5);
        let (seen, slots) = case.accounts(&[("_0", state, 5)]).look();
        assert_eq!((seen.silent, slots), (vec![0], vec![]), "{state}");
    }
}

#[test]
fn the_last_run_counts_and_not_the_row_that_comes_last() {
    let mut case = Case::new(1);
    case.accounts(&[("_0", "RUNNING", 200), ("_0", "PREEMPTED", 5)]);
    assert_eq!(case.look().0.silent, [0]);
    case.accounts(&[("_0", "PREEMPTED", 5), ("_0", "PENDING", -1)]);
    assert_eq!(case.look(), (Seen::default(), vec![]));
    case.accounts(&[("_0", "COMPLETED", 200), ("_0", "PREEMPTED", 5)]);
    assert_eq!(case.look().0.over, [0]);
}

#[test]
fn tasks_that_were_cancelled_before_they_began_share_a_row() {
    let mut case = Case::new(4);
    case.accounts(&[("_0", "COMPLETED", 5), ("_1", "RUNNING", 6), ("_[0-3%2]", "CANCELLED by 20001", 7)]);
    let (seen, _) = case.look();
    assert_eq!((seen.over, seen.cancelled, seen.silent), (vec![0, 2, 3], vec![2, 3], vec![1]));
}

#[test]
fn tasks_without_a_row_stand_where_the_row_of_the_array_says() {
    let mut case = Case::new(3);
    case.queue(&[(0, "RUNNING"), (REST, "CANCELLED")]);
    let (seen, _) = case.look();
    assert_eq!((seen.over, seen.cancelled, case.out()), (vec![1, 2], vec![1, 2], 1));
    assert_eq!(case.look(), (Seen::default(), vec![]));
}

#[test]
fn the_run_of_a_task_that_waits_again_is_over_and_the_task_is_not() {
    let mut case = Case::new(1);
    let slot = case.slot(0, 5);
    case.queue(&[(0, "PENDING BeginTime")]);
    // Only the accounts know why.
    assert!(case.asks());
    let (seen, slots) = case.clone().look();
    assert_eq!((seen.over, causes(&slots)), (vec![], gone(&slot, Cause::Lost)));
    let (_, slots) = case.accounts(&[("_0", "PREEMPTED", 5), ("_0", "PENDING", -1)]).look();
    assert_eq!((causes(&slots), case.out()), (gone(&slot, Cause::Preempted), 1));
}

#[test]
fn the_earlier_run_of_a_task_that_runs_again_is_over() {
    let mut case = Case::new(1);
    let (first, second) = (case.slot(0, 5), case.slot(0, 200));
    case.queue(&[(0, "RUNNING")]).accounts(&[("_0", "NODE_FAIL", 4), ("_0", "RUNNING", 199)]);
    assert!(case.asks());
    assert_eq!(causes(&case.look().1), gone(&first, Cause::NodeFailure));
    assert!(case.live.state.slots.contains_key(&second) && !case.asks());
}

#[test]
fn each_run_ended_as_its_own_row_says() {
    let mut case = Case::new(1);
    let (first, second) = (case.slot(0, 5), case.slot(0, 200));
    case.queue(&[(0, "PENDING BeginTime")]).accounts(&[("_0", "PREEMPTED", 4), ("_0", "NODE_FAIL", 199), ("_0", "PENDING", -1)]);
    assert_eq!(causes(&case.look().1), [(first, Cause::Preempted), (second, Cause::NodeFailure)]);
}

#[test]
fn an_unknown_state_is_kept_and_its_task_is_out() {
    let mut case = Case::new(2);
    case.slot(0, 5);
    case.queue(&[(0, "LEVITATING"), (1, "PENDING Resources")]);
    let (seen, slots) = case.later(1e6).look();
    assert_eq!(seen.states, [("LEVITATING".to_owned(), 1), ("PENDING (Resources)".to_owned(), 1)].into());
    assert_eq!((slots, case.out()), (vec![], 2));
}

#[test]
fn a_silent_task_is_lost_after_a_while_and_not_before() {
    let mut case = Case::new(1);
    let slot = case.slot(0, 5);
    assert_eq!(case.look(), (Seen { silent: vec![0], ..Seen::default() }, vec![]));
    assert_eq!(case.later(59.9).look(), (Seen::default(), vec![]));
    let (seen, slots) = case.later(0.1).look();
    assert_eq!((seen.over, causes(&slots)), (vec![0], gone(&slot, Cause::Lost)));
    assert!(slots[0].evidence.contains("60 s apart"), "{slots:?}");
}

#[test]
fn before_a_silent_task_is_lost_the_accounts_are_asked_once_more() {
    let mut case = Case::new(1);
    case.look();
    assert!(case.later(3600.0).asks());
    let (seen, _) = case.accounts(&[("_0", "CANCELLED by 0", 5)]).look();
    assert_eq!((seen.over, seen.cancelled), (vec![0], vec![0]));
    assert!(!case.asks());
}

#[test]
fn what_another_host_or_an_earlier_boot_saw_does_not_count() {
    let mut case = Case::new(1);
    case.look();
    case.observer = host("login2");
    assert_eq!(case.later(1e6).look(), (Seen { silent: vec![0], ..Seen::default() }, vec![]));
    case.observer = Host { boot_id: "another".to_owned(), ..host("login1") };
    case.uptime = 30.0;
    assert_eq!(case.look().0.silent, [0]);
    assert_eq!(case.later(60.0).look().0.over, [0]);
}

#[test]
fn who_writes_is_not_missing() {
    let mut case = Case::new(1);
    let slot = case.slot(0, 5);
    case.look();
    case.live.state.slot(&slot, &SlotRecord::Surroundings(Box::default()));
    assert_eq!(case.later(100.0).look(), (Seen { silent: vec![0], ..Seen::default() }, vec![]));
    assert_eq!(case.later(59.0).look(), (Seen::default(), vec![]));
}

#[test]
fn a_task_that_is_listed_again_is_no_longer_silent() {
    let mut case = Case::new(1);
    case.look();
    assert_eq!(case.queue(&[(0, "RUNNING")]).later(100.0).look().0.back, [0]);
    assert_eq!(case.queue(&[]).look().0.silent, [0]);
    assert_eq!(case.out(), 1);
}

#[test]
fn what_was_over_stays_over_when_slurm_forgets_it() {
    let mut case = Case::new(2);
    case.queue(&[(0, "COMPLETED"), (1, "RUNNING")]).look();
    case.queue(&[(1, "RUNNING")]);
    assert!(!case.asks());
    let (seen, _) = case.look();
    assert_eq!(seen, Seen { states: [("RUNNING".to_owned(), 1)].into(), ..Seen::default() });
    assert_eq!(case.out(), 1);
    // A journal that turns up late belongs to a run that is over.
    let late = case.slot(0, 5);
    assert_eq!(causes(&case.look().1), gone(&late, Cause::Lost));
}

#[test]
fn a_task_that_is_put_back_after_its_end_is_out_again() {
    let mut case = Case::new(1);
    case.queue(&[(0, "FAILED")]).look();
    assert_eq!(case.out(), 0);
    assert_eq!(case.queue(&[(0, "PENDING BeginTime")]).look().0.back, [0]);
    assert_eq!(case.out(), 1);
    assert_eq!(case.queue(&[(0, "COMPLETED")]).look().0.over, [0]);
}

#[test]
fn a_cancelled_task_is_told_once() {
    let mut case = Case::new(2);
    let running = case.slot(0, 5);
    case.queue(&[(0, "CANCELLED"), (1, "CANCELLED")]);
    let (seen, slots) = case.look();
    assert_eq!((seen.cancelled, causes(&slots)), (vec![0, 1], gone(&running, Cause::Cancelled)));
    assert_eq!(case.look(), (Seen::default(), vec![]));
    assert_eq!(case.queue(&[]).look().0.cancelled, Vec::<u32>::new());
}

#[test]
fn a_job_that_nobody_recorded_is_known_by_its_name() {
    let mut case = Case::unrecorded(1);
    assert_eq!(case.survey(), Survey::default());
    case.queue(&[(0, "PENDING Priority")]);
    assert_eq!(case.survey(), Survey::default());
    assert_eq!(case.adopted(), [(ARRAY, JOB.parse().unwrap())].into());
    assert!(!case.asks());
}

#[test]
fn an_array_belongs_to_the_job_whose_task_opened_a_journal() {
    let mut case = Case::unrecorded(1);
    case.record(SearcherRecord::ArraySubmitted { sweep: "t-1".parse().unwrap(), array: ARRAY, job: "99".parse().unwrap() });
    case.slot(0, 5);
    assert_eq!(case.queue(&[(0, "RUNNING")]).look().1, []);
    assert_eq!(case.live.state.arrays[&ARRAY].job, JOB.parse().ok());
}

#[test]
fn accounts_are_asked_from_the_intent_on() {
    let asked = Case::new(1).judged(|evidence, live| evidence.unexplained(live));
    assert_eq!(asked, [(JOB.parse().unwrap(), Timestamp(BEGIN * 1000))]);
}

const STATES: &[&str] = &[
    "PENDING",
    "CONFIGURING",
    "RUNNING",
    "COMPLETING",
    "SUSPENDED",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "PREEMPTED",
    "NODE_FAIL",
    "REQUEUED",
    "REQUEUE_HOLD",
    "SPECIAL_EXIT",
    "LEVITATING",
];

const TASKS: u32 = 4;

fn state() -> impl Strategy<Value = &'static str> {
    prop::sample::select(STATES)
}

/// What a row of accounts may be about: a task, or those that did not begin.
fn place() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["_0", "_1", "_2", "_3", "_[2-3]", ""][..])
}

prop_compose! {
    /// Any array, after any one look, with any slots, before any other look.
    fn cases()(
        slots in prop::collection::vec((0..TASKS, 0..100_i64), 0..6),
        writes in any::<bool>(),
        queues in [queue(), queue()],
        accounts in [accounts(), accounts()],
        by_another in any::<bool>(),
        later in 0.0..200.0,
    ) -> Case {
        let mut case = Case::new(TASKS - 1);
        let [first, second] = queues.map(|queue| queue.into_iter().collect::<Vec<_>>());
        case.queue(&first).accounts(&accounts[0]).look();
        let slots: Vec<SlotId> = slots.into_iter().map(|(task, began)| case.slot(task, began)).collect();
        case.look();
        if let Some(slot) = slots.first().filter(|_| writes) {
            case.live.state.slot(slot, &SlotRecord::Surroundings(Box::default()));
        }
        if by_another {
            case.observer = host("login2");
        }
        case.queue(&second).accounts(&accounts[1]).later(later);
        case
    }
}

fn queue() -> impl Strategy<Value = BTreeMap<u32, &'static str>> {
    prop::collection::btree_map(prop::sample::select(&[0, 1, 2, 3, REST][..]), state(), 0..5)
}

fn accounts() -> impl Strategy<Value = Vec<(&'static str, &'static str, i64)>> {
    prop::collection::vec((place(), state(), -1..100_i64), 0..6)
}

proptest! {
    #[test]
    fn no_slot_is_gone_whose_task_runs_and_has_no_newer_one(case in cases()) {
        let listing = squeue::parse(&case.listing).unwrap();
        for Gone { slot, evidence, .. } in case.survey().gone {
            let known = &case.live.state.slots[&slot];
            let newer = case.live.state.slots.iter().any(|(id, other)| other.task == known.task && id.nonce() > slot.nonce());
            let queued = listing.task(&JOB.parse().unwrap(), known.task).map(|queued| &queued.state);
            let may_run = queued.is_some_and(|state| !state.is_over() && !state.waits());
            prop_assert!(newer || !may_run, "{slot}: {queued:?}");
            prop_assert!(!evidence.is_empty());
        }
    }

    #[test]
    fn what_is_recorded_is_not_said_again(mut case in cases()) {
        case.look();
        prop_assert_eq!(case.survey(), Survey::default());
    }

    #[test]
    fn a_task_is_in_one_place(case in cases()) {
        for Seen { over, cancelled, silent, back, .. } in case.survey().seen.into_values() {
            let known = &case.live.state.arrays[&ARRAY];
            prop_assert!(over.iter().all(|task| !known.over.contains(task) && !silent.contains(task) && !back.contains(task)));
            prop_assert!(cancelled.iter().all(|task| over.contains(task)) && back.iter().all(|task| !silent.contains(task)));
        }
    }

    #[test]
    fn accounts_are_asked_wherever_their_answer_would_count(case in cases()) {
        let mut without = case.clone();
        without.rows.clear();
        prop_assert!(case.asks() || case.survey() == without.survey());
    }
}
