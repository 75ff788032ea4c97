//! Why sbatch took no job, from what it said: its exit status is the same for all reasons.
//!
//! What is told apart is what follows: wait, ask a person, or find out whether there is a job after all.

/// What kind of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no job, and the same request may be taken later: a limit is reached, a partition is down.
    Limit,
    /// There is no job, and the same request will never be taken here: a partition, account or size that does not
    /// exist, a wrong option, a site's rule.
    Site,
    /// Slurm was not reached, or its answer was not. There may be a job.
    Away,
}

/// A refusal with the site's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub struct Refused {
    /// What kind.
    pub refusal: Refusal,
    /// What was said, in one line.
    pub said: String,
}

/// Phrases of commands that did not come through to the controller, or did not hear its answer.
const AWAY: &[&str] = &[
    "unable to contact slurm",
    "timed out",
    "communication connection failure",
    "communication shutdown failure",
    "connection rejected",
    "connection forced closed",
    "connection refused",
    "connection reset",
    "broken pipe",
    "no route to host",
    "host is unreachable",
    "network is unreachable",
    "network is down",
    "transport endpoint",
    "message send failure",
    "message receive failure",
    "unexpected message received",
    "unexpected missing socket",
    "delayed socket error",
    "insane message length",
    "header lengths are longer",
    "zero bytes were transmitted",
    "process is shutting down",
    "standby mode",
    "rate limit exceeded",
    "authentication",
    "munge",
    "failed to fetch config",
    "could not establish a configuration source",
    "unable to establish controller",
    "slurm_persist_conn",
    "slurmdbd",
    "resource temporarily unavailable",
];

/// Phrases of what may be otherwise tomorrow.
const LIMIT: &[&str] = &[
    "maxjobcount",
    "unable to create job record, try again",
    "job queue full",
    "sleeping and retrying",
    "temporarily disabled",
    "presently disabled",
    "submissions disabled",
    "partition in down state",
    "required partition not available",
    "required node not available",
    "requested nodes are busy",
    "ports are in use",
    "licenses currently unavailable",
    "reservation is in use",
    "reservation not usable now",
    "usage threshold",
    "burst buffer resource limit exceeded",
    "error writing script/environment to file",
];

/// Which limit of accounts a job violates stands in a word of its own, as in `AssocMaxSubmitJobLimit`, if at all.
const POLICY: &str = "violates accounting/qos policy";

impl Refusal {
    /// The kind of refusal that is said so. What is unknown is the site's own rule: its plugins say what they like.
    pub fn of(said: &str) -> Self {
        let said = said.to_ascii_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| said.contains(phrase));
        if says(AWAY) {
            Self::Away
        } else if says(LIMIT) || (said.contains(POLICY) && !exceeds_what_one_job_may(&said)) {
            Self::Limit
        } else {
            Self::Site
        }
    }
}

/// Whether the reason is the size or the time of the job itself, and not how many there are.
fn exceeds_what_one_job_may(said: &str) -> bool {
    let word = |word: &&str| {
        ["assoc", "qos", "max"].iter().any(|begin| word.starts_with(begin)) && word.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    // `qos policy` stands in the sentence itself.
    let reason = said.split([' ', '\n', ':', ';', ',']).find(|part| word(part) && part.len() > "assoc".len());
    reason.is_some_and(|reason| !reason.contains("submit"))
}

impl Refused {
    /// Reads what sbatch said.
    pub fn read(stderr: &str) -> Self {
        Self { refusal: Refusal::of(stderr), said: words(stderr) }
    }
}

/// What a site says without what only programs say, in one line.
pub fn words(stderr: &str) -> String {
    let mut told: Vec<&str> = Vec::new();
    for line in stderr.lines() {
        let mut line = line.trim();
        for noise in NOISE {
            line = line.strip_prefix(noise).unwrap_or(line).trim_start();
        }
        if !line.is_empty() && !told.contains(&line) {
            told.push(line);
        }
    }
    let told = told.join("; ");
    match told.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", told.get(..end).unwrap_or_default()),
        None if told.is_empty() => "it did not say why".to_owned(),
        None => told,
    }
}

/// So many characters of what a site says are told.
const LONGEST: usize = 600;

