//! The trial's contract: the environment that a trial finds, and the private directory on the node in which the agent
//! and the trial meet. docs/contract.md tells users the same in words.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bandmaster_record::Seconds;

use crate::wire::{Start, StopReason};

/// Prefixes of variables that a trial never inherits: another trial's contract, and what would make an MPI program
/// believe that it is part of the launcher's own step.
const SCRUBBED: &[&str] = &["BANDMASTER_", "PMI", "OMPI_"];

/// Whether a trial inherits the variable.
pub fn is_inherited(name: &OsStr) -> bool {
    !SCRUBBED.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
}

/// The environment of a trial: what is inherited, then the sweep's own, then the contract, the later one winning.
pub fn environment(inherited: impl Iterator<Item = (OsString, OsString)>, start: &Start, private: &Private) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = inherited.filter(|(name, _)| is_inherited(name)).collect();
    all.extend(start.environment.iter().map(|(name, value)| (name.into(), value.into())));
    let mut set = |name: &str, value: &OsStr| all.push((name.into(), value.to_owned()));
    set("BANDMASTER_TRIAL", start.trial.as_ref());
    set("BANDMASTER_PARAMS", private.params().as_os_str());
    set("BANDMASTER_SEED", start.seed.to_string().as_ref());
    set("BANDMASTER_TARGET", start.target.to_string().as_ref());
    set("BANDMASTER_MAX_RESOURCE", start.max_resource.to_string().as_ref());
    set("BANDMASTER_CHECKPOINT_INTERVAL", start.checkpoint_interval.0.to_string().as_ref());
    set("BANDMASTER_REPORT", private.report().as_os_str());
    set("BANDMASTER_STOP", private.stop().as_os_str());
    set("BANDMASTER_CHECKPOINTS", start.staging.as_os_str());
    if let Some(checkpoint) = &start.resume_from {
        set("BANDMASTER_RESUME_FROM", checkpoint.as_os_str());
    }
    all
}

/// The argv to execute: the command, or the one shell with the user's own lines before it. Values reach that shell as
/// its positional parameters alone, so that none is ever read as shell.
pub fn argv(start: &Start) -> Vec<String> {
    if start.setup.is_empty() {
        return start.command.clone();
    }
    let mut script = start.setup.join("\n");
    script.push_str("\nexec \"$@\"");
    let mut argv = vec!["bash".to_owned(), "-c".to_owned(), script, "bash".to_owned()];
    argv.extend(start.command.iter().cloned());
    argv
}

/// An agent's directory on its node; each attempt has one of its own inside.
#[derive(Debug)]
pub struct Home(PathBuf);

impl Home {
    /// Makes one below `parent`, with a random name, for this user alone.
    pub fn create(parent: &Path) -> io::Result<Self> {
        Ok(Self(nix::unistd::mkdtemp(&parent.join("bandmaster-XXXXXX"))?))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What is left here is a few bytes on a node's own disk; there is nobody to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where an attempt with that nonce reports, below its agent's directory.
pub fn report_path(home: &Path, nonce: &str) -> PathBuf {
    home.join(nonce).join("report.jsonl")
}

/// The private directory of one attempt. Its path is unique, so that it also tells which processes belong to it.
#[derive(Debug)]
pub struct Private(PathBuf);

impl Private {
    /// Makes it, with the parameters and an empty report file.
    pub fn create(home: &Home, start: &Start) -> io::Result<Self> {
        let private = Self(home.path().join(&start.nonce));
        DirBuilder::new().mode(0o700).create(&private.0)?;
        let mut params = serde_json::to_vec(&start.params)?;
        params.push(b'\n');
        new_file(&private.params())?.write_all(&params)?;
        new_file(&private.report())?;
        Ok(private)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// The parameters, a JSON object.
    pub fn params(&self) -> PathBuf {
        self.0.join("params.json")
    }
    /// Where the trial appends its reports.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.jsonl")
    }
    /// What appears when the trial must leave.
    pub fn stop(&self) -> PathBuf {
        self.0.join("stop")
    }

    /// Makes the stop file appear, complete at once: why, and the seconds until the kill.
    pub fn write_stop(&self, reason: StopReason, grace: Seconds) -> io::Result<()> {
        let stage = self.0.join("stop.new");
        let text = serde_json::json!({"reason": reason, "grace": grace});
        fs::write(&stage, format!("{text}\n"))?;
        fs::rename(stage, self.stop())
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // The home's own end removes what could not be removed here.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use bandmaster_record::{Param, Resource};

    fn start() -> Start {
        Start {
            nonce: "n1".into(),
            trial: "digits-1/42".into(),
            command: vec!["train".into(), "$(touch x)".into()],
            environment: [("A".to_owned(), "own".to_owned()), ("BANDMASTER_SEED".to_owned(), "0".to_owned())].into(),
            params: [("lr".to_owned(), Param::Float(0.1))].into(),
            seed: 7,
            target: Resource(3),
            ..Start::default()
        }
    }

    fn value(all: &[(OsString, OsString)], name: &str) -> Option<String> {
        all.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.to_string_lossy().into_owned())
    }

    #[test]
    fn another_trials_contract_and_mpi_are_not_inherited() {
        let home = Home::create(&std::env::temp_dir()).unwrap();
        let private = Private::create(&home, &start()).unwrap();
        let inherited = ["BANDMASTER_RESUME_FROM", "PMI_RANK", "PMIX_NAMESPACE", "OMPI_COMM_WORLD_SIZE", "SLURM_JOB_ID", "A"];
        let all = environment(inherited.iter().map(|name| (name.into(), "old".into())), &start(), &private);
        for gone in &inherited[..4] {
            assert_eq!(value(&all, gone), None, "{gone}");
        }
        assert_eq!(value(&all, "SLURM_JOB_ID").unwrap(), "old");
        assert_eq!(value(&all, "A").unwrap(), "own");
        assert_eq!(value(&all, "BANDMASTER_SEED").unwrap(), "7");
        assert_eq!(value(&all, "BANDMASTER_TARGET").unwrap(), "3");
    }

    #[test]
    fn the_private_directory_is_for_its_user_alone_and_goes_with_the_attempt() {
        let home = Home::create(&std::env::temp_dir()).unwrap();
        let at = home.path().to_owned();
        assert_eq!(fs::metadata(&at).unwrap().permissions().mode() & 0o777, 0o700);
        let private = Private::create(&home, &start()).unwrap();
        assert_eq!(fs::metadata(private.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_to_string(private.params()).unwrap(), "{\"lr\":0.1}\n");
        private.write_stop(StopReason::TimeLimit, Seconds(5.0)).unwrap();
        assert!(fs::read_to_string(private.stop()).unwrap().contains("time_limit"));
        drop((private, home));
        assert!(!at.exists());
    }

    #[test]
    fn values_reach_the_shell_of_setup_as_parameters_alone() {
        let argv = argv(&Start { setup: vec!["module load x".into()], ..start() });
        assert_eq!(argv, ["bash", "-c", "module load x\nexec \"$@\"", "bash", "train", "$(touch x)"]);
        assert_eq!(super::argv(&start()), start().command);
    }
}
