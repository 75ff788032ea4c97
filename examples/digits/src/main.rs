//! Learns to read handwritten digits: a small network in plain Rust, as a trial that Bandmaster can sweep.
//!
//! By hand: `digits --lr 0.05 --hidden 128 --epochs 27`. In a sweep nothing is passed: see `trial.rs`.

mod checkpoint;
mod data;
mod error;
mod gradient;
mod hyperparameters;
mod network;
mod rng;
mod schedule;
mod sgd;
mod training;
mod trial;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::checkpoint::Files;
use crate::data::Digits;
use crate::error::Error;
use crate::hyperparameters::{Flags, Hyperparameters};
use crate::training::{Metrics, Training};
use crate::trial::{Contract, Trial};

/// How often a training that waits looks whether it is asked to stop.
const LOOK: Duration = Duration::from_millis(20);

/// Learns to read handwritten digits.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    contract: Contract,
    #[command(flatten)]
    flags: Flags,
    /// Take so long at least for each epoch, for those who want to look on
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pace: f64,
    /// At the end print the BLAKE3 hash of all parameters: equal if every bit is
    #[arg(long)]
    print_parameters_hash: bool,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("digits: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(Cli { contract, flags, pace, print_parameters_hash }: Cli) -> Result<(), Error> {
    let data = Digits::load()?;
    let hyperparameters = Hyperparameters::gather(contract.params.as_deref(), &flags)?;
    let target = contract.epochs;
    let training = Training::new(&data, hyperparameters, contract.seed, contract.max_epochs());
    let mut state = match &contract.resume_from {
        Some(directory) => checkpoint::read(directory, &training)?,
        None => training.start(),
    };
    let resumed = contract.resume_from.is_some().then_some(state.epoch);
    if state.epoch > target {
        return Err(Error::Beyond { epoch: state.epoch, target });
    }
    let mut trial = Trial::new(contract);

    if state.epoch == target {
        // An earlier attempt came this far and was lost before its report was taken: say it again.
        report(&trial, target, &training.evaluate(&mut state))?;
    }
    let mut left = resumed.unwrap_or(0);
    while state.epoch < target {
        let begun = Instant::now();
        let Some(next) = training.epoch(&state, || trial.stop_requested()) else {
            // What the interrupted epoch had learned is given up: it is learned again, to the same bits.
            if state.epoch > left {
                trial.checkpoint(state.epoch, Files::of(&training, &state)?)?;
            }
            break;
        };
        state = next;
        report(&trial, state.epoch, &training.evaluate(&mut state))?;
        if trial.checkpoint_due(state.epoch) {
            trial.checkpoint(state.epoch, Files::of(&training, &state)?)?;
            left = state.epoch;
        }
        while begun.elapsed().as_secs_f64() < pace && !trial.stop_requested() {
            std::thread::sleep(LOOK);
        }
    }
    trial.settle()?;
    if let Some(best) = state.best {
        say(&format!("best after epoch {}: val_loss {:.4}", best.epoch, best.val_loss));
    }
    if print_parameters_hash {
        say(&format!("parameters {}", checkpoint::parameters_hash(&state.parameters)));
    }
    Ok(())
}

/// Prints a line. Nobody may be reading, or the log's disk may be full: no reason to end a training.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Says how good the network is: to the sweep, and to whoever reads the log.
fn report(trial: &Trial, epoch: u64, metrics: &Metrics) -> Result<(), Error> {
    let Metrics { val_loss, val_accuracy, train_loss } = *metrics;
    say(&format!("epoch {epoch}: val_loss {val_loss:.4}, val_accuracy {:.2} %, train_loss {train_loss:.4}", 100.0 * val_accuracy));
    trial.report(epoch, &[("val_loss", val_loss), ("val_accuracy", val_accuracy), ("train_loss", train_loss)])
}