/// What stands before the words that matter, in this order.
const NOISE: &[&str] = &[
    "sbatch:",
    "squeue:",
    "sacct:",
    "scancel:",
    "scontrol:",
    "error:",
    "fatal:",
    "Batch job submission failed:",
    "allocation failure:",
    "slurm_load_jobs error:",
    "slurm_load_ctl_conf error:",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn all(refusal: Refusal, said: &[&str]) {
        for said in said {
            assert_eq!(Refusal::of(&format!("sbatch: error: Batch job submission failed: {said}\n")), refusal, "{said}");
            assert_eq!(Refusal::of(&format!("allocation failure: {said}\n")), refusal, "{said}");
        }
    }

    #[test]
    fn what_may_have_been_taken_is_away() {
        // As releases 20.11 to 26.05 write it.
        all(
            Refusal::Away,
            &[
                "Unable to contact slurm controller (connect failure)",
                "Unable to contact slurm controller (receive failure)",
                "Socket timed out on send/recv operation",
                "Connection timed out reading",
                "Zero Bytes were transmitted or received",
                "Message receive failure",
                "Slurm backup controller in standby mode",
                "Controller is in standby mode, try a different controller",
                "Protocol authentication error",
                "Invalid authentication credential",
                "Rate limit exceeded, please retry momentarily",
                "Connection refused",
                "Resource temporarily unavailable",
            ],
        );
        assert_eq!(Refusal::of("sbatch: error: If munged is up, restart with --num-threads=10"), Refusal::Away);
        assert_eq!(Refusal::of("sbatch: fatal: Could not establish a configuration source"), Refusal::Away);
    }

    #[test]
    fn what_may_be_taken_later_waits() {
        all(
            Refusal::Limit,
            &[
                "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
                "Unable to create job record, try again",
                "MaxJobCount limit reached",
                "System submissions disabled",
                "Required partition not available (inactive or drain)",
                "Partition in DOWN state",
                "Required node not available (down, drained or reserved)",
                "Requested account has breached requested QOS usage threshold",
            ],
        );
    }

    #[test]
    fn what_will_never_be_taken_is_the_sites() {
        all(
            Refusal::Site,
            &[
                "Invalid partition name specified",
                "No partition specified or system default partition",
                "Invalid account or account/partition combination specified",
                "Invalid qos specification",
                "Invalid generic resource (gres) specification",
                "Requested node configuration is not available",
                "Invalid job array specification",
                "Requested time limit is invalid (missing or exceeds some limit)",
                "More processors requested than permitted",
                "Node count specification invalid",
                "User's group not permitted to use this partition",
                "Access/permission denied",
                "Invalid feature specification",
                "Memory required by task is not available",
                "Incompatible versions of client and server code",
                "Unspecified error",
            ],
        );
        assert_eq!(Refusal::of("sbatch: error: Invalid --time specification"), Refusal::Site);
        assert_eq!(Refusal::of("sbatch: unrecognized option '--qoss=low'\nTry \"sbatch --help\" for more information"), Refusal::Site);
        assert_eq!(Refusal::of(""), Refusal::Site);
    }

    #[test]
    fn a_limit_of_one_job_is_told_from_one_of_their_number() {
        let with = |reason: &str| {
            Refusal::of(&format!(
                "sbatch: error: {reason}\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"
            ))
        };
        for number in ["AssocMaxSubmitJobLimit", "QOSMaxSubmitJobPerUserLimit", "AssocGrpSubmitJobsLimit", "MaxSubmitJobsPerAccount"] {
            assert_eq!(with(number), Refusal::Limit, "{number}");
        }
        for size in ["AssocMaxWallDurationPerJobLimit", "QOSMaxCpuPerUserLimit", "QOSMinGRES", "AssocGrpCpuLimit", "MaxCpuPerAccount"] {
            assert_eq!(with(size), Refusal::Site, "{size}");
        }
    }

    #[test]
    fn what_slurm_really_said_is_told_apart() {
        // Slurm 22.05.8.
        for (refusal, said) in [
            (
                Refusal::Site,
                "sbatch: error: invalid partition specified: nowhere\nsbatch: error: Batch job submission failed: Invalid partition name specified\n",
            ),
            (
                Refusal::Site,
                "sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: Requested node configuration is not available\n",
            ),
            (
                Refusal::Limit,
                "sbatch: error: AssocMaxSubmitJobLimit\nallocation failure: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n",
            ),
            (Refusal::Away, "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n"),
            (
                Refusal::Away,
                "sbatch: error: If munged is up, restart with --num-threads=10\nsbatch: error: Munge encode failed: Failed to access \"/run/munge/munge.socket.2\": No such file or directory (Did you start munged?)\nsbatch: error: slurm_send_node_msg: auth_g_create: REQUEST_SUBMIT_BATCH_JOB has authentication error\nsbatch: error: Batch job submission failed: Protocol authentication error\n",
            ),
            (Refusal::Away, "scancel: error: Kill job error on job id 43: Unable to contact slurm controller (connect failure)\n"),
            (Refusal::Site, "scancel: error: Kill job error on job id 10_0: Invalid job id specified\n"),
            (
                Refusal::Away,
                "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:login:6819: Connection refused\nsacct: error: Sending PersistInit msg: Connection refused\n",
            ),
        ] {
            assert_eq!(Refusal::of(said), refusal, "{said}");
        }
    }

    #[test]
    fn the_sites_words_are_told_without_noise() {
        let said = "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)\n";
        assert_eq!(Refused::read(said).to_string(), "AssocMaxSubmitJobLimit; Job violates accounting/QOS policy (job submit limit)");
        assert_eq!(
            words("sbatch: error: error: please name a project\nsbatch: error: Unspecified error"),
            "error: please name a project; Unspecified error"
        );
        assert_eq!(words("\n \n"), "it did not say why");
        assert_eq!(words(&"é".repeat(1000)).chars().count(), LONGEST + 1);
    }

    proptest! {
        #[test]
        fn no_words_panic(said in any::<Vec<u8>>()) {
            let refused = Refused::read(&String::from_utf8_lossy(&said));
            prop_assert!(!refused.said.contains('\n'));
        }
    }
}
