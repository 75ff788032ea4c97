//! The slot's side of its agent: a child process that it speaks with in lines of JSON.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bandmaster_journal::crash_point;
use bandmaster_record::ClusterKind;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::lost;
use crate::contract::report_path;
use crate::failure::Failure;
use crate::say::{say, say_as_it_is};
use crate::segment::signal_name;
use crate::slurm::step;
use crate::wire::{FromAgent, ToAgent, line};

/// How long an agent may take to leave.
const LEAVE: Duration = Duration::from_secs(10);

/// How long an agent that closed its output may take to end. A step takes longer: Slurm looks after all of it.
const END: Duration = Duration::from_millis(200);
const END_OF_STEP: Duration = Duration::from_secs(5);

/// So many of the last lines beside an agent are kept, to explain its end.
const WORDS: usize = 20;

/// A running agent.
#[derive(Debug)]
pub(super) struct Agent {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Its private directory on the node, once it has said so.
    home: Option<PathBuf>,
    /// Reads what stands beside it: the last words of a step.
    words: Option<JoinHandle<VecDeque<String>>>,
    /// Whether it has started a trial.
    pub(super) proven: bool,
}

/// How an agent ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gone {
    /// For people.
    pub(super) how: String,
    /// What the scheduler printed beside it.
    pub(super) words: Vec<String>,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words.last() {
            Some(last) => write!(f, "{} ({last})", self.how),
            None => f.write_str(&self.how),
        }
    }
}

impl Agent {
    /// Starts one, of this program itself: as a child, or as a step of the job with so many cores.
    pub(super) fn start(cluster: ClusterKind, cpus: u32) -> Result<Self, Failure> {
        let failed = Failure::system("start the agent");
        // A program that was replaced while it runs is still there under this name, though not for a step.
        let itself = std::env::current_exe().ok();
        let mut command = match cluster {
            ClusterKind::Local => {
                let mut command = Command::new(itself.filter(|path| path.exists()).unwrap_or_else(|| "/proc/self/exe".into()));
                command.arg("agent");
                command
            }
            ClusterKind::Slurm => {
                let mut command = Command::new(step::SRUN);
                let inherited = std::env::vars_os().filter(|(name, _)| step::is_inherited(name));
                command.env_clear().envs(inherited).args(step::arguments(&itself.unwrap_or_default(), cpus)).stderr(Stdio::piped());
                command
            }
        };
        // A group of its own: Ctrl-C in a terminal is for the slot to hear, which stops its trial in an orderly way. And a
        // signal to the group of a batch process must not reach srun, which makes of most of them a kill.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        crash_point("launch.agent.spawn");
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Err(failed(error)),
        };
        crash_point("launch.agent.spawned");
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => {
                let words = child.stderr.take().map(|stderr| tokio::spawn(overhear(stderr)));
                Ok(Self { child, stdin, stdout: BufReader::new(stdout).lines(), home: None, words, proven: false })
            }
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

    /// Kills it.
    pub(super) fn kill(&mut self) {
        let _ = self.child.start_kill();
    }

    /// The end of an agent that is gone, with all that its trial left: `group` is the trial's process group if it had
    /// started.
    pub(super) async fn bury(mut self, group: Option<i32>, nonce: &str) -> Gone {
        use std::os::unix::process::ExitStatusExt;
        // It may only have closed its output.
        let patience = if self.words.is_some() { END_OF_STEP } else { END };
        let status = match timeout(patience, self.child.wait()).await {
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
        let how = match status.map(|status| (status.code(), status.signal())) {
            // How srun says that a signal ended its task.
            Ok((Some(code), _)) if self.words.is_some() && code > 128 => format!("its agent was ended by {}", signal_name(code - 128)),
            Ok((_, Some(signal))) => format!("its agent was ended by {}", signal_name(signal)),
            Ok((Some(code), _)) => format!("its agent exited with {code}"),
            _ => "its agent is gone".to_owned(),
        };
        let words = match self.words {
            // Whoever else holds the pipe may hold it for long.
            Some(words) => timeout(END, words).await.ok().and_then(Result::ok).unwrap_or_default(),
            None => VecDeque::new(),
        };
        Gone { how, words: words.into() }
    }
}

/// Passes on what is printed beside an agent, and keeps the last lines of it.
async fn overhear(stderr: ChildStderr) -> VecDeque<String> {
    let (mut lines, mut kept) = (BufReader::new(stderr).lines(), VecDeque::new());
    while let Ok(Some(line)) = lines.next_line().await {
        say_as_it_is(&line);
        if kept.len() == WORDS {
            kept.pop_front();
        }
        kept.push_back(line);
    }
    kept
}

/// What the agent says next; `None` when there is none.
pub(super) async fn next(agent: &mut Option<Agent>) -> Option<FromAgent> {
    match agent {
        Some(agent) => agent.next().await,
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_srun_could_not_start_is_told_with_sruns_last_words() {
        let words = ["srun: job 7 queued and waiting for resources", "srun: error: Unable to create step for job 7: Invalid account"];
        let gone = Gone { how: "its agent exited with 1".into(), words: words.map(str::to_owned).into() };
        assert_eq!(gone.to_string(), "its agent exited with 1 (srun: error: Unable to create step for job 7: Invalid account)");
        let silent = Gone { words: Vec::new(), ..gone };
        assert_eq!(silent.to_string(), "its agent exited with 1");
    }
}
