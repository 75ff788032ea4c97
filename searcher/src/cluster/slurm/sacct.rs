//! What sacct is asked, and how its answer is read: every run of every task, a requeued one too.
//!
//! Jobs that squeue no longer has are asked for here. It may lag behind, and at some sites there is no accounting.

use bandmaster_record::{JobId, Timestamp};

use super::squeue::seconds;
use super::state::JobState;

/// The fields, in the order in which [`parse`] reads them.
const FIELDS: &str = "JobID,State,ExitCode,Submit,Start,End,NodeList";

/// The arguments: all runs (`-D`) of these jobs since then, each as a whole (`-X`).
///
/// A step's end is the slot's affair as long as the slot lives, and the slot is the job's batch process. So of a
/// job's rows only its own is asked for.
pub fn arguments(jobs: &[JobId], since: Timestamp) -> Vec<String> {
    let jobs: Vec<&str> = jobs.iter().map(JobId::as_str).collect();
    // Without a begin sacct tells of today alone; and it takes seconds since 1970 only from 1 000 000 on.
    let since = format!("uts{}", (since.0 / 1000).max(1_000_000));
    ["-n", "-P", "-D", "-X", "-S", &since, "-j", &jobs.join(","), "-o", FIELDS].map(str::to_owned).to_vec()
}

/// One run of a job or of a task of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The array's job id; for a job that is no array its own.
    pub job: JobId,
    /// The index in the array; none too for the tasks that have not begun, which share a row.
    pub index: Option<u32>,
    /// How the run stands or ended.
    pub state: JobState,
    /// The batch process's exit code.
    pub exit_code: i32,
    /// The signal that ended it; 0 for none.
    pub signal: i32,
    /// When it was submitted, or put back into the queue.
    pub submit: Option<Timestamp>,
    /// When it began.
    pub start: Option<Timestamp>,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// Its nodes, as Slurm abbreviates them.
    pub nodes: String,
    /// Who cancelled it: a numeric user id, as Slurm writes it.
    pub cancelled_by: Option<String>,
}

/// An answer that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sacct's answer cannot be read, in \"{line}\"")]
pub struct Unreadable {
    /// The line.
    pub line: String,
}

/// Reads sacct's answer. A run that was requeued has a row of its own before that of the next.
///
/// # Errors
/// A line is no row.
pub fn parse(text: &str) -> Result<Vec<Row>, Unreadable> {
    text.lines().filter(|line| !line.trim().is_empty()).map(row).collect()
}

/// The runs of one task, in sacct's order: its own rows, or those that stand for all tasks without one of their own,
/// which have not begun.
pub fn of_task<'a>(rows: &'a [Row], job: &JobId, index: u32) -> impl Iterator<Item = &'a Row> {
    let own = rows.iter().any(|row| row.job == *job && row.index == Some(index));
    rows.iter().filter(move |row| row.job == *job && row.index == own.then_some(index))
}

/// Whether sacct says that this site keeps no accounts: then there is nothing to be asked.
pub fn says_disabled(said: &str) -> bool {
    said.contains("accounting storage is disabled")
}

fn row(line: &str) -> Result<Row, Unreadable> {
    let read = || {
        let mut fields = line.splitn(7, '|');
        let mut next = || fields.next();
        let (job, index) = job_and_index(next()?)?;
        let state = next()?;
        let (exit_code, signal) = next()?.split_once(':')?;
        Some(Row {
            job,
            index,
            state: JobState::parse(state),
            exit_code: exit_code.parse().ok()?,
            signal: signal.parse().ok()?,
            submit: seconds(next()?),
            start: seconds(next()?),
            end: seconds(next()?),
            nodes: next().map(|nodes| if nodes == "None assigned" { "" } else { nodes })?.to_owned(),
            cancelled_by: state.split_once(" by ").map(|(_, who)| who.to_owned()),
        })
    };
    read().ok_or_else(|| Unreadable { line: line.chars().take(120).collect() })
}

