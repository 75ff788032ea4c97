//! A sweep while its processes die.

use std::io;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{LONGEST, World, end_of_processes, processes_of, wait_for};

/// Everything of the world dies at once, as in a failure of power.
pub fn kill_all(world: &World) -> io::Result<()> {
    // What is started between the look and the signal is seen the next time.
    wait_for("the end of what was killed", || {
        let found = processes_of(world.path()).ok()?;
        for pid in &found {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
        found.is_empty().then_some(())
    })
}

/// Runs the world's sweep to its end while, at random moments about so far apart, processes of it die by SIGKILL: the
/// searcher, slots, agents, trials, whoever is drawn. Whoever types `run` types it again. Says how many died.
pub fn through_kills(world: &World, args: &[&str], kills: u32, apart: Duration, random: &mut Rng) -> io::Result<u32> {
    let begun = Instant::now();
    let mut killed = 0;
    loop {
        let mut run = world.begin("run", "sweep.toml", args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let status = loop {
            if let Some(status) = run.try_wait()? {
                break status;
            }
            if begun.elapsed() > LONGEST {
                run.kill()?;
                run.wait()?;
            }
            thread::sleep(apart.mul_f64(2.0 * random.f64()));
            let processes = processes_of(world.path())?;
            if killed < kills
                && let Some(pid) = random.choice(processes)
            {
                // It may have ended just now.
                killed += u32::from(kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).is_ok());
            }
        };
        // Slots bring a sweep to its end without the searcher that began it. (If they do so just now, `run` begins another.)
        if status.success() || world.sql("SELECT min(phase = 'finished') FROM sweeps").is_ok_and(|all| all == "1") {
            break;
        }
        if begun.elapsed() > LONGEST {
            let why = format!("after {killed} kills the sweep did not end within {} s; at last run said {status}", LONGEST.as_secs());
            return Err(io::Error::other(why));
        }
    }
    end_of_processes(world.path())?;
    // What the last slots had to say.
    let output = world.run(&["tick"])?;
    if !output.status.success() {
        return Err(io::Error::other(crate::said(&output)));
    }
    Ok(killed)
}
