//! What Bandmaster itself costs: a sweep of many short trials through the whole local cluster, with real processes.
//!
//!     cargo build --release && cargo bench -p bandmaster-tests --bench local_cluster [-- TRIALS]
//!
//! The trials (1000 of them) sleep for 10 ms and report. CPU is what the kernel counted for all processes, less what it
//! counted for the trials; memory is the searcher's peak of resident pages; inodes are what the campaign holds at the end.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use bandmaster_tests::{Inodes, World, end_of_processes};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, SysconfVar, sysconf};

const TRIAL: &str = r#"sleep 0.01; echo "{\"resource\": $BANDMASTER_TARGET, \"loss\": $1}" >> "$BANDMASTER_REPORT""#;

fn sweep(trials: u32) -> String {
    format!(
        r#"name = "bench"
[objective]
metric = "loss"
goal = "minimize"
[method]
kind = "random"
max_resource = 1
trials = {trials}
[space]
x = {{ uniform = [0.0, 1.0] }}
[trial]
command = ["sh", "trial.sh", "{{x}}"]
"#
    )
}

/// The CPU time that a process has used, its children left out, while it is a zombie at the least.
fn own_cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    let per_second = sysconf(SysconfVar::CLK_TCK).unwrap().unwrap().cast_unsigned();
    Duration::from_millis(ticks * 1000 / per_second)
}

/// Its peak of resident memory so far, in bytes; nothing once it has ended.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The CPU time of all processes that ended below this one and were waited for.
fn children_cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let micros = |time: TimeVal| u64::try_from(time.num_microseconds()).unwrap();
    Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
}

fn main() {
    let trials: u32 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1000);
    // Slots outlive the searcher: what they used comes here, too.
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let world = World::new().unwrap();
    world.write("trial.sh", TRIAL).unwrap();
    world.write("sweep.toml", &sweep(trials)).unwrap();

    let begun = Instant::now();
    let mut run = world.begin("run", "sweep.toml", &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let searcher = Pid::from_raw(run.id().cast_signed());
    let (mut memory, flags) = (0, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT);
    while waitid(Id::Pid(searcher), flags).unwrap() == WaitStatus::StillAlive {
        memory = peak(run.id()).unwrap_or_default().max(memory);
        thread::sleep(Duration::from_millis(10));
    }
    let wall = begun.elapsed();
    let of_searcher = own_cpu(run.id());
    assert!(run.wait().unwrap().success(), "the sweep did not finish");
    // Reaped as they end: one that nobody waits for is still there.
    while waitpid(Pid::from_raw(-1), None).is_ok() {}
    end_of_processes(world.path()).unwrap();
    let all = children_cpu();

    let number = |query: &str| world.sql(query).unwrap().parse::<f64>().unwrap();
    let segments = number("SELECT count(*) FROM attempts WHERE cause = 'completed'");
    assert_eq!(segments, f64::from(trials));
    let of_trials = Duration::from_secs_f64(number("SELECT sum(cpu_seconds) FROM attempts"));
    let slots = number("SELECT count(*) FROM slots");
    let inodes = Inodes::of(&world.campaign()).unwrap();

    let each = |time: Duration| 1000.0 * time.as_secs_f64() / segments;
    let of_slots = all.saturating_sub(of_trials + of_searcher);
    println!("{trials} trials of 10 ms, {slots} slots");
    println!("wall                 {:9.2} ms a segment, {:.1} s in all", each(wall), wall.as_secs_f64());
    println!("CPU of ours          {:9.2} ms a segment (target: less than 5)", each(of_searcher + of_slots));
    println!("  searcher           {:9.2} ms", each(of_searcher));
    println!("  slots and agents   {:9.2} ms", each(of_slots));
    println!("CPU of the trials    {:9.2} ms a segment", each(of_trials));
    println!("searcher's memory    {:9.1} MB at its peak (target: less than 30)", memory as f64 / 1e6);
    println!("inodes               {:9.2} a segment: claims and logs (target: at most 2)", (inodes.claims + inodes.logs) as f64 / segments);
    println!("  beside them        {} for {slots} slots, {} journals of ticks, {} else", inodes.slots, inodes.ticks, inodes.rest);
}
