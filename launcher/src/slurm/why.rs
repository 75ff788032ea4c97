//! Why a job's end is asked for, and how an attempt is called whose agent Slurm took away: decided from what Slurm says.

use std::time::Duration;

use bandmaster_record::Cause;
use nix::libc;

use super::job::Job;
use super::step::blames_memory;
use crate::segment::{Notice, signal_name};
use crate::wire::StopReason;

/// A time limit that is reached within this is reached: Slurm looks at limits only now and then, and clocks differ.
const REACHED: u64 = 5;

/// SIGUSR1 or SIGTERM to a job that goes on running, with no more of its time left than this, is the site's or the
/// sweep's own `--signal`: a warning of the time limit.
const WARNING: u64 = 600;

/// KillWait where Slurm does not tell it: its default.
const KILL_WAIT: Duration = Duration::from_secs(30);

/// What is kept of the time until the kill, to kill the trial before that and close the journal.
const KEPT: Duration = Duration::from_secs(2);

/// What Slurm told about this job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The job; `None` if Slurm did not answer.
    pub job: Option<Job>,
    /// How long a job has from SIGTERM to SIGKILL.
    pub kill_wait: Option<Duration>,
    /// Why there is no job, for people.
    pub trouble: String,
}

/// Why the job's end is asked for by this signal; `restarts` is how often it had been requeued when this run began.
pub fn reason(signal: i32, told: &Told, restarts: u64, now: u64) -> Notice {
    let name = signal_name(signal);
    let Some(job) = &told.job else {
        let evidence = format!("by {name}, and Slurm did not say why: {}", told.trouble);
        return Notice { reason: StopReason::Asked, left: None, evidence };
    };
    let (reason, evidence) = said(job, restarts, now).unwrap_or_else(|| by_signal(signal, job, now));
    Notice { reason, left: left(job, told.kill_wait, now), evidence: format!("by {name}; Slurm says: {evidence}") }
}

/// What happened to an attempt whose agent is gone although nobody had asked it to stop: `words` are what Slurm printed
/// beside the step.
pub fn gone(told: &Told, words: &[String], restarts: u64, now: u64) -> (Cause, String) {
    if let Some(line) = words.iter().find(|line| blames_memory(line)) {
        return (Cause::OutOfMemory, line.clone());
    }
    let Some(job) = &told.job else { return (Cause::Lost, format!("Slurm did not say why: {}", told.trouble)) };
    let (cause, evidence) = match said(job, restarts, now) {
        _ if job.state == "NODE_FAIL" => (Cause::NodeFailure, state(job)),
        _ if job.state == "OUT_OF_MEMORY" => (Cause::OutOfMemory, state(job)),
        Some((reason, evidence)) => (reason.cause(), evidence),
        None => (Cause::Lost, state(job)),
    };
    (cause, format!("Slurm says: {evidence}"))
}

/// What the job itself says.
fn said(job: &Job, restarts: u64, now: u64) -> Option<(StopReason, String)> {
    if let Some(at) = job.preempted {
        return Some((StopReason::Preempted, format!("{} PreemptTime={at}", state(job))));
    }
    if job.state == "PREEMPTED" {
        return Some((StopReason::Preempted, state(job)));
    }
    // A job that is requeued has lost its PreemptTime already.
    if let Some(again) = job.restarts.filter(|again| *again > restarts) {
        return Some((StopReason::Preempted, format!("{} Restarts={again}, it is requeued", state(job))));
    }
    let is_reached = job.limit_ends().is_some_and(|end| end <= now.saturating_add(REACHED));
    if is_reached || job.reason == "TimeLimit" || matches!(job.state.as_str(), "TIMEOUT" | "DEADLINE") {
        return Some((StopReason::TimeLimit, format!("{} Reason={}, its time limit is reached", state(job), job.reason)));
    }
    job.is_ending().then(|| (StopReason::Cancelled, state(job)))
}

/// A job that goes on running was sent a signal by somebody.
fn by_signal(signal: i32, job: &Job, now: u64) -> (StopReason, String) {
    let warned = job.limit_ends().is_some_and(|end| end <= now.saturating_add(WARNING));
    let reason = match signal {
        libc::SIGTERM | libc::SIGUSR1 if warned => StopReason::TimeLimit,
        libc::SIGTERM => StopReason::Cancelled,
        _ => StopReason::Asked,
    };
    (reason, state(job))
}

/// What is left until the job is killed. Slurm sends SIGTERM at the job's end, or when it ends it sooner, and SIGKILL
/// when KillWait is over. It tells no end of a job without a time limit, not even when its end is near: then GraceTime is
/// not known, and not counted.
fn left(job: &Job, kill_wait: Option<Duration>, now: u64) -> Option<Duration> {
    let end = if job.is_ending() { job.end.map_or(now, |end| end.min(now)) } else { job.end.or(job.preempted)? };
    let kill = Duration::from_secs(end).saturating_add(kill_wait.unwrap_or(KILL_WAIT));
    Some(kill.saturating_sub(Duration::from_secs(now)).saturating_sub(KEPT))
}

