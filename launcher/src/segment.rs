//! The life of one attempt as a state machine: events in, actions out, time given by the caller.
//!
//! It decides when the trial is asked to stop, when it is killed, how its end is called and whether it has a result. It
//! starts no process and reads no clock, so that every course of events can be tested without waiting for it.

use std::collections::BTreeMap;
use std::time::Duration;

use bandmaster_record::{Cause, Number, Resource};
use nix::sys::signal::Signal;

use crate::wire::{Exit, StopReason};

/// What the attempt is measured by.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The resource where its result stands.
    pub target: Resource,
    /// The objective's name.
    pub metric: String,
    /// How long the trial may run, from its start.
    pub time: Option<Duration>,
    /// How long it may take to stop before it is killed.
    pub grace: Duration,
    /// How long its agent has to start it, where its job ends at some time.
    pub start: Option<Duration>,
}

/// How long a trial is left alone while it is found out why it must stop.
const HEARING: Duration = Duration::from_millis(500);

/// How long a trial that was killed may take to go: a process that waits for a device can take for ever.
const GOING: Duration = Duration::from_secs(10);

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// The trial's process runs.
    Started,
    /// It reported.
    Report(Resource, &'a BTreeMap<String, Number>),
    /// Somebody asks for the attempt's end: pause, cancel, a signal. `None` while it is being found out why: the trial is
    /// asked to stop soon in any case, and the reason is corrected when it comes later than that.
    StopAsked(Option<&'a Notice>),
    /// Time passed; sent when [`Machine::deadline`] is reached.
    Passed,
    /// The trial's process ended; how follows, though it may take a while.
    Left,
    /// The trial's process ended, and everything that it started is gone.
    Ended(&'a Exit),
    /// There never was a process; why, as a sentence.
    CannotStart(&'a str),
    /// The agent is gone and has not said how the trial ended: what is known of the cause, and why, as a sentence.
    AgentGone(Cause, &'a str),
}

/// Why a trial must stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The reason.
    pub reason: StopReason,
    /// What is left until all is killed, where it is known.
    pub left: Option<Duration>,
    /// What tells so, for people.
    pub evidence: String,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask the trial to checkpoint and leave; a second time when the reason, and with it the time, was not known at the first.
    Stop {
        /// Why.
        reason: StopReason,
        /// How long it has before it is killed.
        grace: Duration,
    },
    /// Kill its process group.
    Kill,
    /// The attempt is over.
    Finish(Verdict),
    /// It is over although nobody said so: its agent is to be dropped, with all that is left.
    Abandon(Verdict),
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The cause.
    pub cause: Cause,
    /// The exit code, if the process exited.
    pub exit_code: Option<i32>,
    /// The signal, if one ended it.
    pub signal: Option<i32>,
    /// One sentence for people.
    pub detail: String,
    /// The objective at the target, where the cause is `completed`.
    pub result: Option<Number>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Starting,
    Running {
        since: Duration,
    },
    /// It is to stop, and it is being found out why.
    Asked {
        until: Duration,
    },
    Stopping {
        kill_at: Duration,
    },
    Killed {
        at: Duration,
    },
    Over,
}

/// The state machine of one attempt.
#[derive(Debug)]
pub struct Machine {
    rules: Rules,
    phase: Phase,
    /// Why it was asked to stop, and how long it was given.
    stop: Option<(Notice, Duration)>,
    /// Whether the reason may still be corrected.
    guessed: bool,
    /// Whether its process is gone.
    left: bool,
    result: Option<Number>,
    /// The last report of all, to explain a missing result.
    last: Option<(Resource, Vec<String>)>,
}

impl Machine {
    /// An attempt whose agent was told to start the trial.
    pub fn new(rules: Rules) -> Self {
        Self { rules, phase: Phase::Starting, stop: None, guessed: false, left: false, result: None, last: None }
    }

    /// When [`Event::Passed`] is due, on the caller's clock; `None` while nothing waits for time.
    pub fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Running { since } => self.rules.time.map(|time| since + time),
            Phase::Asked { until } => Some(until),
            Phase::Stopping { kill_at } => Some(kill_at),
            Phase::Starting => self.rules.start,
            Phase::Killed { at } if !self.left => Some(at + GOING),
            Phase::Killed { .. } | Phase::Over => None,
        }
    }

    /// Takes one event at the time `now` of the caller's clock. An attempt that is over answers nothing more.
    pub fn handle(&mut self, now: Duration, event: Event<'_>) -> Option<Action> {
        match (self.phase, event) {
            (Phase::Over, _) => None,
            (Phase::Starting, Event::Started) => {
                self.phase = Phase::Running { since: now };
                None
            }
            (_, Event::Started) => None,
            (_, Event::Report(resource, metrics)) => {
                self.report(resource, metrics);
                None
            }
            (Phase::Starting | Phase::Running { .. }, Event::StopAsked(None)) => {
                self.phase = Phase::Asked { until: now + HEARING };
                None
            }
            (Phase::Starting | Phase::Running { .. } | Phase::Asked { .. }, Event::StopAsked(Some(notice))) => {
                Some(self.stop(now, notice.clone()))
            }
            (_, Event::StopAsked(notice)) => self.correct(now, notice?),
            (_, Event::Passed) => self.passed(now),
            (_, Event::Left) => {
                self.left = true;
                None
            }
            (_, Event::Ended(exit)) => Some(Action::Finish(self.finish(exit))),
            (_, Event::CannotStart(why)) => Some(Action::Finish(self.over(Cause::CannotStart, None, None, why.to_owned()))),
            (_, Event::AgentGone(cause, why)) => Some(Action::Finish(self.lost(cause, why))),
        }
    }

    fn report(&mut self, resource: Resource, metrics: &BTreeMap<String, Number>) {
        if resource == self.rules.target
            && let Some(value) = metrics.get(&self.rules.metric)
        {
            self.result = Some(*value);
        }
        self.last = Some((resource, metrics.keys().cloned().collect()));
    }

    /// The trial never has longer than the scheduler leaves.
    fn stop(&mut self, now: Duration, notice: Notice) -> Action {
        let grace = notice.left.map_or(self.rules.grace, |left| left.min(self.rules.grace));
        let reason = notice.reason;
        self.phase = Phase::Stopping { kill_at: now + grace };
        self.stop = Some((notice, grace));
        Action::Stop { reason, grace }
    }

    /// The reason has come after the trial was asked to stop: it is told again, with what is left of its time.
    fn correct(&mut self, now: Duration, notice: &Notice) -> Option<Action> {
        let (Some((guess, grace)), true) = (&mut self.stop, self.guessed) else { return None };
        *guess = notice.clone();
        self.guessed = false;
        let Phase::Stopping { kill_at } = &mut self.phase else { return None };
        let end = notice.left.map_or(*kill_at, |left| (now + left).min(*kill_at));
        *grace = grace.saturating_sub(kill_at.saturating_sub(end));
        *kill_at = end;
        Some(Action::Stop { reason: notice.reason, grace: end.saturating_sub(now) })
    }

    fn passed(&mut self, now: Duration) -> Option<Action> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match self.phase {
            Phase::Running { .. } => {
                let evidence =
                    self.rules.time.map_or_else(String::new, |time| format!("it had {} s", (time.as_secs_f64() * 10.0).round() / 10.0));
                Some(self.stop(now, Notice { reason: StopReason::TimeLimit, left: None, evidence }))
            }
            Phase::Asked { .. } => {
                self.guessed = true;
                let evidence = "why is not known".to_owned();
                Some(self.stop(now, Notice { reason: StopReason::Asked, left: None, evidence }))
            }
            Phase::Stopping { .. } => {
                self.phase = Phase::Killed { at: now };
                Some(Action::Kill)
            }
            // There is no trial to be asked to stop.
            Phase::Starting => Some(Action::Abandon(self.lost(Cause::Lost, "its agent had not started it when its job was about to end"))),
            Phase::Killed { .. } => Some(Action::Abandon(self.lost(Cause::Lost, "it did not go when it was killed"))),
            Phase::Over => None,
        }
    }

    fn finish(&mut self, exit: &Exit) -> Verdict {
        let (cause, detail) = match &self.stop {
            stop if self.result.is_some() && (stop.is_some() || exit.code == Some(0)) => (Cause::Completed, self.completed()),
            Some((notice, grace)) if matches!(self.phase, Phase::Killed { .. }) => {
                let end = format!("it did not leave within {} s and was killed", grace.as_secs_f64());
                (notice.reason.cause(), stopped(notice, &end))
            }
            Some((notice, _)) => (notice.reason.cause(), stopped(notice, "it left")),
            None => self.by_itself(exit),
        };
        self.over(cause, exit.code, exit.signal, detail)
    }

    /// With its agent the trial is gone too. Where it had been asked to stop, that is why.
    fn lost(&mut self, cause: Cause, why: &str) -> Verdict {
        let (cause, detail) = match &self.stop {
            Some(_) if self.result.is_some() => (Cause::Completed, self.completed()),
            Some((notice, _)) => (notice.reason.cause(), stopped(notice, why)),
            None => (cause, why.to_owned()),
        };
        self.over(cause, None, None, detail)
    }

    /// The cause of an end that nobody asked for and that leaves no valid result.
    fn by_itself(&self, exit: &Exit) -> (Cause, String) {
        if let Some(sign) = &exit.out_of_memory {
            let end = exit.code.filter(|code| *code != 137).map_or_else(String::new, |code| format!(", and it exited with {code}"));
            return (Cause::OutOfMemory, format!("it or a child of it was killed for its memory: {sign}{end}"));
        }
        match (exit.code, exit.signal) {
            (Some(0), _) => (Cause::NoResult, self.no_result()),
            (Some(code @ (126 | 127)), _) if exit.shell => {
                (Cause::WrongExit, format!("it exited with {code}: if its log says so, the shell of `setup` did not find the program"))
            }
            (Some(code), _) => (Cause::WrongExit, format!("it exited with {code}; its log says more")),
            (None, Some(signal)) => (Cause::Signal, format!("it was ended by {}, which none of ours sent", signal_name(signal))),
            (None, None) => (Cause::Unknown, "how it ended is not known".to_owned()),
        }
    }

    fn completed(&self) -> String {
        format!("it reported `{}` at {}", self.rules.metric, self.rules.target)
    }

    fn no_result(&self) -> String {
        let Rules { metric, target, .. } = &self.rules;
        match &self.last {
            None => format!("it exited with 0 and never reported: `{metric}` at {target} is missing"),
            Some((at, names)) if at == target => {
                format!("it exited with 0 and reported at {target}, but no `{metric}`: only {}", names.join(", "))
            }
            Some((at, _)) => format!("it exited with 0 and did not report `{metric}` at {target}: its last report was at {at}"),
        }
    }

    fn over(&mut self, cause: Cause, exit_code: Option<i32>, signal: Option<i32>, detail: String) -> Verdict {
        self.phase = Phase::Over;
        let result = if cause == Cause::Completed { self.result } else { None };
        Verdict { cause, exit_code, signal, detail, result }
    }
}

