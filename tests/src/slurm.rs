//! A real Slurm cluster for tests: what `tests/cluster` starts, with hosts, users and faults.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{built, finish, said, wait_for};

mod place;
mod running;

pub use place::{ADA, Place};
pub use running::Running;

/// A cluster. One that the test started goes with this value.
pub struct TestCluster {
    name: String,
    state: PathBuf,
    /// Held while the cluster that all tests share is used.
    shared: Option<File>,
}

/// A task as `squeue` or `sacct` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// `7` or `7_3`.
    pub id: String,
    /// As Slurm writes it.
    pub state: String,
    /// The nodes, as Slurm writes them; empty while it waits.
    pub hosts: String,
}

impl TestCluster {
    /// The cluster that `BANDMASTER_TEST_CLUSTER` names, whole, idle, and for this test alone until the value goes; without
    /// that name one of the test's own.
    pub fn shared() -> io::Result<Self> {
        let Some(name) = std::env::var("BANDMASTER_TEST_CLUSTER").ok().filter(|name| !name.is_empty()) else {
            return Self::up(&[]);
        };
        let state = root().join(&name);
        let lock = File::open(state.join("options"))
            .map_err(|error| io::Error::other(format!("BANDMASTER_TEST_CLUSTER is {name}, and there is no such cluster: {error}")))?;
        lock.lock()?;
        let cluster = Self { name, state, shared: Some(lock) };
        cluster.fault(&["heal"])?;
        Ok(cluster)
    }

    /// A cluster of the test's own, with these options of `tests/cluster up`.
    pub fn up(options: &[&str]) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        remove_abandoned()?;
        let name = format!("t{}x{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let cluster = Self { state: root().join(&name), name, shared: None };
        succeeded(script().args(["up", &cluster.name]).args(options))?;
        Ok(cluster)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory of all its files.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// A directory of ada's on the file system that all hosts share. It goes with the value.
    pub fn place(&self) -> io::Result<Place<'_>> {
        Place::new(self)
    }

    /// A program that cargo built, where every user on every host can run it.
    pub fn program(&self, name: &str) -> io::Result<PathBuf> {
        let source = built().join(name);
        let built = fs::metadata(&source).map_err(|error| io::Error::other(format!("{}: {error}", source.display())))?;
        let directory = self.state.join("shared/bin");
        fs::create_dir_all(&directory)?;
        let stamp = built.modified()?.duration_since(std::time::UNIX_EPOCH).map_err(io::Error::other)?.as_nanos();
        let copy = directory.join(format!("{stamp}-{}", built.len()));
        let program = copy.join(name);
        if !program.exists() {
            fs::create_dir_all(&copy)?;
            // Another test may do the same at this moment.
            let staged = tempfile::NamedTempFile::new_in(&copy)?.into_temp_path();
            fs::copy(&source, &staged)?;
            staged.persist(&program)?;
        }
        Ok(program)
    }

    /// A command on a host (`login`, `n1` …), as ada, in her home.
    pub fn command<S: AsRef<OsStr>>(&self, host: &str, argv: &[S]) -> Command {
        self.command_with(host, &[] as &[&str], argv)
    }

    /// A command with options of `tests/cluster on`: `--root`, `--as USER`, `--cd DIR`.
    pub fn command_with<O: AsRef<OsStr>, S: AsRef<OsStr>>(&self, host: &str, options: &[O], argv: &[S]) -> Command {
        let mut command = script();
        command.args(["on", &self.name, host]).args(options).arg("--").args(argv);
        command
    }

    /// Runs a command on a host to its end.
    pub fn on<S: AsRef<OsStr>>(&self, host: &str, argv: &[S]) -> io::Result<Output> {
        finish(&mut self.command(host, argv))
    }

    /// What a command on the login host prints; an error unless it succeeds.
    pub fn ask<S: AsRef<OsStr>>(&self, argv: &[S]) -> io::Result<String> {
        succeeded(&mut self.command("login", argv))
    }

