//! What a child does between fork and exec. The only place that may do it: there a process may call hardly anything.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{getpid, getppid, setsid};

/// What schedulers send to whole trees of processes when they want a job to end.
const ENDING: [Signal; 3] = [Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

/// Makes the command a trial: in a process group of its own, killed by the kernel should its parent die, and deaf to what
/// schedulers send to whole trees of processes (which a program keeps over exec until it asks for a signal), but for
/// `heard`, the one that the sweep wants: a trial that dies of it can checkpoint no more.
#[expect(unsafe_code, reason = "pre_exec: the closure makes system calls alone, all of them async-signal-safe")]
pub fn as_trial(command: &mut Command, heard: Option<Signal>) {
    let parent = getpid();
    let prepare = move || -> io::Result<()> {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // A parent that died before that call has sent no signal.
        if getppid() != parent {
            return Err(Errno::ESRCH.into());
        }
        for one in ENDING {
            let handler = if heard == Some(one) { SigHandler::SigDfl } else { SigHandler::SigIgn };
            // SAFETY: neither handler is a function of ours.
            unsafe { signal(one, handler) }?;
        }
        Ok(())
    };
    command.process_group(0);
    // SAFETY: prctl, getppid and signal are async-signal-safe; nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(prepare) };
}

/// Makes the command outlive this process: in a session of its own.
#[expect(unsafe_code, reason = "pre_exec: the closure makes one system call, which is async-signal-safe")]
pub fn detached(command: &mut Command) {
    let prepare = || -> io::Result<()> {
        setsid()?;
        Ok(())
    };
    // SAFETY: setsid is async-signal-safe; nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(prepare) };
}

/// Makes the command deaf to the signals that ask for a job's end, as long as it does not ask for them.
#[expect(unsafe_code, reason = "pre_exec: the closure makes system calls alone, all of them async-signal-safe")]
pub fn deaf(command: &mut Command) {
    let prepare = || -> io::Result<()> {
        for one in ENDING.into_iter().chain([Signal::SIGINT, Signal::SIGHUP]) {
            // SAFETY: to ignore is no function of ours.
            unsafe { signal(one, SigHandler::SigIgn) }?;
        }
        Ok(())
    };
    // SAFETY: signal is async-signal-safe; nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(prepare) };
}
