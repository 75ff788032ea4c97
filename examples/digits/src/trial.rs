//! The trial's contract: what a sweep asks of a program, and how this one answers. Copy this file into your own trial.
//!
//! Everything comes from the environment; each variable has a flag too, so that the program runs by hand as well.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::checkpoint::Files;
use crate::error::Error;

/// What a trial is told.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The trial's contract")]
pub(crate) struct Contract {
    /// The trial's name; unset outside a sweep
    #[arg(long, env = "BANDMASTER_TRIAL", hide_env = true)]
    trial: Option<String>,
    /// JSON file with the configuration [env: BANDMASTER_PARAMS]
    #[arg(long, value_name = "FILE", env = "BANDMASTER_PARAMS", hide_env = true)]
    pub(crate) params: Option<PathBuf>,
    /// Seed of everything random [env: BANDMASTER_SEED]
    #[arg(long, default_value_t = 0, env = "BANDMASTER_SEED", hide_env = true)]
    pub(crate) seed: u64,
    /// Epochs to reach now [env: BANDMASTER_TARGET]
    #[arg(long, default_value_t = 27, env = "BANDMASTER_TARGET", hide_env = true)]
    pub(crate) epochs: u64,
    /// Epochs at which the schedule ends [env: BANDMASTER_MAX_RESOURCE] [default: as --epochs]
    #[arg(long, env = "BANDMASTER_MAX_RESOURCE", hide_env = true)]
    max_epochs: Option<u64>,
    /// Checkpoint to go on from [env: BANDMASTER_RESUME_FROM]
    #[arg(long, value_name = "DIR", env = "BANDMASTER_RESUME_FROM", hide_env = true)]
    pub(crate) resume_from: Option<PathBuf>,
    /// Seconds after which the next checkpoint is due [env: BANDMASTER_CHECKPOINT_INTERVAL] [default: only at the end]
    #[arg(long, value_name = "SECONDS", env = "BANDMASTER_CHECKPOINT_INTERVAL", hide_env = true)]
    checkpoint_interval: Option<f64>,
    /// File to append reports to [env: BANDMASTER_REPORT]
    #[arg(long, value_name = "FILE", env = "BANDMASTER_REPORT", hide_env = true)]
    report: Option<PathBuf>,
    /// Directory to leave checkpoints in [env: BANDMASTER_CHECKPOINTS]
    #[arg(long, value_name = "DIR", env = "BANDMASTER_CHECKPOINTS", hide_env = true)]
    checkpoints: Option<PathBuf>,
    /// File that appears when the trial must checkpoint and leave [env: BANDMASTER_STOP]
    #[arg(long, value_name = "FILE", env = "BANDMASTER_STOP", hide_env = true)]
    stop: Option<PathBuf>,
}

impl Contract {
    /// The final R, where the schedule ends.
    pub(crate) fn max_epochs(&self) -> u64 {
        self.max_epochs.unwrap_or(self.epochs)
    }
}

/// How long a checkpoint may wait for its answer. The launcher copies nothing and hashes a gigabyte in seconds.
const PATIENCE: Duration = Duration::from_secs(600);

/// This trial's side of the contract.
pub(crate) struct Trial {
    contract: Contract,
    /// Who started us: if that process is gone, nobody answers any more.
    parent: u32,
    /// When the last checkpoint began, or the training.
    since: Instant,
    /// The checkpoint that is being written or waits for its answer.
    pending: Option<Pending>,
}

struct Pending {
    resource: u64,
    ready: PathBuf,
    writer: JoinHandle<Result<(), Error>>,
}

impl Trial {
    /// Begins to keep the contract.
    pub(crate) fn new(contract: Contract) -> Self {
        Self { contract, parent: parent_id(), since: Instant::now(), pending: None }
    }

    /// Whether the trial must checkpoint and leave.
    pub(crate) fn stop_requested(&self) -> bool {
        self.contract.stop.as_ref().is_some_and(|file| file.exists())
    }

