//! How long a segment may run before its job's time is over.

use std::time::Duration;

use bandmaster_record::Seconds;

use super::job::Job;

/// Between the end of a trial's grace and the end of its job: to publish its checkpoint and close the journal, and for
/// clocks that differ.
pub const MARGIN: Duration = Duration::from_secs(10);

/// How much of the job's time is left.
pub fn left(job: &Job, now: u64) -> Option<Duration> {
    job.end.map(|end| Duration::from_secs(end.saturating_sub(now)))
}

/// How long a segment may run from now on before it must be asked to stop; `None` when it is not worth beginning.
pub fn time_for_segment(left: Duration, grace: Duration) -> Option<Duration> {
    left.checked_sub(grace.saturating_add(MARGIN)).filter(|time| !time.is_zero())
}

/// Why none begins, and what helps.
pub fn too_late(grace: Seconds) -> String {
    format!(
        "too little of the job's time is left: a trial may need {} s to stop, and {} s more are kept; give `[trial]` more `time` \
         or less `stop_grace`, or take `--time` out of `extra` of `[slurm]`",
        grace.0,
        MARGIN.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_leaves_its_grace_and_the_margin_before_the_jobs_end() {
        let s = Duration::from_secs;
        assert_eq!(time_for_segment(s(100), s(30)), Some(s(60)));
        assert_eq!(time_for_segment(s(41), s(30)), Some(s(1)));
        for too_little in [40, 39, 0] {
            assert_eq!(time_for_segment(s(too_little), s(30)), None);
        }
        assert_eq!(time_for_segment(s(100), Duration::MAX), None);
        let job = Job { end: Some(1000), ..Job::default() };
        assert_eq!((left(&job, 900), left(&job, 1001), left(&Job::default(), 0)), (Some(s(100)), Some(s(0)), None));
    }

    #[test]
    fn who_gave_a_job_too_little_time_is_told_what_to_change() {
        let why = too_late(Seconds(30.0));
        for word in ["30 s to stop", "`time`", "`stop_grace`", "`--time`", "`extra`"] {
            assert!(why.contains(word), "{why}");
        }
    }
}
