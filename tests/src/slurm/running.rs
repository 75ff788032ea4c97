//! A command that runs on a host while the test goes on.

use std::fs::{self, File};
use std::io;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{all, wait_for};

/// A command on a host. It is killed with this value.
pub struct Running {
    /// What holds the command: its death is the command's, and its end has the command's exit status.
    holder: Child,
    stdout: File,
    stderr: File,
}

impl Running {
    /// Starts a command that [`TestCluster::command`](super::TestCluster::command) or [`Place::command`](super::Place::command) gave.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let holder = command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).spawn()?;
        Ok(Self { holder, stdout, stderr })
    }

    /// The command's own process, by its number on the machine; inside its host it has another.
    pub fn pid(&mut self) -> io::Result<Pid> {
        let holder = self.holder.id();
        let pid = wait_for("the command's process", || {
            if self.holder.try_wait().ok()?.is_some() {
                return Some(None);
            }
            let child = |pid: u32| fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?.trim().parse::<u32>().ok();
            let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).map(|name| name.trim_end().to_owned());
            if name(holder).ok()? != "nsenter" {
                return None;
            }
            let command = child(holder)?;
            // On its way to the command it is these two.
            (!["nsenter", "setpriv"].contains(&name(command).ok()?.as_str())).then_some(Some(command))
        })?;
        let pid = pid.and_then(|pid| i32::try_from(pid).ok());
        pid.map(Pid::from_raw).ok_or_else(|| io::Error::other("the command has ended"))
    }

    /// Sends the command a signal.
    pub fn signal(&mut self, signal: Signal) -> io::Result<()> {
        Ok(kill(self.pid()?, signal)?)
    }

    /// Its exit status, once it has ended.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.holder.try_wait()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> io::Result<Output> {
        let status = wait_for("the end of a command", || self.holder.try_wait().transpose())??;
        Ok(Output { status, stdout: all(&mut self.stdout)?, stderr: all(&mut self.stderr)? })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
