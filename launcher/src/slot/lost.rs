//! The end of a trial whose agent is gone. The kernel killed the trial's own process with the agent; what it had started
//! in other groups and sessions is found by the environment that it inherited: the path of the attempt's private
//! directory, which is unique.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::time::sleep;

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
        let found = marked(&mark);
        if found.is_empty() {
            return;
        }
        for pid in found {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// The processes that have this variable in the environment that they were started with.
fn marked(mark: &[u8]) -> Vec<i32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            // Others' cannot be read, and a zombie's is empty.
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environment| environment.split(|b| *b == 0).any(|variable| variable == mark))
        })
        .collect()
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
        while marked(&[b"BANDMASTER_REPORT=", report.as_os_str().as_encoded_bytes()].concat()).is_empty() {
            std::thread::yield_now();
        }
        kill_all(None, &report).await;
        assert!(!ours.wait().unwrap().success());
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