fn state(job: &Job) -> String {
    format!("JobState={}", job.state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use StopReason::{Asked, Cancelled, Preempted, TimeLimit};
    use libc::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

    const NOW: u64 = 10_000;

    /// A job with an hour, of which half is over.
    fn running() -> Job {
        let limit = Some(Duration::from_secs(3600));
        Job {
            state: "RUNNING".into(),
            reason: "None".into(),
            restarts: Some(0),
            start: Some(8200),
            end: Some(11_800),
            limit,
            preempted: None,
        }
    }

    fn ending() -> Job {
        Job { state: "COMPLETING".into(), end: Some(NOW), ..running() }
    }

    fn told(job: Job) -> Told {
        Told { job: Some(job), kill_wait: Some(Duration::from_secs(5)), trouble: String::new() }
    }

    /// The reason and the seconds left.
    fn why(signal: i32, job: Job) -> (StopReason, Option<u64>) {
        let notice = reason(signal, &told(job), 0, NOW);
        (notice.reason, notice.left.map(|left| left.as_secs()))
    }

    #[test]
    fn preemption_is_told_from_everything_else_whatever_signal_came() {
        // With GraceTime 3: Slurm moves the end.
        let graced = Job { preempted: Some(NOW), end: Some(NOW + 3), ..running() };
        for signal in [SIGTERM, SIGUSR1, SIGUSR2, SIGINT] {
            assert_eq!(why(signal, graced.clone()), (Preempted, Some(6)));
        }
        // A job without a limit has no end in scontrol's words.
        assert_eq!(why(SIGTERM, Job { end: None, limit: None, ..graced }), (Preempted, Some(3)));
        // Without, it is requeued at once, and all that tells so is the number of its restarts.
        let requeued = Job { restarts: Some(1), start: Some(NOW), end: None, limit: None, ..ending() };
        assert_eq!(why(SIGTERM, requeued.clone()), (Preempted, Some(3)));
        assert_eq!(reason(SIGTERM, &told(requeued), 1, NOW).reason, Cancelled);
        // Where it is cancelled instead.
        assert_eq!(why(SIGTERM, Job { preempted: Some(NOW), ..ending() }), (Preempted, Some(3)));
    }

    #[test]
    fn a_short_jobs_preemption_is_no_time_limit() {
        let short =
            Job { start: Some(NOW - 1), end: Some(NOW + 3), limit: Some(Duration::from_secs(60)), preempted: Some(NOW), ..running() };
        assert_eq!(why(SIGTERM, short).0, Preempted);
    }

    #[test]
    fn the_time_limit_is_known_by_the_limit_and_not_by_a_moved_end() {
        assert_eq!(why(SIGTERM, Job { limit: Some(Duration::from_secs(1800)), ..ending() }), (TimeLimit, Some(3)));
        assert_eq!(why(SIGTERM, Job { reason: "TimeLimit".into(), start: None, ..ending() }).0, TimeLimit);
        assert_eq!(why(SIGTERM, ending()).0, Cancelled);
    }

    #[test]
    fn a_warning_of_the_time_limit_is_one_and_an_early_signal_is_not() {
        let late = Job { start: Some(NOW - 3500), end: Some(NOW + 100), ..running() };
        assert_eq!((why(SIGUSR1, late.clone()), why(SIGTERM, late.clone()).0), ((TimeLimit, Some(103)), TimeLimit));
        assert_eq!(why(SIGUSR2, late).0, Asked);
        assert_eq!(why(SIGUSR1, running()).0, Asked);
        assert_eq!(why(SIGUSR2, running()).0, Asked);
        assert_eq!(why(SIGTERM, running()).0, Cancelled);
    }

    #[test]
    fn a_silent_slurm_charges_nobody() {
        let silent = Told { trouble: "timed out".into(), ..Told::default() };
        let notice = reason(SIGTERM, &silent, 0, NOW);
        assert_eq!((notice.reason, notice.left), (Asked, None));
        assert!(notice.evidence.contains("timed out") && notice.evidence.contains("SIGTERM (15)"));
        assert_eq!(gone(&silent, &[], 0, NOW).0, Cause::Lost);
    }

    #[test]
    fn an_agent_that_is_gone_is_explained_by_slurm() {
        let of = |job: Job| gone(&told(job), &["srun: error: n1: task 0: Killed".into()], 0, NOW).0;
        assert_eq!(of(running()), Cause::Lost);
        assert_eq!(of(Job { preempted: Some(NOW), ..running() }), Cause::Preempted);
        assert_eq!(of(Job { state: "NODE_FAIL".into(), ..running() }), Cause::NodeFailure);
        assert_eq!(of(Job { state: "OUT_OF_MEMORY".into(), ..running() }), Cause::OutOfMemory);
        assert_eq!(of(ending()), Cause::Cancelled);
        let words = ["slurmstepd: error: StepId=19.0 exceeded memory limit (4 > 2), being killed".to_owned()];
        let (cause, evidence) = gone(&told(running()), &words, 0, NOW);
        assert!(cause == Cause::OutOfMemory && evidence.contains("4 > 2"));
    }

    #[test]
    fn never_more_is_left_than_slurm_leaves() {
        for end in [0, NOW - 1, NOW, NOW + 7, NOW + 100_000] {
            for job in [Job { end: Some(end), ..running() }, Job { end: Some(end), ..ending() }] {
                let kill = if job.is_ending() { NOW.min(end) } else { end } + 5;
                assert!(left(&job, Some(Duration::from_secs(5)), NOW).unwrap() <= Duration::from_secs(kill.saturating_sub(NOW)));
            }
        }
    }
}
