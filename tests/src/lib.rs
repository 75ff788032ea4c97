//! What the end-to-end tests share: a campaign of their own, the programs as cargo built them, and the ledger's rows.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
    programs: PathBuf,
}

impl World {
    /// Nothing is in it yet. The programs are those that were built beside the tests.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { directory: tempfile::tempdir()?, programs: built() })
    }

    /// The same with programs that have crash points. `tests/run.sh` builds them and names their directory.
    pub fn with_crash_points() -> std::io::Result<Self> {
        let programs = std::env::var_os("BANDMASTER_CRASHING").map(PathBuf::from).ok_or_else(|| {
            std::io::Error::other("BANDMASTER_CRASHING names no directory: tests/run.sh builds the programs with crash points and sets it")
        })?;
        Ok(Self { directory: tempfile::tempdir()?, programs })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The campaign's directory.
    pub fn campaign(&self) -> PathBuf {
        self.path().join("campaign")
    }

    /// Writes a file into the directory.
    pub fn write(&self, name: &str, text: &str) -> std::io::Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// `bandmaster` with these arguments.
    pub fn bandmaster(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("bandmaster"));
        command
            .args(args)
            .current_dir(self.path())
            .env("BANDMASTER_CAMPAIGN", self.campaign())
            .env_remove("FAILPOINTS")
            .env("NO_COLOR", "1");
        command
    }

    /// Runs `bandmaster`, at most so long: a test that hangs is a test that fails.
    pub fn run(&self, args: &[&str]) -> std::io::Result<Output> {
        self.bandmaster(args).output()
    }

    /// What a query gives, a row a line, the columns parted by `|`.
    pub fn sql(&self, query: &str) -> std::io::Result<String> {
        let output = Command::new("sqlite3").arg(self.campaign().join("ledger.db")).arg(query).output()?;
        if !output.status.success() {
            return Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Who was promoted from which rung: what a search came to.
    pub fn promoted(&self) -> std::io::Result<String> {
        self.sql("SELECT bracket, rung, trial, value FROM segments WHERE promoted = 1 ORDER BY bracket, rung, trial")
    }
}

/// What a program said, both ways, for messages of failed tests.
pub fn said(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
