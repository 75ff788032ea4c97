//! Whether the kernel killed for memory. A process that it killed looks like any other that got SIGKILL; the kernel's
//! own counts tell the difference.

use std::fs;
use std::path::{Path, PathBuf};

/// A count of such kills that the kernel keeps.
#[derive(Debug)]
pub(super) struct Kills {
    counter: Option<PathBuf>,
    /// Whether it counts nobody else's processes.
    own: bool,
}

/// Where the whole machine's count stands.
const MACHINE: &str = "/proc/vmstat";

impl Kills {
    /// Finds the count that is nearest to this process: its control group's, else the machine's.
    pub(super) fn locate() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let counter = candidates(&groups).into_iter().find(|path| read(path).is_some());
        // The machine's stands in no control group.
        let members = counter.as_deref().and_then(Path::parent).and_then(members);
        let lineages = members.map(|members| members.into_iter().filter_map(lineage).collect::<Vec<_>>());
        let own = lineages.zip(lineage(std::process::id())).is_some_and(|(members, own)| are_alone(&members, &own));
        Self { counter, own }
    }

    /// Whether a kill that it counts is one of this process's descendants: on a whole machine, and in a control group that
    /// others were in when this process began, it may be anybody's.
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

/// The processes of a control group and of all below it, for which it counts too; `None` if they cannot be told.
fn members(group: &Path) -> Option<Vec<u32>> {
    let listed = fs::read_to_string(group.join("cgroup.procs")).ok()?;
    let mut found = listed.lines().map(|pid| pid.parse().ok()).collect::<Option<Vec<u32>>>()?;
    for entry in fs::read_dir(group).ok()?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(members(&entry.path())?);
        }
    }
    Some(found)
}

/// A process, its parent, and so on; `None` if it is gone. Those that are out of sight are all listed as 0.
fn lineage(pid: u32) -> Option<Vec<u32>> {
    let parent = |pid: u32| -> Option<u32> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
    };
    let first = if pid == 0 { 0 } else { parent(pid)? };
    let above = std::iter::successors(Some(first), |pid| parent(*pid)).filter(|pid| *pid != 0);
    Some(std::iter::once(pid).chain(above).collect())
}

/// Whether a group, given by its members' lineages, is one's own and holds nobody but one's ancestors, and what one's
/// parent has started.
fn are_alone(members: &[Vec<u32>], own: &[u32]) -> bool {
    // Who has lost its parent is the child of everybody's.
    let parent = own.get(1).filter(|parent| **parent > 1);
    let is_ours =
        |member: &Vec<u32>| member.first().is_some_and(|pid| own.contains(pid)) || parent.is_some_and(|parent| member.contains(parent));
    members.iter().any(|member| member.first() == own.first()) && members.iter().all(is_ours)
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
    fn what_others_are_counted_in_may_be_anybodys() {
        let own = vec![30, 20, 5, 1];
        let (parent, sibling, below, other) = (vec![20, 5, 1], vec![31, 20, 5, 1], vec![32, 31, 20, 5, 1], vec![40, 5, 1]);
        for alone in [vec![&own], vec![&own, &parent], vec![&own, &sibling, &below]] {
            assert!(are_alone(&alone.into_iter().cloned().collect::<Vec<_>>(), &own));
        }
        for not in [vec![], vec![&parent], vec![&own, &other], vec![&own, &vec![0]]] {
            assert!(!are_alone(&not.into_iter().cloned().collect::<Vec<_>>(), &own));
        }
        assert!(!are_alone(&[vec![30, 1], vec![31, 1]], &[30, 1]));
        assert_eq!(members(Path::new("/proc")), None);
    }

    #[test]
    fn who_is_in_a_group_is_told_with_those_below() {
        let group = tempfile::tempdir().unwrap();
        assert_eq!(members(group.path()), None);
        fs::write(group.path().join("cgroup.procs"), "7\n8\n").unwrap();
        fs::create_dir(group.path().join("task_0")).unwrap();
        assert_eq!(members(group.path()), None);
        fs::write(group.path().join("task_0/cgroup.procs"), "9\n").unwrap();
        assert_eq!(members(group.path()), Some(vec![7, 8, 9]));
    }

    #[test]
    fn a_processs_lineage_begins_with_it_and_its_parent() {
        let found = lineage(std::process::id()).unwrap();
        assert_eq!(found[..2], [std::process::id(), std::os::unix::process::parent_id()]);
        assert_eq!((lineage(u32::MAX), lineage(0)), (None, Some(vec![0])));
    }
}
