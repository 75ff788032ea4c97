//! What the end-to-end tests share: a campaign of their own, the programs as cargo built them, and the ledger's rows.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

mod inodes;
mod kills;
mod processes;
mod slurm;
mod small_disk;
mod sound;

pub use inodes::Inodes;
pub use kills::{kill_all, through_kills};
pub use processes::{end_of_processes, processes_of};
pub use slurm::{ADA, Place, Running, Task, TestCluster};
pub use small_disk::{SmallDisk, in_a_namespace};
pub use sound::assert_sound;

/// No command of a test takes longer, on a machine however loaded: a test that hangs is a test that fails.
const LONGEST: Duration = Duration::from_secs(300);

/// Where cargo put the programs.
fn built() -> PathBuf {
    let mut directory = std::env::current_exe().unwrap_or_default();
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    directory
}

/// A campaign in a directory that goes with this value.
pub struct World {
    directory: tempfile::TempDir,
    campaign: PathBuf,
    programs: PathBuf,
}

impl World {
    /// Nothing is in it yet. The programs are those that were built beside the tests.
    pub fn new() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        Ok(Self { campaign: directory.path().join("campaign"), directory, programs: built() })
    }

    /// The same with programs that have crash points. `tests/run.sh` builds them and names their directory.
    pub fn with_crash_points() -> io::Result<Self> {
        let mut world = Self::new()?;
        world.programs = std::env::var_os("BANDMASTER_CRASHING").map(PathBuf::from).ok_or_else(|| {
            io::Error::other("BANDMASTER_CRASHING names no directory: tests/run.sh builds the programs with crash points and sets it")
        })?;
        Ok(world)
    }

    /// The same with its campaign in another place.
    #[must_use]
    pub fn with_campaign(mut self, campaign: PathBuf) -> Self {
        self.campaign = campaign;
        self
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The campaign's directory.
    pub fn campaign(&self) -> PathBuf {
        self.campaign.clone()
    }

    /// A program that cargo built.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Writes a file into the directory.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// `bandmaster` with these arguments.
    pub fn bandmaster(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program("bandmaster"));
        command
            .args(args)
            .current_dir(self.path())
            .env("BANDMASTER_CAMPAIGN", self.campaign())
            // Agents that are killed leave their private directories.
            .env("TMPDIR", self.path())
            .env_remove("FAILPOINTS")
            .env("NO_COLOR", "1");
        command
    }

    /// `bandmaster` with these arguments, to its end.
    pub fn run(&self, args: &[&str]) -> io::Result<Output> {
        finish(&mut self.bandmaster(args))
    }

    /// `run` or `submit` of a sweep on this machine: every test starts its sweeps here.
    pub fn begin(&self, verb: &str, file: &str, args: &[&str]) -> Command {
        let mut command = self.bandmaster(&[verb, file, "--local"]);
        command.args(args);
        command
    }

    /// `bandmaster run sweep.toml` with these further arguments, to its end.
    pub fn sweep(&self, args: &[&str]) -> io::Result<Output> {
        finish(&mut self.begin("run", "sweep.toml", args))
    }

    /// What a query gives, a row a line, the columns parted by `|`.
    pub fn sql(&self, query: &str) -> io::Result<String> {
        let output = Command::new("sqlite3").arg("-readonly").arg(self.campaign().join("ledger.db")).arg(query).output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Who was promoted from which rung of the first sweep: what a search came to.
    pub fn promoted(&self) -> io::Result<String> {
        self.sql(
            "SELECT bracket, rung, trial, value FROM segments JOIN sweeps USING (sweep) \
             WHERE promoted = 1 AND number = 1 ORDER BY segments.bracket, rung, trial",
        )
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What still runs, a last tick or what a failed test has left, would write into what is being removed.
        let _ = kill_all(self);
    }
}

/// Runs a command to its end. One that takes too long is killed, and that is an error. What it writes goes through files:
/// what it leaves running may hold them open, and nobody waits for that.
fn finish(command: &mut Command) -> io::Result<Output> {
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut child = command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).spawn()?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > LONGEST {
            child.kill()?;
            child.wait()?;
            let said = said(&Output { status: ExitStatus::from_raw(9), stdout: all(&mut stdout)?, stderr: all(&mut stderr)? });
            return Err(io::Error::other(format!("{command:?} did not end within {} s: {said}", LONGEST.as_secs())));
        }
        thread::sleep(Duration::from_millis(5));
    };
    Ok(Output { status, stdout: all(&mut stdout)?, stderr: all(&mut stderr)? })
}

fn all(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Waits until something is there; an error when it does not come.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> io::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if begun.elapsed() > LONGEST {
            return Err(io::Error::other(format!("waited {} s for {what}", LONGEST.as_secs())));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a program said, both ways, for messages of failed tests.
pub fn said(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
