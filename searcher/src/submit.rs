//! Submission: a sweep's directory is staged whole under a hidden name and renamed to the next free number, so that it
//! is there completely or not at all. The next tick takes it in.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use bandmaster_journal::{Campaign, FileError, SweepDir, crash_point, make_dir, names, nonce, now, sync_dir, write_new, write_stage};
use bandmaster_record::{ClusterKind, RECORD_VERSION, Submission, SweepId};

use crate::failure::{Failure, FailureKind};
use crate::sweepfile::SweepFile;
use crate::tick::want;

/// What sweep.toml means, as the version that submitted it read it, with the campaign's defaults of that moment.
pub fn spec_file(sweep: &SweepDir) -> PathBuf {
    sweep.root().join("spec.json")
}

/// A sweep.toml that was read and found right.
pub struct Prepared {
    /// Where it lies, absolute.
    pub path: PathBuf,
    /// Its bytes.
    pub text: Vec<u8>,
    /// What it means.
    pub sweep: SweepFile,
    /// BLAKE3 of its bytes, in hex.
    pub hash: String,
}

impl Prepared {
    /// The directory that its trials run in.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Refuses a program that is not there, while the one who typed it still looks. Where `setup` or the environment
    /// may change what is found, only the trial can tell.
    pub fn check_program(&self) -> Result<(), Failure> {
        let template = &self.sweep.trial;
        let Some(bandmaster_record::Argument::One(program)) = template.command.0.first() else { return Ok(()) };
        if program.contains('{') || !template.setup.is_empty() || template.environment.contains_key("PATH") {
            return Ok(());
        }
        let found = if program.contains('/') {
            is_program(&self.directory().join(program))
        } else {
            std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|directory| is_program(&directory.join(program))))
        };
        if found {
            return Ok(());
        }
        let (place, help) = if program.contains('/') {
            (format!("in {}", self.directory().display()), "build it, or correct the path: it is relative to the directory of sweep.toml")
        } else {
            ("on PATH".to_owned(), "install it, write its path, or load it in `setup`")
        };
        Err(Failure::say(
            FailureKind::WrongFile,
            format!("{}: the program `{program}` of [trial] command is not to be found {place}", self.path.display()),
            help,
        ))
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Where a sweep runs, and as how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which cluster.
    pub cluster: ClusterKind,
    /// At most so many slots at once.
    pub slots: u32,
    /// So many tasks at most in one array, where the cluster has arrays.
    pub most_tasks: Option<u32>,
}

/// Makes the sweep, under the next number of its name.
pub fn submit(campaign: &Campaign, prepared: &Prepared, place: Place) -> Result<SweepId, Failure> {
    let stage = campaign.new_sweep(&nonce());
    let submitted = put(campaign, prepared, place, &stage);
    if submitted.is_err() {
        // What is staged only is nothing yet, and a disk that is full has no room for it.
        let _ = std::fs::remove_dir_all(stage.root());
    }
    submitted
}

fn put(campaign: &Campaign, prepared: &Prepared, place: Place, stage: &SweepDir) -> Result<SweepId, Failure> {
    make_dir(stage.root())?;
    for directory in [stage.arrays(), stage.offers(), stage.claims(), stage.slots(), stage.trials()] {
        make_dir(&directory)?;
    }
    write_new(&stage.file(), &prepared.text)?;
    let directory = prepared.directory().display().to_string();
    let mut sweep = prepared.sweep.clone();
    if place.cluster == ClusterKind::Slurm {
        carry(&mut sweep.trial.environment);
    }
    let spec = serde_json::to_vec_pretty(&sweep.to_spec_json(&directory)).map_err(Failure::bug)?;
    write_new(&spec_file(stage), &spec)?;
    let name = &prepared.sweep.name;
    let mut submission = submission(prepared, SweepId::new(name, 1).map_err(Failure::bug)?, place);
    let mut number = numbers(campaign, name)?.max().unwrap_or(0) + 1;
    loop {
        submission.sweep = SweepId::new(name, number).map_err(Failure::bug)?;
        let content = serde_json::to_vec_pretty(&submission).map_err(Failure::bug)?;
        write_stage(&stage.submission(), &content)?;
        sync_dir(stage.root())?;
        crash_point("submit.staged");
        // A directory takes the place of an empty one only, and no sweep's is empty: the number is ours or another's.
        match std::fs::rename(stage.root(), campaign.sweep(&submission.sweep).root()) {
            Ok(()) => break,
            Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => number += 1,
            Err(source) => return Err(FileError::new("rename", stage.root(), source).into()),
        }
    }
    crash_point("submit.renamed");
    sync_dir(&campaign.sweeps())?;
    want(campaign, &format!("submit-{}", submission.sweep))?;
    Ok(submission.sweep)
}

/// What makes a shell find the user's programs and libraries. On Slurm whoever ticks submits (a shell, cron, another job),
/// and all of a sweep's trials are to find the same as the one who submitted it.
const CARRIED: &[&str] = &[
    "PATH",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "JULIA_PROJECT",
    "R_LIBS_USER",
];

/// Adds what this process finds its programs by, where the sweep does not say its own.
fn carry(environment: &mut BTreeMap<String, String>) {
    for name in CARRIED {
        if let Ok(value) = std::env::var(name) {
            environment.entry((*name).to_owned()).or_insert(value);
        }
    }
}

/// The numbers that sweeps of that name have.
fn numbers(campaign: &Campaign, name: &str) -> Result<impl Iterator<Item = u32>, FileError> {
    let sweeps: Vec<SweepId> = names(&campaign.sweeps(), "")?;
    Ok(sweeps.into_iter().filter(move |sweep| sweep.name() == name).map(|sweep| sweep.number()).collect::<Vec<_>>().into_iter())
}

fn submission(prepared: &Prepared, sweep: SweepId, Place { cluster, slots, most_tasks }: Place) -> Submission {
    let uid = nix::unistd::getuid();
    let user = std::env::var("USER").unwrap_or_default();
    let directory = prepared.directory();
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(directory).args(args).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let git_commit = git(&["rev-parse", "HEAD"]);
    Submission {
        v: RECORD_VERSION,
        sweep,
        directory: directory.display().to_string(),
        file: prepared.path.display().to_string(),
        hash: prepared.hash.clone(),
        user: format!("{user} ({uid})").trim_start().to_owned(),
        host: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        at: now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_dirty: git_commit.as_ref().and_then(|_| git(&["status", "--porcelain"])).map(|changes| !changes.is_empty()),
        git_commit,
        cluster,
        slots,
        most_tasks,
    }
}