/// Why it was asked to stop, and how it ended.
fn stopped(notice: &Notice, end: &str) -> String {
    let why = match notice.reason {
        StopReason::Asked => "it was asked to stop",
        StopReason::TimeLimit => "its time was over",
        StopReason::Preempted => "its node was taken for another job",
        StopReason::Cancelled => "its job was cancelled in Slurm",
    };
    let evidence = &notice.evidence;
    if evidence.is_empty() { format!("{why}, and {end}") } else { format!("{why}, and {end} ({evidence})") }
}

/// A signal's name with its number: `SIGKILL (9)`.
pub fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => format!("{signal} ({number})"),
        Err(_) => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn machine(time: Option<u64>) -> Machine {
        Machine::new(Rules { target: Resource(3), metric: "loss".into(), time: time.map(s), grace: s(10), start: None })
    }

    fn metrics(name: &str, value: f64) -> BTreeMap<String, Number> {
        [(name.to_owned(), Number(value))].into()
    }

    fn code(code: i32) -> Exit {
        Exit { code: Some(code), ..Exit::default() }
    }

    fn signal(signal: i32) -> Exit {
        Exit { signal: Some(signal), ..Exit::default() }
    }

    /// Runs the machine, reporting `reports`, then ends it by itself.
    fn ended(reports: &[(u64, &str, f64)], exit: &Exit) -> Verdict {
        let mut machine = machine(None);
        machine.handle(s(0), Event::Started);
        for (at, name, value) in reports {
            assert_eq!(machine.handle(s(1), Event::Report(Resource(*at), &metrics(name, *value))), None);
        }
        verdict(machine.handle(s(2), Event::Ended(exit)))
    }

    fn asked() -> Notice {
        Notice { reason: StopReason::Asked, left: None, evidence: "by SIGINT (2)".into() }
    }

    fn preempted(left: u64) -> Notice {
        Notice { reason: StopReason::Preempted, left: Some(s(left)), evidence: "Slurm says so".into() }
    }

    fn stop(reason: StopReason, grace: u64) -> Option<Action> {
        Some(Action::Stop { reason, grace: s(grace) })
    }

    fn verdict(action: Option<Action>) -> Verdict {
        let Some(Action::Finish(verdict)) = action else { panic!("not finished: {action:?}") };
        verdict
    }

    #[test]
    fn the_last_report_at_exactly_the_target_counts() {
        let verdict = ended(&[(1, "loss", 9.0), (3, "loss", 2.0), (3, "loss", 1.0), (4, "loss", 0.0), (2, "loss", 5.0)], &code(0));
        assert_eq!((verdict.cause, verdict.result), (Cause::Completed, Some(Number(1.0))));
    }

    #[test]
    fn nan_is_a_result() {
        let verdict = ended(&[(3, "loss", f64::NAN)], &code(0));
        assert_eq!(verdict.cause, Cause::Completed);
        assert!(verdict.result.unwrap().0.is_nan());
    }

    #[test]
    fn a_missing_result_is_explained_by_what_was_reported() {
        for (reports, word) in [
            (&[] as &[(u64, &str, f64)], "never reported"),
            (&[(2, "loss", 1.0)], "its last report was at 2"),
            (&[(3, "acc", 1.0)], "only acc"),
            (&[(4, "loss", 1.0)], "its last report was at 4"),
        ] {
            let verdict = ended(reports, &code(0));
            assert_eq!((verdict.cause, verdict.result), (Cause::NoResult, None));
            assert!(verdict.detail.contains(word), "{}", verdict.detail);
        }
    }

    #[test]
    fn a_wrong_exit_has_no_result_even_with_a_report() {
        let verdict = ended(&[(3, "loss", 1.0)], &code(1));
        assert_eq!((verdict.cause, verdict.exit_code, verdict.result), (Cause::WrongExit, Some(1), None));
        let verdict = ended(&[(3, "loss", 1.0)], &signal(9));
        assert_eq!((verdict.cause, verdict.signal), (Cause::Signal, Some(9)));
        assert!(verdict.detail.contains("SIGKILL (9)"));
        let oom = Exit { out_of_memory: Some("the group's count grew".into()), ..signal(9) };
        assert_eq!(ended(&[], &oom).cause, Cause::OutOfMemory);
    }

    #[test]
    fn the_time_limit_stops_and_after_the_grace_kills() {
        let mut machine = machine(Some(60));
        machine.handle(s(5), Event::Started);
        assert_eq!(machine.deadline(), Some(s(65)));
        assert_eq!(machine.handle(s(64), Event::Passed), None);
        assert_eq!(machine.handle(s(65), Event::Passed), stop(StopReason::TimeLimit, 10));
        assert_eq!(machine.deadline(), Some(s(75)));
        assert_eq!(machine.handle(s(66), Event::StopAsked(Some(&asked()))), None);
        assert_eq!(machine.handle(s(75), Event::Passed), Some(Action::Kill));
        let verdict = verdict(machine.handle(s(76), Event::Ended(&signal(9))));
        assert_eq!(verdict.cause, Cause::TimeLimit);
        assert!(verdict.detail.contains("was killed"));
    }

    #[test]
    fn a_stopped_attempt_that_reached_its_target_is_completed() {
        for exit in [code(0), code(143), signal(9)] {
            let mut machine = machine(None);
            machine.handle(s(0), Event::Started);
            machine.handle(s(1), Event::StopAsked(Some(&asked())));
            machine.handle(s(2), Event::Report(Resource(3), &metrics("loss", 1.0)));
            assert_eq!(verdict(machine.handle(s(3), Event::Ended(&exit))).cause, Cause::Completed);
        }
    }

    #[test]
    fn a_second_asking_changes_nothing() {
        let mut machine = machine(Some(60));
        machine.handle(s(0), Event::Started);
        assert_eq!(machine.handle(s(1), Event::StopAsked(Some(&asked()))), stop(StopReason::Asked, 10));
        assert_eq!(machine.handle(s(5), Event::StopAsked(Some(&preempted(1)))), None);
        assert_eq!(machine.deadline(), Some(s(11)));
        assert_eq!(verdict(machine.handle(s(6), Event::Ended(&code(0)))).cause, Cause::Stopped);
    }

    #[test]
    fn what_never_ran_and_what_was_lost_say_why() {
        let why = verdict(machine(None).handle(s(0), Event::CannotStart("no such program")));
        assert_eq!((why.cause, why.detail.as_str()), (Cause::CannotStart, "no such program"));
        assert_eq!(verdict(machine(None).handle(s(0), Event::AgentGone(Cause::Lost, "gone"))).cause, Cause::Lost);
    }

    #[test]
    fn a_trial_that_does_not_go_when_it_is_killed_is_not_waited_for() {
        let killed = || {
            let mut machine = machine(Some(60));
            machine.handle(s(0), Event::Started);
            machine.handle(s(60), Event::Passed);
            assert_eq!(machine.handle(s(70), Event::Passed), Some(Action::Kill));
            assert_eq!(machine.deadline(), Some(s(80)));
            machine
        };
        let mut machine = killed();
        let Some(Action::Abandon(verdict)) = machine.handle(s(80), Event::Passed) else { panic!("{machine:?}") };
        assert_eq!((verdict.cause, verdict.exit_code, verdict.signal), (Cause::TimeLimit, None, None));
        assert!(verdict.detail.contains("it did not go when it was killed"), "{}", verdict.detail);
        assert_eq!((machine.deadline(), machine.handle(s(81), Event::Ended(&signal(9)))), (None, None));
        // One that has gone may have left a checkpoint, which takes as long as it takes.
        let mut machine = killed();
        machine.handle(s(71), Event::Left);
        assert_eq!((machine.deadline(), machine.handle(s(999), Event::Passed)), (None, None));
        assert_eq!(self::verdict(machine.handle(s(999), Event::Ended(&signal(9)))).cause, Cause::TimeLimit);
    }

    #[test]
    fn an_agent_that_starts_nothing_is_not_waited_for_beyond_its_jobs_end() {
        assert_eq!(machine(None).deadline(), None);
        let new = || Machine::new(Rules { start: Some(s(30)), ..machine(None).rules });
        let mut machine = new();
        assert_eq!((machine.deadline(), machine.handle(s(29), Event::Passed)), (Some(s(30)), None));
        let Some(Action::Abandon(verdict)) = machine.handle(s(30), Event::Passed) else { panic!("{machine:?}") };
        assert_eq!(verdict.cause, Cause::Lost);
        assert!(verdict.detail.contains("had not started it"), "{}", verdict.detail);
        let mut machine = new();
        machine.handle(s(29), Event::Started);
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn while_it_is_being_found_out_why_a_trial_is_left_alone_but_not_for_long() {
        let mut machine = machine(Some(60));
        machine.handle(s(0), Event::Started);
        assert_eq!(machine.handle(s(1), Event::StopAsked(None)), None);
        assert_eq!(machine.deadline(), Some(s(1) + HEARING));
        // In time: the trial is told the reason, and no more time than is left.
        assert_eq!(machine.handle(s(1), Event::StopAsked(Some(&preempted(4)))), stop(StopReason::Preempted, 4));
        assert_eq!(machine.deadline(), Some(s(5)));
        assert_eq!(machine.handle(s(5), Event::Passed), Some(Action::Kill));
        let verdict = verdict(machine.handle(s(6), Event::Ended(&signal(9))));
        assert_eq!(verdict.cause, Cause::Preempted);
        assert_eq!(verdict.detail, "its node was taken for another job, and it did not leave within 4 s and was killed (Slurm says so)");
    }

    #[test]
    fn a_reason_that_comes_late_is_told_with_the_time_that_is_left_and_is_the_last() {
        let mut machine = machine(None);
        machine.handle(s(0), Event::Started);
        machine.handle(s(1), Event::StopAsked(None));
        assert_eq!(machine.handle(s(2), Event::Passed), stop(StopReason::Asked, 10));
        assert_eq!(machine.handle(s(2), Event::StopAsked(None)), None);
        assert_eq!(machine.handle(s(3), Event::StopAsked(Some(&preempted(4)))), stop(StopReason::Preempted, 4));
        assert_eq!(machine.handle(s(4), Event::StopAsked(Some(&asked()))), None);
        assert_eq!(machine.deadline(), Some(s(7)));
        assert_eq!(machine.handle(s(7), Event::Passed), Some(Action::Kill));
        let verdict = verdict(machine.handle(s(8), Event::Ended(&signal(9))));
        assert_eq!(verdict.cause, Cause::Preempted);
        assert!(verdict.detail.contains("within 5 s"), "{}", verdict.detail);
    }

    #[test]
    fn a_late_reason_never_gives_more_time() {
        let guessed = || {
            let mut machine = machine(None);
            machine.handle(s(0), Event::Started);
            machine.handle(s(1), Event::StopAsked(None));
            assert_eq!(machine.handle(s(2), Event::Passed), stop(StopReason::Asked, 10));
            machine
        };
        for notice in [preempted(60), Notice { left: None, ..preempted(0) }] {
            let mut machine = guessed();
            assert_eq!(machine.handle(s(5), Event::StopAsked(Some(&notice))), stop(StopReason::Preempted, 7));
            assert_eq!(machine.deadline(), Some(s(12)));
        }
        // And who was killed by then is told nothing.
        let mut machine = guessed();
        assert_eq!(machine.handle(s(12), Event::Passed), Some(Action::Kill));
        assert_eq!(machine.handle(s(13), Event::StopAsked(Some(&preempted(4)))), None);
        assert_eq!(verdict(machine.handle(s(13), Event::Ended(&signal(9)))).cause, Cause::Preempted);
    }

    #[test]
    fn an_agent_that_is_taken_after_a_stop_was_asked_for_is_not_lost() {
        let gone = Event::AgentGone(Cause::Lost, "its agent was ended by SIGKILL (9)");
        let mut machine = machine(None);
        machine.handle(s(0), Event::Started);
        machine.handle(s(1), Event::StopAsked(Some(&preempted(3))));
        let end = verdict(machine.handle(s(2), gone.clone()));
        assert_eq!(end.cause, Cause::Preempted);
        assert!(end.detail.contains("SIGKILL") && end.detail.contains("Slurm says so"), "{}", end.detail);
        // What it had reported at its target by then stands.
        let mut machine = self::machine(None);
        machine.handle(s(0), Event::Started);
        machine.handle(s(1), Event::StopAsked(Some(&preempted(3))));
        machine.handle(s(1), Event::Report(Resource(3), &metrics("loss", 1.0)));
        assert_eq!(verdict(machine.handle(s(2), gone.clone())).cause, Cause::Completed);
        // Without a stop it is what Slurm tells about it.
        assert_eq!(verdict(self::machine(None).handle(s(0), Event::AgentGone(Cause::NodeFailure, ""))).cause, Cause::NodeFailure);
    }

    proptest! {
        /// Whatever happens in whatever order: one verdict at most, a stop before a kill and no third, a result only when completed.
        #[test]
        fn any_course_of_events_is_decided_once(course in proptest::collection::vec((0..10u8, 0..30u64, 0..5u64), 0..40)) {
            let mut machine = machine(Some(20));
            let (mut now, mut stops, mut kills, mut verdicts) = (s(0), 0, 0, 0);
            let mut killed_by = Duration::MAX;
            for (kind, wait, number) in course {
                now += s(wait);
                let known = preempted(number);
                let (loss, exit) = (metrics("loss", 1.0), if number == 4 { signal(9) } else { code(number as i32) });
                let event = match kind {
                    0 => Event::Started,
                    1 => Event::Report(Resource(number), &loss),
                    2 => Event::StopAsked(None),
                    7 => Event::StopAsked(Some(&known)),
                    3 | 4 => Event::Passed,
                    6 => Event::Left,
                    5 if number == 0 => Event::AgentGone(Cause::Lost, "gone"),
                    _ if number == 1 => Event::Ended(&exit),
                    _ => Event::Passed,
                };
                match machine.handle(now, event) {
                    Some(Action::Stop { grace, .. }) => {
                        stops += 1;
                        prop_assert!(grace <= s(10) && now + grace <= killed_by.max(now) && kills == 0);
                        killed_by = now + grace;
                    }
                    Some(Action::Kill) => { kills += 1; prop_assert!(stops >= 1 && now >= killed_by); }
                    Some(Action::Finish(verdict) | Action::Abandon(verdict)) => {
                        verdicts += 1;
                        prop_assert_eq!(verdict.result.is_some(), verdict.cause == Cause::Completed);
                    }
                    None => {}
                }
                prop_assert!(stops <= 2 && kills <= 1 && verdicts <= 1);
                prop_assert!(machine.deadline().is_none() || verdicts == 0);
            }
        }
    }
}
