//! Why Slurm lets a task wait: its own words in a person's.

/// What each reason means, by its beginning; the longer ones first.
const REASONS: &[(&str, &str)] = &[
    ("AssocGrp", "your group's share of the cluster is in use"),
    ("AssocMax", "a limit of your account is reached"),
    ("BeginTime", "it may not begin yet: Slurm lets a requeued job wait for two minutes"),
    ("Dependency", "another job must end before"),
    ("JobArrayTaskLimit", "as many tasks of its array run as may run at once (`max_running`)"),
    ("JobHeldAdmin", "the site holds it: ask the site"),
    ("JobHeldUser", "somebody of this account holds it"),
    ("Licenses", "licences that it needs are in use"),
    ("Nodes required for job are DOWN", "nodes that it needs are down, drained or reserved"),
    ("PartitionDown", "the partition starts no jobs just now"),
    ("PartitionInactive", "the partition takes no jobs just now"),
    (
        "PartitionNodeLimit",
        "it needs more nodes than the partition gives to one job, and never starts: see [trial] and [slurm] in sweep.toml",
    ),
    ("PartitionTimeLimit", "its time is above the partition's limit, and it never starts: shorten `time` in [trial]"),
    ("Priority", "jobs with a higher priority come first"),
    ("QOSGrp", "the share of its QOS is in use"),
    ("QOSMax", "a limit of its QOS is reached"),
    ("ReqNodeNotAvail", "nodes that it needs are down, drained or reserved"),
    ("Reservation", "its reservation has not begun"),
    ("Resources", "it is next, when enough of the cluster is free"),
    ("job requeued in held state", "Slurm holds it, since its start failed"),
    ("launch failed requeued held", "Slurm holds it, since its start failed"),
];

/// Reasons that do not pass by themselves, but by this command of the job's owner.
const HELD: &[&str] = &["JobHeldUser", "job requeued in held state", "launch failed requeued held"];

/// What it means that tasks of a job are in that state, as the searcher describes it: `PENDING (Priority)`. Nothing for
/// what needs no word.
pub fn meaning(described: &str, job: &str) -> Option<String> {
    let (_, reason) = described.strip_suffix(')')?.split_once(" (")?;
    // Some commands of Slurm write its words with underscores.
    let spoken = reason.replace('_', " ");
    let (known, means) = REASONS.iter().find(|(known, _)| spoken.starts_with(known))?;
    let release = if HELD.contains(known) { format!(": `scontrol release {job}` lets it go") } else { String::new() };
    Some(format!("{reason}: {means}{release}"))
}

/// Why a sweep is in its phase, without the phase itself, which stands before it.
pub fn without_phase(why: &str) -> &str {
    ["paused: ", "cancelled: "].iter().find_map(|phase| why.strip_prefix(phase)).unwrap_or(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_said_in_plain_words_with_the_command_that_helps() {
        assert_eq!(meaning("PENDING (Priority)", "57").unwrap(), "Priority: jobs with a higher priority come first");
        let held = "JobHeldUser: somebody of this account holds it: `scontrol release 57` lets it go";
        assert_eq!(meaning("PENDING (JobHeldUser)", "57").unwrap(), held);
        assert!(meaning("PENDING (AssocGrpCpuLimit)", "57").unwrap().contains("group's share"));
        assert!(meaning("PENDING (launch_failed_requeued_held)", "57").unwrap().contains("scontrol release 57"));
        assert!(meaning("PENDING (ReqNodeNotAvail, UnavailableNodes:n[1-2])", "57").unwrap().starts_with("ReqNodeNotAvail, Unav"));
    }

    #[test]
    fn what_needs_no_word_or_is_not_known_gets_none() {
        for described in ["RUNNING", "PENDING", "COMPLETED", "PENDING (Magic)", "(", ")", ""] {
            assert_eq!(meaning(described, "57"), None, "{described}");
        }
    }
}
