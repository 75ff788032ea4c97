//! Asks Slurm about this job: `scontrol`, with a limit of time, away from the loop.

use std::io;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bandmaster_journal::crash_point;
use tokio::process::Command;
use tokio::time::timeout;

use super::job::{Job, kill_wait};
use super::why::Told;
use crate::spawn::deaf;

/// How long Slurm may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The job alone.
    Job,
    /// The job, and how long it has when it is killed.
    End,
}

/// Asks about a job, named as in `12_3`.
pub async fn ask(job: String, question: Question) -> Told {
    let mut told = match scontrol(&["show", "job", "-o", &job]).await {
        Ok(text) => Told { job: Job::parse(&text), trouble: "scontrol knows no such job".to_owned(), ..Told::default() },
        Err(error) => Told { trouble: error.to_string(), ..Told::default() },
    };
    if question == Question::End && told.job.is_some() {
        told.kill_wait = scontrol(&["show", "config"]).await.ok().and_then(|text| kill_wait(&text));
    }
    told
}

/// Now, in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What scontrol prints.
async fn scontrol(arguments: &[&str]) -> io::Result<String> {
    let mut command = std::process::Command::new("scontrol");
    command.args(arguments).env("SLURM_TIME_FORMAT", "%s").env_remove("SLURM_CLUSTERS");
    // Where Slurm signals whole trees of processes, the question must survive what it asks about.
    deaf(&mut command);
    let mut command = Command::from(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    crash_point("launch.ask.spawn");
    let output = command.output();
    crash_point("launch.ask.spawned");
    let output = timeout(PATIENCE, output).await.map_err(|_| io::Error::other("scontrol did not answer in time"))??;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("scontrol: {}, {}", output.status, said.lines().next().unwrap_or("without a word"))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