    /// Appends one line to the report file.
    pub(crate) fn report(&self, resource: u64, metrics: &[(&str, f64)]) -> Result<(), Error> {
        let Some(path) = &self.contract.report else { return Ok(()) };
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(Error::file("open", path))?;
        file.write_all(line(resource, metrics).as_bytes()).map_err(Error::file("append to", path))
    }

    /// Whether a checkpoint is due after this epoch: at the target always, else when the interval is over.
    pub(crate) fn checkpoint_due(&self, resource: u64) -> bool {
        resource == self.contract.epochs
            || self.contract.checkpoint_interval.is_some_and(|interval| self.since.elapsed().as_secs_f64() >= interval)
    }

    /// Leaves a checkpoint. It is written while the training goes on; one at a time.
    pub(crate) fn checkpoint(&mut self, resource: u64, files: Files) -> Result<(), Error> {
        let Some(directory) = self.contract.checkpoints.clone() else { return Ok(()) };
        self.settle()?;
        self.since = Instant::now();
        let ready = directory.join(format!("{resource}.ready"));
        let to = ready.clone();
        let writer = thread::spawn(move || leave(&directory, resource, &files, &to));
        self.pending = Some(Pending { resource, ready, writer });
        Ok(())
    }

    /// Waits until the last checkpoint is on the disk and, in a sweep, until the launcher has taken or refused it.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        let Some(Pending { resource, ready, writer }) = self.pending.take() else { return Ok(()) };
        match writer.join() {
            Ok(written) => written?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        if self.contract.trial.is_none() {
            return Ok(());
        }
        let (published, refused) = (ready.with_extension("published"), ready.with_extension("refused"));
        let begun = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if published.exists() {
                return Ok(());
            }
            if let Ok(why) = fs::read_to_string(&refused) {
                // The training is as good as it was; if it is resumed, then from an older checkpoint.
                eprintln!("digits: the checkpoint of epoch {resource} was refused: {}", why.trim());
                return Ok(());
            }
            if parent_id() != self.parent {
                return Err(Error::Unanswered { ready, why: "the launcher is gone" });
            }
            if begun.elapsed() > PATIENCE {
                return Err(Error::Unanswered { ready, why: "no answer within ten minutes; see the launcher's log" });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}

/// Makes the checkpoint under a temporary name and renames it when all of it is on the disk.
fn leave(directory: &Path, resource: u64, files: &Files, ready: &Path) -> Result<(), Error> {
    let temporary = directory.join(format!("{resource}.tmp"));
    fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
    fs::create_dir(&temporary).map_err(Error::file("create", &temporary))?;
    files.write(&temporary)?;
    sync(&temporary)?;
    fs::rename(&temporary, ready).map_err(Error::file("rename the checkpoint to", ready))?;
    sync(directory)
}

/// A directory's entries are on the disk when it was synced itself.
fn sync(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(Error::file("write to the disk", directory))
}

/// One report: a line of JSON, with NaN and Infinity as Python writes them.
fn line(resource: u64, metrics: &[(&str, f64)]) -> String {
    let mut line = format!("{{\"resource\": {resource}");
    for (name, value) in metrics {
        let _ = match value {
            value if value.is_nan() => write!(line, ", \"{name}\": NaN"),
            value if value.is_infinite() => write!(line, ", \"{name}\": {}Infinity", if *value < 0.0 { "-" } else { "" }),
            value => write!(line, ", \"{name}\": {value}"),
        };
    }
    line.push_str("}\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_of_json() {
        assert_eq!(line(3, &[("val_loss", 0.25), ("tiny", 1e-7)]), "{\"resource\": 3, \"val_loss\": 0.25, \"tiny\": 0.0000001}\n");
    }

    #[test]
    fn what_is_not_finite_is_written_as_python_does() {
        let metrics = [("a", f64::NAN), ("b", f64::INFINITY), ("c", f64::NEG_INFINITY)];
        assert_eq!(line(1, &metrics), "{\"resource\": 1, \"a\": NaN, \"b\": Infinity, \"c\": -Infinity}\n");
    }
}
