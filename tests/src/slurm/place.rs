//! A directory of ada's on the shared file system, and commands that run in it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{Running, TestCluster, succeeded};
use crate::{finish, wait_for};

/// ada, of whom only the cluster knows.
pub const ADA: u32 = 20001;

/// A directory that all hosts see. It goes with this value.
pub struct Place<'a> {
    cluster: &'a TestCluster,
    directory: tempfile::TempDir,
}

impl<'a> Place<'a> {
    pub(super) fn new(cluster: &'a TestCluster) -> io::Result<Self> {
        let directory = tempfile::tempdir_in(cluster.state().join("shared/ada"))?;
        chown(directory.path(), Some(ADA), Some(ADA))?;
        Ok(Self { cluster, directory })
    }

    /// Its path, the same on every host and on the machine itself.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file of ada's.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::write(&path, text)?;
        chown(&path, Some(ADA), Some(ADA))?;
        Ok(path)
    }

    /// What is in a file; nothing while there is none.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    /// Waits until a file has that text in it, and gives all of it.
    pub fn wait_for(&self, name: &str, text: &str) -> io::Result<String> {
        let found = wait_for(&format!("{text:?} in {name}"), || Some(self.read(name)).filter(|read| read.contains(text)));
        found.map_err(|error| io::Error::other(format!("{error}; there is {:?}", self.read(name))))
    }

    /// A command on a host, as ada, in this directory.
    pub fn command<S: AsRef<OsStr>>(&self, host: &str, argv: &[S]) -> Command {
        self.cluster.command_with(host, &[OsStr::new("--cd"), self.path().as_os_str()], argv)
    }

    /// Runs a command to its end.
    pub fn on<S: AsRef<OsStr>>(&self, host: &str, argv: &[S]) -> io::Result<Output> {
        finish(&mut self.command(host, argv))
    }

    /// Starts a command and goes on.
    pub fn spawn<S: AsRef<OsStr>>(&self, host: &str, argv: &[S]) -> io::Result<Running> {
        Running::start(self.command(host, argv))
    }

    /// Submits from the login host and gives the job's id.
    pub fn sbatch(&self, arguments: &[&str]) -> io::Result<String> {
        let argv: Vec<&str> = ["sbatch", "--parsable"].iter().chain(arguments).copied().collect();
        succeeded(&mut self.command("login", &argv))
    }
}