/// `12`, `12_3`, and `12_[4-8%2]` for what has not begun.
fn job_and_index(text: &str) -> Option<(JobId, Option<u32>)> {
    match text.split_once('_') {
        None => Some((JobId::new(text).ok()?, None)),
        Some((job, waiting)) if waiting.starts_with('[') => Some((JobId::new(job).ok()?, None)),
        Some((job, index)) => Some((JobId::new(job).ok()?, Some(index.parse().ok()?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What sacct of Slurm 22.05.8 wrote.
    const REAL: &str = include_str!("testdata/sacct-22.05.8");

    fn states(job: &str, index: u32) -> Vec<String> {
        let rows = parse(REAL).unwrap();
        of_task(&rows, &job.parse().unwrap(), index).map(|row| row.state.to_string()).collect()
    }

    #[test]
    fn every_run_of_a_task_has_its_row() {
        assert_eq!(states("10", 0), ["PREEMPTED", "CANCELLED"]);
        assert_eq!(states("30", 1), ["REQUEUED", "CANCELLED"]);
        assert_eq!(states("10", 7), [""; 0]);
    }

    #[test]
    fn one_row_stands_for_the_tasks_that_never_began() {
        assert_eq!((states("34", 0), states("34", 3)), (vec!["CANCELLED".to_owned()], vec!["CANCELLED".to_owned()]));
        let rows = parse(REAL).unwrap();
        let job = "34".parse().unwrap();
        assert_eq!(of_task(&rows, &job, 3).map(|row| (row.index, row.start)).collect::<Vec<_>>(), [(None, None)]);
    }

    #[test]
    fn a_run_says_how_it_ended() {
        let rows = parse(REAL).unwrap();
        let of = |job: &str| rows.iter().find(|row| row.job.as_str() == job && row.index.is_none()).unwrap();
        assert_eq!((of("4").state.clone(), of("4").exit_code, of("4").signal), (JobState::Failed, 3, 0));
        assert_eq!((of("5").exit_code, of("5").signal), (0, 9));
        // The batch process itself wanted too much; where only a step of it did, as in 7, it went on.
        assert_eq!((of("6").state.clone(), of("7").state.clone()), (JobState::OutOfMemory, JobState::Completed));
        let lost = of("38");
        assert_eq!((lost.state.clone(), lost.nodes.as_str()), (JobState::NodeFail, "n2"));
        assert_eq!((lost.start, lost.end), (Some(Timestamp(1_795_539_473_000)), Some(Timestamp(1_795_539_518_000))));
        let cancelled = rows.iter().find(|row| row.job.as_str() == "27" && row.index == Some(1)).unwrap();
        assert_eq!((cancelled.cancelled_by.as_deref(), cancelled.start, cancelled.nodes.as_str()), (Some("20001"), None, ""));
    }

    #[test]
    fn all_jobs_are_asked_for_at_once() {
        let jobs = ["7".parse().unwrap(), "19".parse().unwrap()];
        let arguments = arguments(&jobs, Timestamp(1_770_000_000_999));
        assert!(arguments.contains(&"7,19".to_owned()) && arguments.contains(&"uts1770000000".to_owned()), "{arguments:?}");
    }

    #[test]
    fn what_has_not_begun_has_no_index() {
        let rows = parse("12_[4-8%2]|PENDING|0:0|1770000000|Unknown|Unknown|None assigned\n").unwrap();
        assert_eq!((rows[0].job.as_str(), rows[0].index, rows[0].start), ("12", None, None));
        assert_eq!(rows[0].nodes, "");
    }

    #[test]
    fn a_site_without_accounts_is_told_from_one_that_is_away() {
        assert!(says_disabled("Slurm accounting storage is disabled\n"));
        assert!(!says_disabled("sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection"));
    }

    #[test]
    fn a_line_that_is_no_row_is_refused() {
        for bad in ["12", "12|RUNNING", "x y|RUNNING|0:0|1|1|1|n1", "12_x|RUNNING|0:0|1|1|1|n1", "12|RUNNING|0|1|1|1|n1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(text in any::<Vec<u8>>()) {
            let _ = parse(&String::from_utf8_lossy(&text));
        }

        #[test]
        fn no_line_of_fields_panics(fields in proptest::collection::vec("[0-9_|:A-Z%\\[\\] -]{0,8}", 0..9)) {
            let _ = parse(&fields.join("|"));
        }
    }
}
