//! The end of a trial whose agent is gone. The kernel killed the trial's own process with the agent; what it had started
//! in other groups and sessions is found by the environment that it inherited: the path of the attempt's private
//! directory, which is unique.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, geteuid};
use tokio::time::sleep;

/// Flags in /proc/<pid>/stat, of the kernel's include/linux/sched.h.
const EXITING: u64 = 0x4;
const KERNEL_THREAD: u64 = 0x0020_0000;

/// How often is looked for what appeared while the others were being killed.
const ROUNDS: u32 = 100;

/// Kills the trial's group, if it had one, and every process that was given this report file.
pub(super) async fn kill_all(group: Option<i32>, report: &Path) {
    if let Some(group) = group {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let mut mark = b"BANDMASTER_REPORT=".to_vec();
    mark.extend_from_slice(report.as_os_str().as_encoded_bytes());
    for _ in 0..ROUNDS {
        let (found, unsure) = marked(&mark);
        if found.is_empty() && !unsure {
            return;
        }
        for pid in found {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// This user's processes that have this variable in the environment that they were started with, and whether there are
/// some of which it cannot be told now: while a process begins to execute a program it has no environment.
fn marked(mark: &[u8]) -> (Vec<i32>, bool) {
    let (mut found, mut unsure) = (Vec::new(), false);
    let (all, me) = (fs::read_dir("/proc").into_iter().flatten().flatten(), geteuid().as_raw());
    for entry in all.filter(|entry| entry.metadata().is_ok_and(|meta| meta.uid() == me)) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match fs::read(format!("/proc/{pid}/environ")) {
            Ok(environment) if environment.is_empty() => {
                unsure |= fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !has_none(&stat).unwrap_or(true));
            }
            Ok(environment) if environment.split(|b| *b == 0).any(|variable| variable == mark) => found.push(pid),
            _ => {}
        }
    }
    (found, unsure)
}

/// Whether /proc/<pid>/stat is that of a process that will have no variables: it is dead, or the kernel's own, or was
/// started without any.
fn has_none(stat: &str) -> Option<bool> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // proc(5) counts from 1, and the first two stand before the bracket.
    let field = |number: usize| fields.get(number - 3).copied();
    let flags: u64 = field(9)?.parse().ok()?;
    let (begin, end) = (field(50)?, field(51)?);
    Some(matches!(field(3)?, "Z" | "X") || flags & (EXITING | KERNEL_THREAD) != 0 || (begin == end && end != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[tokio::test]
    async fn a_process_in_another_session_is_found_by_its_environment() {
        let report = tempfile::tempdir().unwrap().path().join("report");
        let mut ours = Command::new("setsid").args(["sleep", "100"]).env("BANDMASTER_REPORT", &report).spawn().unwrap();
        let mut other = Command::new("sleep").arg("100").env("BANDMASTER_REPORT", report.join("x")).spawn().unwrap();
        // Until it has executed its program its environment is this process's.
        while marked(&[b"BANDMASTER_REPORT=", report.as_os_str().as_encoded_bytes()].concat()).0.is_empty() {
            std::thread::yield_now();
        }
        kill_all(None, &report).await;
        assert!(!ours.wait().unwrap().success());
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_process_in_the_middle_of_an_exec_is_told_from_one_without_variables() {
        let stat = |state: &str, flags: u64, begin: &str, end: &str| {
            let mut fields = vec!["1".to_owned(); 50];
            (fields[0], fields[6], fields[47], fields[48]) = (state.to_owned(), flags.to_string(), begin.to_owned(), end.to_owned());
            format!("7 (a) b) {}", fields.join(" "))
        };
        assert_eq!(has_none(&stat("R", 0x400, "0", "0")), Some(false));
        // It had begun, and now it is done.
        assert_eq!(has_none(&stat("R", 0x400, "140000", "140100")), Some(false));
        assert_eq!(has_none(&stat("R", 0x400, "140000", "140000")), Some(true));
        assert_eq!(has_none(&stat("Z", 0x400, "0", "0")), Some(true));
        assert_eq!(has_none(&stat("S", EXITING, "0", "0")), Some(true));
        assert_eq!(has_none(&stat("S", KERNEL_THREAD, "0", "0")), Some(true));
        assert_eq!(has_none("7 (a) R"), None);
        let mut bare = Command::new("sleep").arg("100").env_clear().spawn().unwrap();
        let is_bare = || has_none(&fs::read_to_string(format!("/proc/{}/stat", bare.id())).unwrap()) == Some(true);
        while !is_bare() {
            std::thread::yield_now();
        }
        bare.kill().unwrap();
        bare.wait().unwrap();
    }
}
