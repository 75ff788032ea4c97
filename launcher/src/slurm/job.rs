//! What `scontrol show job -o` and `scontrol show config` say, as far as it matters here.

use std::time::Duration;

/// One job, as Slurm sees it now. Times are seconds since 1970 by Slurm's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// Its state, in Slurm's word: `RUNNING`, `COMPLETING`, …
    pub state: String,
    /// Why it is in that state: `TimeLimit`, `None`, …
    pub reason: String,
    /// How often it was requeued.
    pub restarts: Option<u64>,
    /// When it began.
    pub start: Option<u64>,
    /// When it is to end at the latest, or ended.
    pub end: Option<u64>,
    /// How long it may run; `None` without a limit.
    pub limit: Option<Duration>,
    /// When it was told to make room for another job.
    pub preempted: Option<u64>,
}

impl Job {
    /// Reads the one line of `scontrol show job -o`, asked with SLURM_TIME_FORMAT=%s. `None` if it is about no job.
    pub fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| line.starts_with("JobId="))?;
        let seconds = |name| field(line, name)?.parse().ok();
        Some(Self {
            state: field(line, "JobState")?.to_owned(),
            reason: field(line, "Reason").unwrap_or_default().to_owned(),
            restarts: seconds("Restarts"),
            start: seconds("StartTime"),
            end: seconds("EndTime"),
            limit: field(line, "TimeLimit").and_then(span),
            preempted: seconds("PreemptTime"),
        })
    }

    /// Whether it is being ended, or has ended.
    pub fn is_ending(&self) -> bool {
        !matches!(self.state.as_str(), "RUNNING" | "SUSPENDED" | "STOPPED" | "CONFIGURING" | "RESIZING" | "SIGNALING" | "STAGE_OUT")
    }

    /// The last second of its time, by its limit; `end` is moved when a job is cancelled.
    pub fn limit_ends(&self) -> Option<u64> {
        Some(self.start?.saturating_add(self.limit?.as_secs()))
    }
}

/// The value of a field. What people wrote (a comment, a command) may look like one, and stands behind those that matter.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// A span as Slurm writes it: `1-12:00:00`, `00:30:00`.
fn span(text: &str) -> Option<Duration> {
    let (days, clock) = text.split_once('-').unwrap_or(("0", text));
    let mut seconds: u64 = 0;
    for part in clock.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    Some(Duration::from_secs(days.parse::<u64>().ok()?.checked_mul(86_400)?.checked_add(seconds)?))
}

/// How long a job that is killed has from SIGTERM to SIGKILL: `KillWait` in what `scontrol show config` says.
pub fn kill_wait(text: &str) -> Option<Duration> {
    let line = text.lines().find(|line| line.starts_with("KillWait "))?;
    let seconds = line.split_once('=')?.1.split_ascii_whitespace().next()?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str = "JobId=3 ArrayJobId=2 ArrayTaskId=1 JobName=digits-1.1.x UserId=a(1) GroupId=a(1) MCS_label=N/A Priority=1 Nice=0 Account=(null) QOS=(null) JobState=RUNNING Reason=None Dependency=(null) Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0 RunTime=00:00:02 TimeLimit=1-00:10:30 TimeMin=N/A SubmitTime=1795538130 EligibleTime=1795538130 AccrueTime=1795538130 StartTime=1795538130 EndTime=1795538135 Deadline=N/A PreemptEligibleTime=1795538130 PreemptTime=1795538132 SuspendTime=None SecsPreSuspend=0 Comment=a JobState=X b";
    const REQUEUED: &str = "JobId=3 JobName=x JobState=COMPLETING Reason=None Requeue=1 Restarts=1 RunTime=00:00:00 TimeLimit=UNLIMITED StartTime=1795538142 EndTime=Unknown Deadline=N/A SuspendTime=None";

    #[test]
    fn the_fields_of_a_job_are_read_and_what_is_not_said_is_none() {
        let job = Job::parse(RUNNING).unwrap();
        assert_eq!((job.state.as_str(), job.reason.as_str(), job.restarts), ("RUNNING", "None", Some(0)));
        assert_eq!((job.start, job.end, job.preempted), (Some(1_795_538_130), Some(1_795_538_135), Some(1_795_538_132)));
        assert_eq!(job.limit, Some(Duration::from_secs(86_400 + 630)));
        assert_eq!(job.limit_ends(), Some(1_795_538_130 + 87_030));
        assert!(!job.is_ending());
        let job = Job::parse(REQUEUED).unwrap();
        assert_eq!((job.restarts, job.end, job.limit, job.preempted), (Some(1), None, None, None));
        assert!(job.is_ending());
        assert_eq!(Job::parse("slurm_load_jobs error: Invalid job id specified\n"), None);
        assert_eq!(Job::parse(""), None);
    }

    #[test]
    fn spans_are_read_in_all_their_shapes() {
        for (text, seconds) in [("00:01:00", Some(60)), ("365-00:00:00", Some(31_536_000)), ("UNLIMITED", None), ("Partition_Limit", None)]
        {
            assert_eq!(span(text), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn kill_wait_is_read() {
        assert_eq!(kill_wait("KillOnBadExit           = 0\nKillWait                = 30 sec\nLaunch"), Some(Duration::from_secs(30)));
        assert_eq!(kill_wait("error"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,300}") {
            let _ = (Job::parse(&format!("JobId=1 JobState=R {text}")), span(&text), kill_wait(&text));
        }
    }
}
