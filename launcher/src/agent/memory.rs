//! Whether the kernel killed for memory. A process that it killed looks like any other that got SIGKILL; the kernel's
//! own counts tell the difference.

use std::fs;
use std::path::{Path, PathBuf};

/// A count of such kills that the kernel keeps.
#[derive(Debug)]
pub(super) struct Kills {
    counter: Option<PathBuf>,
    /// Whether it counts this control group alone, and not the whole machine.
    own: bool,
}

/// Where the whole machine's count stands.
const MACHINE: &str = "/proc/vmstat";

impl Kills {
    /// Finds the count that is nearest to this process: its control group's, else the machine's.
    pub(super) fn locate() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let counter = candidates(&groups).into_iter().find(|path| read(path).is_some());
        Self::of(counter)
    }

    fn of(counter: Option<PathBuf>) -> Self {
        let own = counter.as_deref().is_some_and(|path| path != Path::new(MACHINE));
        Self { counter, own }
    }

    /// Whether a kill that it counts is one of this process's descendants: on a whole machine it may be anybody's.
    pub(super) fn are_ours(&self) -> bool {
        self.own
    }

    /// How many processes were killed until now.
    pub(super) fn count(&self) -> Option<u64> {
        read(self.counter.as_ref()?)
    }

    /// What says that a process was killed since the count was `before`.
    pub(super) fn since(&self, before: Option<u64>) -> Option<String> {
        let (now, before) = (self.count()?, before?);
        (now > before)
            .then(|| format!("`oom_kill` in {} grew from {before} to {now}", self.counter.as_deref().unwrap_or("".as_ref()).display()))
    }
}

/// Where the count may stand, for the groups that /proc/self/cgroup names.
fn candidates(groups: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        // In a container the path may be that of the host, and the group itself be mounted at the top.
        for path in [path, ""] {
            if controllers.is_empty() {
                found.push(PathBuf::from(format!("/sys/fs/cgroup{path}/memory.events")));
            } else if controllers.split(',').any(|controller| controller == "memory") {
                found.push(PathBuf::from(format!("/sys/fs/cgroup/memory{path}/memory.oom_control")));
            }
        }
    }
    found.push(MACHINE.into());
    found
}

fn read(path: &PathBuf) -> Option<u64> {
    parse(&fs::read_to_string(path).ok()?)
}

fn parse(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_count_is_asked_first() {
        let v2 = candidates("0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n");
        assert_eq!(v2[0], PathBuf::from("/sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/step_0/user/task_0/memory.events"));
        let v1 = candidates("4:memory:/slurm/uid_1/job_7\n1:cpu:/\n0::/\n");
        assert_eq!(v1[0], PathBuf::from("/sys/fs/cgroup/memory/slurm/uid_1/job_7/memory.oom_control"));
        assert_eq!(v1.last(), Some(&PathBuf::from("/proc/vmstat")));
    }

    #[test]
    fn the_count_is_read_from_all_three_shapes() {
        assert_eq!(parse("low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 0\n"), Some(3));
        assert_eq!(parse("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), Some(2));
        assert_eq!(parse("nr_free_pages 1\noom_kill 0\n"), Some(0));
        assert_eq!(parse("oom_kill_disable 0\nunder_oom 0\n"), None);
        assert!(Kills::locate().count().is_some(), "this kernel keeps one");
    }

    #[test]
    fn what_a_whole_machine_counts_may_be_anybodys() {
        assert!(!Kills::of(Some(MACHINE.into())).are_ours() && !Kills::of(None).are_ours());
        assert!(Kills::of(Some("/sys/fs/cgroup/job_7/memory.events".into())).are_ours());
    }
}
