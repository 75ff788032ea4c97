//! Slurm's commands, run: found on PATH, in an environment that says nothing of its own, for a limited time.
//!
//! What surrounds this process must not change what is asked or submitted: it may itself be a task of a job, a cron
//! job, or a shell with the user's favourite formats.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bandmaster_journal::crash_point;
use bandmaster_record::{JobId, Timestamp};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, Uid};
use serde::{Deserialize, Serialize};

use super::refusal::{Refusal, Refused, words};
use super::scontrol::Limits;
use super::squeue::Listing;
use super::{sacct, scontrol, squeue};

/// How long one command may take. Slurm's own patience is 10 s for a message, and sbatch tries again for two minutes.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long what a killed command said may take to be read: another process may still hold its pipe.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// More than a million tasks fill is no answer.
const MOST: u64 = 256 << 20;

/// Variables that change what Slurm's commands or MPI do, by their beginnings.
const FOREIGN: &[&str] = &[
    // A test that kills this process at a crash point does not mean the jobs that it submits.
    "FAILPOINTS",
    "SLURM_",
    "SLURMD_",
    "SBATCH_",
    "SQUEUE_",
    "SACCT_",
    "SCANCEL_",
    "SCONTROL_",
    "SRUN_",
    "SALLOC_",
    "SPANK_",
    "PMI",
    "OMPI_",
    "PRTE_",
    "I_MPI_",
    "MPIR_",
    "HYDRA_",
];
/// Variables that belong to the job that this process is part of, and to none that it submits.
const OF_A_JOB: &[&str] =
    &["CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "TMPDIR"];
/// The one that is kept: where Slurm's configuration lies.
const KEPT: &str = "SLURM_CONF";

/// A command that gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// Its name.
        program: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// It did not end in time and was killed.
    #[error("{program} did not end within {seconds} s{}", .said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Late {
        /// Its name.
        program: &'static str,
        /// After so many seconds.
        seconds: u64,
        /// What it had said until then.
        said: Option<String>,
    },
    /// It failed.
    #[error("{program} failed: {said}")]
    Failed {
        /// Its name.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// Its answer is none.
    #[error("{0}")]
    Unreadable(String),
}

/// How often each command was run by this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// `squeue`.
    pub squeue: u64,
    /// `sacct`.
    pub sacct: u64,
    /// `sbatch`, `sbatch --test-only` too.
    pub sbatch: u64,
    /// `scancel`.
    pub scancel: u64,
    /// `scontrol`.
    pub scontrol: u64,
}

/// Slurm, as this user reaches it.
#[derive(Debug)]
pub struct Slurm {
    patience: Duration,
    counts: Counts,
    limits: OnceCell<Limits>,
}

/// What a command said, and how it ended.
struct Answer {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Default for Slurm {
    fn default() -> Self {
        Self { patience: PATIENCE, counts: Counts::default(), limits: OnceCell::new() }
    }
}

impl Slurm {
    /// With another patience, for tests and for a person who waits.
    pub fn patient(patience: Duration) -> Self {
        Self { patience, ..Self::default() }
    }

    /// How often each command was run.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// All jobs of this user that Slurm still has.
    ///
    /// # Errors
    /// There is no complete listing.
    pub fn squeue(&mut self) -> Result<Listing, CallError> {
        self.counts.squeue += 1;
        let said = self.ask("squeue", &squeue::arguments(Uid::current().as_raw()))?;
        squeue::parse(&said).map_err(|error| CallError::Unreadable(error.to_string()))
    }

