//! The end of processes. The agent is a subreaper: whatever a trial starts, in whatever group or session, becomes the
//! agent's child when its parent dies, so that after a trial nothing of it is left on the node.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use bandmaster_record::Usage;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

/// How long killed processes may take to go: those in an uninterruptible sleep can take for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that ended and was reaped.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Reaped {
    pub(super) pid: i32,
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    /// Of the process and of all that it waited for itself; its wall time is not known.
    pub(super) usage: Usage,
}

/// A child that was not reaped.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stray {
    pid: i32,
    name: String,
    ended: bool,
}

/// What became of a trial.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ended {
    /// The trial's own process, with the CPU time and peak of all that came from it.
    pub(super) leader: Reaped,
    /// Processes that it left running and that were killed: `name (pid)`.
    pub(super) killed: Vec<String>,
    /// Those that would not go.
    pub(super) remaining: Vec<String>,
}

/// Whether the child ended. It stays a zombie, so that neither its pid nor its group's number can be anybody else's.
pub(super) fn has_ended(pid: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    !matches!(waitid(Id::Pid(pid), flags), Ok(WaitStatus::StillAlive) | Err(Errno::EINTR))
}

/// Kills what an ended trial left, and reaps it all.
pub(super) async fn clear(leader: Pid) -> Ended {
    let mut ended = Ended::default();
    for stray in strays(leader) {
        if !stray.ended {
            ended.killed.push(format!("{} ({})", stray.name, stray.pid));
        }
    }
    // Its members that are nobody's child any more; a group without members is no error here.
    let _ = killpg(leader, Signal::SIGKILL);
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    while reap_all(leader, &mut ended.leader) {
        let strays = strays(leader);
        for stray in &strays {
            let _ = kill(Pid::from_raw(stray.pid), Signal::SIGKILL);
        }
        if began.elapsed() > PATIENCE {
            ended.remaining = strays.into_iter().map(|stray| format!("{} ({})", stray.name, stray.pid)).collect();
            break;
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    ended
}

/// Reaps every child that ended, adding to the leader's usage what the others used. True while children are left.
fn reap_all(leader: Pid, sum: &mut Reaped) -> bool {
    loop {
        match reap() {
            Ok(Some(one)) => {
                let usage = Usage {
                    wall: sum.usage.wall,
                    cpu: bandmaster_record::Seconds(sum.usage.cpu.0 + one.usage.cpu.0),
                    peak_memory: sum.usage.peak_memory.max(one.usage.peak_memory),
                };
                if one.pid == leader.as_raw() {
                    *sum = one;
                }
                sum.usage = usage;
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Reaps one child; `None` when those that are left still run; an error when there are none.
#[expect(unsafe_code, reason = "wait4 tells what the child used; neither std nor nix has it")]
fn reap() -> io::Result<Option<Reaped>> {
    let (mut status, mut usage) = (0, MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: both pointers are to live places of the right types; rusage is plain numbers, for which zero is valid.
    let (pid, usage) = unsafe {
        let pid = libc::wait4(-1, &raw mut status, libc::WNOHANG, usage.as_mut_ptr());
        (pid, usage.assume_init())
    };
    match pid {
        0 => Ok(None),
        pid if pid > 0 => {
            let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
            Ok(Some(Reaped {
                pid,
                code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
                signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
                usage: Usage {
                    cpu: bandmaster_record::Seconds(seconds(usage.ru_utime) + seconds(usage.ru_stime)),
                    // In KiB.
                    peak_memory: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
                    ..Usage::default()
                },
            }))
        }
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            error => Err(error),
        },
    }
}

/// The agent's children but the leader.
fn strays(leader: Pid) -> Vec<Stray> {
    children().into_iter().filter(|pid| *pid != leader.as_raw()).filter_map(look).collect()
}

/// The children of all threads of this process; where the kernel does not list them, those that name it as parent.
fn children() -> Vec<i32> {
    let mut found = Vec::new();
    let mut listed = false;
    for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        if let Ok(text) = fs::read_to_string(thread.path().join("children")) {
            listed = true;
            found.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        }
    }
    if listed {
        return found;
    }
    let me = std::process::id();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| stat(*pid).and_then(|(_, rest)| rest.split_ascii_whitespace().nth(1)?.parse().ok()) == Some(me))
        .collect()
}

fn look(pid: i32) -> Option<Stray> {
    let (name, rest) = stat(pid)?;
    Some(Stray { pid, name, ended: rest.trim_start().starts_with(['Z', 'X']) })
}

/// The process's name, and the fields behind it in /proc/<pid>/stat.
fn stat(pid: i32) -> Option<(String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, rest) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    Some((name.to_owned(), rest.to_owned()))
}
