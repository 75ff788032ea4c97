//! The slot's side of its agent: a child process that it speaks with in lines of JSON.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bandmaster_journal::crash_point;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::lost;
use crate::contract::report_path;
use crate::failure::Failure;
use crate::say::say;
use crate::segment::signal_name;
use crate::wire::{FromAgent, ToAgent, line};

/// How long an agent may take to leave.
const LEAVE: Duration = Duration::from_secs(10);

/// A running agent.
#[derive(Debug)]
pub(super) struct Agent {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Its private directory on the node, once it has said so.
    home: Option<PathBuf>,
    /// Whether it has started a trial.
    pub(super) proven: bool,
}

impl Agent {
    /// Starts one, of this program itself.
    pub(super) fn start() -> Result<Self, Failure> {
        let failed = Failure::system("start the agent");
        // A program that was replaced while it runs is still there under this name.
        let program = std::env::current_exe().ok().filter(|path| path.exists()).unwrap_or_else(|| "/proc/self/exe".into());
        let mut command = Command::new(program);
        // A group of its own: Ctrl-C in a terminal is for the slot to hear, which stops its trial in an orderly way.
        command.arg("agent").stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        crash_point("launch.agent.spawn");
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Err(failed(error)),
        };
        crash_point("launch.agent.spawned");
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => Ok(Self { child, stdin, stdout: BufReader::new(stdout).lines(), home: None, proven: false }),
            _ => Err(failed(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// What it says next; `None` when it is gone. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<FromAgent> {
        loop {
            let line = self.stdout.next_line().await.ok()??;
            match serde_json::from_str(&line) {
                Ok(FromAgent::Ready { directory }) => self.home = Some(directory),
                Ok(message) => {
                    self.proven |= matches!(message, FromAgent::Started { .. } | FromAgent::CannotStart { .. });
                    return Some(message);
                }
                // A scheduler's own words may stand between an agent's.
                Err(_) => say(format_args!("its agent: {line}")),
            }
        }
    }

    /// Tells it something. An agent that is gone says so by its end.
    pub(super) async fn tell(&mut self, message: &ToAgent) {
        if let Ok(line) = line(message) {
            let _ = self.stdin.write_all(&line).await;
        }
    }

    /// Lets it go.
    pub(super) async fn dismiss(mut self) {
        self.tell(&ToAgent::Exit).await;
        drop(self.stdin);
        if timeout(LEAVE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// The end of an agent that is gone, with all that its trial left: `group` is the trial's process group if it had
    /// started. How the agent ended, for people.
    pub(super) async fn bury(mut self, group: Option<i32>, nonce: &str) -> String {
        use std::os::unix::process::ExitStatusExt;
        // It may only have closed its output.
        let status = match timeout(Duration::from_millis(200), self.child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                let _ = self.child.start_kill();
                self.child.wait().await
            }
        };
        if let Some(home) = &self.home {
            lost::kill_all(group, &report_path(home, nonce)).await;
            // A few bytes on the node's own disk.
            let _ = std::fs::remove_dir_all(home);
        }
        match status.map(|status| (status.code(), status.signal())) {
            Ok((_, Some(signal))) => format!("its agent was ended by {}", signal_name(signal)),
            Ok((Some(code), _)) => format!("its agent exited with {code}"),
            _ => "its agent is gone".to_owned(),
        }
    }
}

/// What the agent says next; `None` when there is none.
pub(super) async fn next(agent: &mut Option<Agent>) -> Option<FromAgent> {
    match agent {
        Some(agent) => agent.next().await,
        None => None,
    }
}