    /// All runs of these jobs since then; `None` where the site keeps no accounts.
    ///
    /// # Errors
    /// The accounts are away.
    pub fn sacct(&mut self, jobs: &[JobId], since: Timestamp) -> Result<Option<Vec<sacct::Row>>, CallError> {
        self.counts.sacct += 1;
        match self.ask("sacct", &sacct::arguments(jobs, since)) {
            Ok(said) => sacct::parse(&said).map(Some).map_err(|error| CallError::Unreadable(error.to_string())),
            Err(CallError::Failed { said, .. }) if sacct::says_disabled(&said) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Submits a batch script; the options are those of sbatch with `--parsable` among them.
    ///
    /// # Errors
    /// There is no job; or, if it is [`Refusal::Away`], perhaps there is one.
    pub fn sbatch(&mut self, options: &[String], script: &str) -> Result<JobId, Refused> {
        crash_point("slurm.sbatch.before");
        let said = self.submit(options, script)?;
        crash_point("slurm.sbatch.after");
        // `id`, or `id;cluster`.
        let line = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let id = line.split(';').next().unwrap_or_default();
        JobId::new(id).map_err(|_| Refused {
            refusal: Refusal::Away,
            said: format!("sbatch succeeded, and \"{}\" is no job id", line.escape_debug()),
        })
    }

    /// Asks whether a batch script would be taken; nothing is submitted. Dependencies are not looked at.
    ///
    /// # Errors
    /// It would not, or nobody can say. Unlike a submission, the question is refused while all nodes that fit are down
    /// or drained, in the words that say that no node fits at all.
    pub fn test_only(&mut self, options: &[String], script: &str) -> Result<(), Refused> {
        let mut options = options.to_vec();
        options.push("--test-only".to_owned());
        self.submit(&options, script).map(drop)
    }

    /// Runs scancel with arguments of [`super::scancel`].
    ///
    /// # Errors
    /// It did not reach Slurm. That a job is over already is none.
    pub fn scancel(&mut self, arguments: &[String]) -> Result<(), CallError> {
        self.counts.scancel += 1;
        crash_point("slurm.scancel.before");
        match self.ask("scancel", arguments) {
            Err(CallError::Failed { said, .. }) if Refusal::of(&said) != Refusal::Away => {
                tracing::debug!("scancel: {said}");
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// The site's limits, asked for once.
    ///
    /// # Errors
    /// Slurm is away.
    pub fn limits(&mut self) -> Result<Limits, CallError> {
        if let Some(limits) = self.limits.get() {
            return Ok(*limits);
        }
        self.counts.scontrol += 1;
        let said = self.ask("scontrol", &scontrol::arguments())?;
        Ok(*self.limits.get_or_init(|| scontrol::parse(&said)))
    }

    fn submit(&mut self, options: &[String], script: &str) -> Result<String, Refused> {
        self.counts.sbatch += 1;
        match self.run(plain("sbatch", options), "sbatch", script) {
            Ok(answer) if answer.status.success() => Ok(answer.stdout),
            Ok(answer) => Err(Refused::read(&answer.stderr)),
            Err(error @ CallError::Start { .. }) => Err(Refused { refusal: Refusal::Site, said: error.to_string() }),
            Err(error) => Err(Refused { refusal: Refusal::Away, said: error.to_string() }),
        }
    }

    /// Runs a command that is asked something, and gives what it said.
    fn ask(&self, program: &'static str, arguments: &[String]) -> Result<String, CallError> {
        let mut command = plain(program, arguments);
        // Times as seconds since 1970, messages in English. Not for sbatch, whose environment a job may inherit.
        command.env("LC_ALL", "C").env("TZ", "UTC").env("SLURM_TIME_FORMAT", "%s");
        let answer = self.run(command, program, "")?;
        if answer.status.success() { Ok(answer.stdout) } else { Err(CallError::Failed { program, said: words(&answer.stderr) }) }
    }

    fn run(&self, mut command: Command, program: &'static str, input: &str) -> Result<Answer, CallError> {
        let begun = Instant::now();
        let left = || self.patience.saturating_sub(begun.elapsed());
        let start = |source| CallError::Start { program, source };
        let mut child = command.spawn().map_err(start)?;
        let (tell, told) = mpsc::channel();
        if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
            read(Stream::Out, out, tell.clone()).and_then(|()| read(Stream::Err, err, tell)).map_err(start)?;
        }
        if let Some(stdin) = child.stdin.take() {
            write(stdin, input.as_bytes().to_vec()).map_err(start)?;
        }
        let mut said = BTreeMap::new();
        said.extend(std::iter::from_fn(|| told.recv_timeout(left()).ok()).take(2));
        let status = if said.len() == 2 { wait(&mut child, left()) } else { None };
        let Some(status) = status else {
            // A site's sbatch may be a script that starts the real one: the group is killed, or that one would go on.
            let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
            let _ = child.wait();
            // What it said tells why it took so long.
            said.extend(std::iter::from_fn(|| told.recv_timeout(LAST_WORDS).ok()));
            let said = said.remove(&Stream::Err).filter(|said| !said.trim().is_empty()).map(|said| words(&said));
            return Err(CallError::Late { program, seconds: self.patience.as_secs(), said });
        };
        let mut take = |stream| said.remove(&stream).unwrap_or_default();
        Ok(Answer { status, stdout: take(Stream::Out), stderr: take(Stream::Err) })
    }
}

/// The two things that a command says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    Out,
    Err,
}

/// Reads a pipe to its end, and tells what came.
fn read(stream: Stream, pipe: impl Read + Send + 'static, tell: mpsc::Sender<(Stream, String)>) -> std::io::Result<()> {
    let work = move || {
        let mut bytes = Vec::new();
        // What was read counts even if reading ends early: an answer that is cut is told by its parser.
        let _ = pipe.take(MOST).read_to_end(&mut bytes);
        let _ = tell.send((stream, String::from_utf8_lossy(&bytes).into_owned()));
    };
    std::thread::Builder::new().spawn(work).map(drop)
}

/// Writes the script. Whoever does not read it closes the pipe, and its own words say why.
fn write(mut pipe: impl Write + Send + 'static, input: Vec<u8>) -> std::io::Result<()> {
    std::thread::Builder::new().spawn(move || drop(pipe.write_all(&input))).map(drop)
}

/// How a process that has closed its output ended; `None` if it goes on for longer than that.
fn wait(child: &mut std::process::Child, patience: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if begun.elapsed() < patience => std::thread::sleep(Duration::from_millis(1)),
            _ => return None,
        }
    }
}

/// A command in an environment that says nothing to Slurm.
fn plain(program: &'static str, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let in_a_job = std::env::var_os("SLURM_JOB_ID").is_some();
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_foreign(name, in_a_job)) {
        command.env_remove(name);
    }
    command
}

fn is_foreign(name: &OsStr, in_a_job: bool) -> bool {
    let name = name.to_string_lossy();
    name != KEPT && ((in_a_job && OF_A_JOB.contains(&&*name)) || FOREIGN.iter().any(|begin| name.starts_with(begin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slurm(patience_ms: u64) -> Slurm {
        Slurm::patient(Duration::from_millis(patience_ms))
    }

    fn shell(script: &str) -> Command {
        plain("sh", &["-c".to_owned(), script.to_owned()])
    }

    #[test]
    fn what_slurm_and_mpi_would_heed_is_removed() {
        for name in [
            "SLURM_JOB_ID",
            "SLURM_TIME_FORMAT",
            "SBATCH_PARTITION",
            "SQUEUE_FORMAT",
            "SACCT_FORMAT",
            "PMI_RANK",
            "PMIX_RANK",
            "OMPI_MCA_btl",
            "CUDA_VISIBLE_DEVICES",
        ] {
            assert!(is_foreign(OsStr::new(name), true), "{name}");
        }
        for name in ["SLURM_CONF", "PATH", "HOME", "USER", "BANDMASTER_CAMPAIGN", "TZ"] {
            assert!(!is_foreign(OsStr::new(name), true), "{name}");
        }
        assert!(!is_foreign(OsStr::new("CUDA_VISIBLE_DEVICES"), false));
    }

    #[test]
    fn a_script_arrives_whole_and_both_outputs_come_back() {
        let script = "x".repeat(1 << 20);
        let answer = slurm(30_000).run(shell("wc -c; echo oops >&2; exit 3"), "sh", &script).unwrap();
        assert_eq!((answer.stdout.trim(), answer.stderr.as_str(), answer.status.code()), ("1048576", "oops\n", Some(3)));
    }

    #[test]
    fn who_does_not_read_the_script_is_heard_all_the_same() {
        let answer = slurm(30_000).run(shell("exec <&-; echo no >&2; exit 1"), "sh", &"x".repeat(1 << 20)).unwrap();
        assert_eq!((answer.stderr.as_str(), answer.status.code()), ("no\n", Some(1)));
    }

    #[test]
    fn who_takes_too_long_is_killed_with_all_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let alive = directory.path().join("alive");
        nix::unistd::mkfifo(&alive, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // A grandchild holds the fifo open as long as it lives; so reading it ends only when that one is gone.
        let script = format!("echo busy >&2; (exec sleep 1000 >'{0}') & exec sleep 1000", alive.display());
        let reader = std::thread::spawn(move || std::fs::read(alive));
        let error = slurm(200).run(shell(&script), "sh", "").map(drop).unwrap_err();
        assert_eq!(error.to_string(), "sh did not end within 0 s: busy");
        assert_eq!(reader.join().unwrap().unwrap(), b"");
    }

    #[test]
    fn a_command_that_is_not_there_is_said_so() {
        let error = slurm(1000).run(plain("no-such-command-of-slurm", &[]), "sbatch", "").map(drop).unwrap_err();
        assert!(matches!(error, CallError::Start { .. }), "{error}");
    }
}
