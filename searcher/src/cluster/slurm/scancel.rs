//! What scancel is told. Signals go to the batch process alone: it is the slot, and stops what it started itself.

use bandmaster_record::JobId;

/// The arguments that ask slots to stop at a checkpoint: these tasks of arrays, in one call.
pub fn ask_to_stop(tasks: &[(JobId, u32)]) -> Vec<String> {
    // USR2, since only this one means "you were asked to": TERM and USR1 have other senders.
    let mut arguments = vec!["--batch".to_owned(), "--signal=USR2".to_owned()];
    arguments.extend(tasks.iter().map(|(job, index)| format!("{job}_{index}")));
    arguments
}

/// The arguments that take what waits of these jobs out of the queue, and leave alone what runs.
pub fn withdraw(jobs: &[JobId]) -> Vec<String> {
    let mut arguments = vec!["--state=PENDING".to_owned()];
    arguments.extend(jobs.iter().map(ToString::to_string));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_for_all_tasks() {
        let job: JobId = "12".parse().unwrap();
        assert_eq!(ask_to_stop(&[(job.clone(), 0), (job.clone(), 3)]), ["--batch", "--signal=USR2", "12_0", "12_3"]);
        assert_eq!(withdraw(&[job, "14".parse().unwrap()]), ["--state=PENDING", "12", "14"]);
    }
}
