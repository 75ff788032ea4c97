//! Who a process is, so that another one can tell whether it still lives; and the two clocks.

use std::fs;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bandmaster_record::{Host, Nonce, Timestamp};

/// A process as others can recognise it: a pid alone is reused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The host.
    pub host: Host,
    /// The process id there.
    pub pid: u32,
    /// When it started, in the kernel's ticks after boot (proc(5), `starttime`).
    pub start_time: u64,
}

/// The number of the machine's own PID namespace, the same on every Linux (PROC_PID_INIT_INO).
const INITIAL_PID_NAMESPACE: &str = "4026531836";

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// The kernel's boot id.
pub(crate) fn kernel_boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The boot id, with the number of the PID namespace behind it where that is not the machine's own: a pid says
/// nothing to a process in another namespace, which must not think that its holder is dead.
fn boot_id() -> io::Result<String> {
    let boot_id = kernel_boot_id()?;
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    match link.to_str().and_then(|text| text.strip_prefix("pid:[")?.strip_suffix(']')) {
        Some(namespace) if namespace != INITIAL_PID_NAMESPACE => Ok(format!("{boot_id}.{namespace}")),
        _ => Ok(boot_id),
    }
}

fn current_host() -> io::Result<Host> {
    let name = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    Ok(Host { name, boot_id: boot_id()? })
}

/// What /proc/<pid>/stat tells of a process.
struct Stat {
    pid: u32,
    state: char,
    start_time: u64,
}

fn stat(of: &str) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{of}/stat"))?;
    // The second field is the program's name in brackets, and may itself hold brackets and blanks.
    let (head, tail) = text.rsplit_once(')').ok_or_else(|| invalid("/proc/<pid>/stat without a name"))?;
    let mut fields = tail.split_ascii_whitespace();
    let stat = (|| {
        Some(Stat {
            pid: head.split_ascii_whitespace().next()?.parse().ok()?,
            state: fields.next()?.chars().next()?,
            // Field 22, the state being field 3.
            start_time: fields.nth(18)?.parse().ok()?,
        })
    })();
    stat.ok_or_else(|| invalid("/proc/<pid>/stat with too few fields"))
}

impl Identity {
    /// This process.
    pub fn current() -> io::Result<Self> {
        let Stat { pid, start_time, .. } = stat("self")?;
        Ok(Self { host: current_host()?, pid, start_time })
    }

    /// Whether the process lives: `None` if it cannot be told from here, because it ran on another host, before this
    /// one was started again, or in a container.
    pub fn is_alive(host: &Host, pid: u32, start_time: u64) -> Option<bool> {
        if current_host().ok()? != *host {
            return None;
        }
        match stat(&pid.to_string()) {
            // A zombie runs no more: it only waits for its parent to look.
            Ok(stat) => Some(stat.start_time == start_time && !matches!(stat.state, 'Z' | 'X' | 'x')),
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH) => {
                // Without /proc nothing could be told.
                stat("self").ok().map(|_| false)
            }
            Err(_) => None,
        }
    }
}

/// The time since this machine was started, sleep included (CLOCK_BOOTTIME). It never goes back, so that it measures
/// how long something did not change; it says nothing to another host.
pub fn boottime() -> Duration {
    // Every Linux since 2.6.39 has this clock. Zero would mean that nothing ever becomes stale, which is safe.
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

/// The wall clock, for people.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A new nonce: a ULID, so that nonces of one host sort by time.
pub fn nonce() -> Nonce {
    loop {
        // A ULID's 26 letters and digits are always a nonce, so that this ends the first time.
        if let Ok(nonce) = Nonce::new(ulid::Ulid::generate().to_string()) {
            return nonce;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn this_process_lives_and_another_start_of_its_pid_does_not() {
        let me = Identity::current().unwrap();
        assert_eq!(me.pid, std::process::id());
        assert_eq!(Identity::is_alive(&me.host, me.pid, me.start_time), Some(true));
        assert_eq!(Identity::is_alive(&me.host, me.pid, me.start_time + 1), Some(false));
    }

    #[test]
    fn a_killed_child_is_dead_before_and_after_it_is_reaped() {
        let host = Identity::current().unwrap().host;
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let start_time = stat(&child.id().to_string()).unwrap().start_time;
        assert_eq!(Identity::is_alive(&host, child.id(), start_time), Some(true));
        child.kill().unwrap();
        while stat(&child.id().to_string()).unwrap().state != 'Z' {
            std::thread::yield_now();
        }
        assert_eq!(Identity::is_alive(&host, child.id(), start_time), Some(false));
        child.wait().unwrap();
        assert_eq!(Identity::is_alive(&host, child.id(), start_time), Some(false));
    }

    #[test]
    fn a_process_elsewhere_is_unknown() {
        let Identity { host, pid, start_time } = Identity::current().unwrap();
        let renamed = Host { name: "elsewhere".into(), ..host.clone() };
        let restarted = Host { boot_id: "another".into(), ..host };
        assert_eq!(Identity::is_alive(&renamed, pid, start_time), None);
        assert_eq!(Identity::is_alive(&restarted, pid, start_time), None);
    }

    #[test]
    fn boottime_goes_on() {
        let before = boottime();
        std::thread::sleep(Duration::from_millis(5));
        assert!(boottime() - before >= Duration::from_millis(5));
    }
}