    /// What `squeue` says of a job, a line a task; nothing once it has forgotten the job.
    pub fn queued(&self, job: &str) -> io::Result<Vec<Task>> {
        let all = self.ask(&["squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%N"])?;
        let of = |task: &Task| task.id == job || task.id.strip_prefix(job).is_some_and(|rest| rest.starts_with('_'));
        Ok(all.lines().filter_map(task).filter(of).collect())
    }

    /// What `sacct` says of a job, a line a run of a task.
    pub fn accounted(&self, job: &str) -> io::Result<Vec<Task>> {
        let all = self.ask(&["sacct", "-n", "-P", "-D", "-X", "-j", job, "-o", "jobid,state,nodelist"])?;
        Ok(all.lines().filter_map(task).collect())
    }

    /// Waits until a job's tasks are all in that state.
    pub fn wait_until(&self, job: &str, state: &str) -> io::Result<()> {
        let mut last = Vec::new();
        let reached = wait_for(&format!("job {job} to be {state}"), || {
            last = self.queued(job).unwrap_or_default();
            (!last.is_empty() && last.iter().all(|task| task.state == state)).then_some(())
        });
        reached.map_err(|error| io::Error::other(format!("{error}; it is {last:?}")))
    }

    /// One field of what `scontrol` shows of a job or of a task; empty where there is no such field.
    pub fn field(&self, job: &str, name: &str) -> io::Result<String> {
        let all = self.ask(&["scontrol", "show", "job", "-o", job])?;
        Ok(all.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_owned())
    }

    /// Waits until a job is over: its state, and its exit code as Slurm writes it.
    pub fn ended(&self, job: &str) -> io::Result<(String, String)> {
        let state = wait_for(&format!("the end of job {job}"), || {
            // While the controller is away there is no answer.
            let state = self.field(job, "JobState").ok()?;
            (!matches!(state.as_str(), "PENDING" | "RUNNING" | "COMPLETING")).then_some(state)
        })?;
        Ok((state, self.field(job, "ExitCode")?))
    }

    /// What `tests/cluster` does to a cluster: `["cut", "n1"]`, `["ctld", "restart"]`, `["kill", "n2", "--all"]`, `["heal"]` …
    pub fn fault(&self, words: &[&str]) -> io::Result<()> {
        let (verb, rest) = words.split_first().ok_or_else(|| io::Error::other("no fault"))?;
        succeeded(script().args([verb, self.name.as_str()]).args(rest)).map(drop)
    }

    /// Ends it, and says what went wrong if that fails. A dropped value does the same and cannot say.
    pub fn down(self) -> io::Result<()> {
        self.end()
    }

    fn end(&self) -> io::Result<()> {
        if self.shared.is_some() {
            return succeeded(&mut self.command_with("login", &["--root"], &["scancel", "--user=ada"])).map(drop);
        }
        succeeded(script().args(["down", &self.name])).map(drop)
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        if self.state.exists() {
            let _ = self.end();
        }
    }
}

/// `tests/cluster` itself.
fn script() -> Command {
    let mut command = Command::new("bash");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/cluster"));
    command
}

/// Where clusters lie, as `tests/cluster` has it.
fn root() -> PathBuf {
    std::env::var_os("BANDMASTER_CLUSTER_ROOT").map_or_else(|| PathBuf::from("/var/tmp/bandmaster-clusters"), PathBuf::from)
}

/// A test that was killed could not end its cluster. Its process is in the name.
fn remove_abandoned() -> io::Result<()> {
    for entry in fs::read_dir(root()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let pid = name.strip_prefix('t').and_then(|rest| rest.split_once('x')).and_then(|(pid, _)| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            succeeded(script().args(["down", name]))?;
        }
    }
    Ok(())
}

/// What a command prints, without the last line break; an error with all that it said unless it succeeds.
fn succeeded(command: &mut Command) -> io::Result<String> {
    let output = finish(command)?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?}: {}", said(&output))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn task(line: &str) -> Option<Task> {
    let mut fields = line.split('|').map(str::to_owned);
    Some(Task { id: fields.next()?, state: fields.next()?, hosts: fields.next()? })
}
