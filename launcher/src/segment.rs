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
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// The trial's process runs.
    Started,
    /// It reported.
    Report(Resource, &'a BTreeMap<String, Number>),
    /// Somebody asks for the attempt's end: pause, cancel, a signal.
    StopAsked,
    /// Time passed; sent when [`Machine::deadline`] is reached.
    Passed,
    /// The trial's process ended, and everything that it started is gone.
    Ended(&'a Exit),
    /// There never was a process; why, as a sentence.
    CannotStart(&'a str),
    /// The agent is gone and has not said how the trial ended.
    AgentGone(&'a str),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask the trial to checkpoint and leave within the rules' grace.
    Stop(StopReason),
    /// Kill its process group.
    Kill,
    /// The attempt is over.
    Finish(Verdict),
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
    Running { since: Duration },
    Stopping { why: StopReason, kill_at: Duration },
    Killed { why: StopReason },
    Over,
}

/// The state machine of one attempt.
#[derive(Debug)]
pub struct Machine {
    rules: Rules,
    phase: Phase,
    result: Option<Number>,
    /// The last report of all, to explain a missing result.
    last: Option<(Resource, Vec<String>)>,
}

impl Machine {
    /// An attempt whose agent was told to start the trial.
    pub fn new(rules: Rules) -> Self {
        Self { rules, phase: Phase::Starting, result: None, last: None }
    }

    /// When [`Event::Passed`] is due, on the caller's clock; `None` while nothing waits for time.
    pub fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Running { since } => self.rules.time.map(|time| since + time),
            Phase::Stopping { kill_at, .. } => Some(kill_at),
            Phase::Starting | Phase::Killed { .. } | Phase::Over => None,
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
            (Phase::Starting | Phase::Running { .. }, Event::StopAsked) => Some(self.stop(now, StopReason::Asked)),
            (_, Event::StopAsked) => None,
            (_, Event::Passed) => self.passed(now),
            (_, Event::Ended(exit)) => Some(self.finish(exit)),
            (_, Event::CannotStart(why)) => Some(self.over(Cause::CannotStart, None, None, why.to_owned())),
            (_, Event::AgentGone(why)) => Some(self.over(Cause::Lost, None, None, why.to_owned())),
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

    fn stop(&mut self, now: Duration, why: StopReason) -> Action {
        self.phase = Phase::Stopping { why, kill_at: now + self.rules.grace };
        Action::Stop(why)
    }

    fn passed(&mut self, now: Duration) -> Option<Action> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match self.phase {
            Phase::Running { .. } => Some(self.stop(now, StopReason::TimeLimit)),
            Phase::Stopping { why, .. } => {
                self.phase = Phase::Killed { why };
                Some(Action::Kill)
            }
            Phase::Starting | Phase::Killed { .. } | Phase::Over => None,
        }
    }

    fn finish(&mut self, exit: &Exit) -> Action {
        let (why, killed) = match self.phase {
            Phase::Stopping { why, .. } => (Some(why), false),
            Phase::Killed { why } => (Some(why), true),
            Phase::Starting | Phase::Running { .. } | Phase::Over => (None, false),
        };
        let (cause, detail) = match why {
            _ if self.result.is_some() && (why.is_some() || exit.code == Some(0)) => (Cause::Completed, self.completed()),
            Some(why) => (why.cause(), self.stopped(why, killed)),
            None => self.by_itself(exit),
        };
        self.over(cause, exit.code, exit.signal, detail)
    }

    /// The cause of an end that nobody asked for and that leaves no valid result.
    fn by_itself(&self, exit: &Exit) -> (Cause, String) {
        if let Some(sign) = &exit.out_of_memory {
            return (Cause::OutOfMemory, format!("it was killed for its memory: {sign}"));
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

    fn stopped(&self, why: StopReason, killed: bool) -> String {
        let why = match why {
            StopReason::Asked => "it was asked to stop",
            StopReason::TimeLimit => "its time was over",
            StopReason::Preempted => "its node was taken for another job",
            StopReason::Cancelled => "its job was cancelled in Slurm",
        };
        if killed {
            format!("{why}, did not leave within {} s and was killed", self.rules.grace.as_secs_f64())
        } else {
            format!("{why} and left")
        }
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

    fn over(&mut self, cause: Cause, exit_code: Option<i32>, signal: Option<i32>, detail: String) -> Action {
        self.phase = Phase::Over;
        let result = if cause == Cause::Completed { self.result } else { None };
        Action::Finish(Verdict { cause, exit_code, signal, detail, result })
    }
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
        Machine::new(Rules { target: Resource(3), metric: "loss".into(), time: time.map(s), grace: s(10) })
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
        assert_eq!(machine.handle(s(65), Event::Passed), Some(Action::Stop(StopReason::TimeLimit)));
        assert_eq!(machine.deadline(), Some(s(75)));
        assert_eq!(machine.handle(s(66), Event::StopAsked), None);
        assert_eq!(machine.handle(s(75), Event::Passed), Some(Action::Kill));
        assert_eq!(machine.deadline(), None);
        let verdict = verdict(machine.handle(s(76), Event::Ended(&signal(9))));
        assert_eq!(verdict.cause, Cause::TimeLimit);
        assert!(verdict.detail.contains("was killed"));
    }

    #[test]
    fn a_stopped_attempt_that_reached_its_target_is_completed() {
        for exit in [code(0), code(143), signal(9)] {
            let mut machine = machine(None);
            machine.handle(s(0), Event::Started);
            machine.handle(s(1), Event::StopAsked);
            machine.handle(s(2), Event::Report(Resource(3), &metrics("loss", 1.0)));
            assert_eq!(verdict(machine.handle(s(3), Event::Ended(&exit))).cause, Cause::Completed);
        }
    }

    #[test]
    fn a_second_asking_changes_nothing() {
        let mut machine = machine(Some(60));
        machine.handle(s(0), Event::Started);
        assert_eq!(machine.handle(s(1), Event::StopAsked), Some(Action::Stop(StopReason::Asked)));
        assert_eq!(machine.handle(s(5), Event::StopAsked), None);
        assert_eq!(machine.deadline(), Some(s(11)));
        assert_eq!(verdict(machine.handle(s(6), Event::Ended(&code(0)))).cause, Cause::Stopped);
    }

    #[test]
    fn what_never_ran_and_what_was_lost_say_why() {
        let why = verdict(machine(None).handle(s(0), Event::CannotStart("no such program")));
        assert_eq!((why.cause, why.detail.as_str()), (Cause::CannotStart, "no such program"));
        assert_eq!(verdict(machine(None).handle(s(0), Event::AgentGone("gone"))).cause, Cause::Lost);
    }

    proptest! {
        /// Whatever happens in whatever order: one verdict at most, a stop before a kill, a result only when completed.
        #[test]
        fn any_course_of_events_is_decided_once(course in proptest::collection::vec((0..7u8, 0..30u64, 0..5u64), 0..40)) {
            let mut machine = machine(Some(20));
            let (mut now, mut stops, mut kills, mut verdicts) = (s(0), 0, 0, 0);
            for (kind, wait, number) in course {
                now += s(wait);
                let (loss, exit) = (metrics("loss", 1.0), if number == 4 { signal(9) } else { code(number as i32) });
                let event = match kind {
                    0 => Event::Started,
                    1 => Event::Report(Resource(number), &loss),
                    2 => Event::StopAsked,
                    3 | 4 => Event::Passed,
                    5 if number == 0 => Event::AgentGone("gone"),
                    _ if number == 1 => Event::Ended(&exit),
                    _ => Event::Passed,
                };
                match machine.handle(now, event) {
                    Some(Action::Stop(_)) => stops += 1,
                    Some(Action::Kill) => { kills += 1; prop_assert_eq!(stops, 1); }
                    Some(Action::Finish(verdict)) => {
                        verdicts += 1;
                        prop_assert_eq!(verdict.result.is_some(), verdict.cause == Cause::Completed);
                    }
                    None => {}
                }
                prop_assert!(stops <= 1 && kills <= 1 && verdicts <= 1);
                prop_assert!(machine.deadline().is_none() || verdicts == 0);
            }
        }
    }
}
