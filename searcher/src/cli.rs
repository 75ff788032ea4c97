//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands::{
    ask, best, completions, explain, ledger, logs, man, metrics, rungs, serve, show, status, submit, tick, trials, wait,
};

/// Hyperparameter sweeps for people who have a Slurm account, or a machine, and nothing else.
///
/// Exit codes: 0 ok, 1 a bug, 2 usage, 3 sweep.toml or campaign.toml is wrong, 4 nothing found, 5 not finished,
/// 6 another holds the lease, 7 Slurm refused or is away, 8 the ledger needs a rebuild or is newer, 9 finished with
/// failed trials, 10 the campaign is not safe, 11 disk or file system, 12 the site cannot do this.
#[derive(Debug, Parser)]
#[command(name = "bandmaster", version, max_term_width = 100)]
pub struct Cli {
    /// The campaign's directory: one ledger, any number of sweeps
    #[arg(long, global = true, env = "BANDMASTER_CAMPAIGN", default_value = "campaign", value_name = "DIR")]
    pub campaign: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Text for a person, or JSON for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For a person.
    Text,
    /// For a program.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a commented sweep that runs at once
    New {
        /// The directory to make.
        directory: PathBuf,
    },
    /// Say all that is wrong with sweep.toml files
    Check {
        /// The files; one called campaign.toml is checked as such.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// For whom
        #[arg(long, value_enum, default_value = "text")]
        format: TextOrJson,
    },
    /// Show brackets, rungs and bounds before anything runs
    Plan {
        /// The sweep.toml.
        file: PathBuf,
        /// For whom
        #[arg(long, value_enum, default_value = "text")]
        format: TextOrJson,
    },
    /// Run a sweep to its end, here
    Run(submit::Args),
    /// Freeze and start a sweep, and do not wait
    Submit(submit::Args),
    /// Wait until a sweep is over, and drive nothing
    Wait(wait::Args),
    /// Tick until told to stop
    Serve(serve::Args),
    /// One step: observe, decide, act
    Tick(tick::Args),
    /// Stop what runs at a checkpoint, and start nothing
    Pause(ask::Args),
    /// Go on with a paused sweep
    Resume(ask::Args),
    /// Give a sweep up
    Cancel(ask::Args),
    /// How sweeps stand
    Status(status::Args),
    /// The trials of a sweep, best first
    Trials(trials::Args),
    /// How its rungs fill
    Rungs(rungs::Args),
    /// Its best trials
    Best(best::Args),
    /// All that is known of a trial
    Show(show::Args),
    /// Why a trial, a rung or a sweep is where it is, and what happens next
    Explain(explain::Args),
    /// What trials reported
    Metrics(metrics::Args),
    /// What a trial printed
    Logs(logs::Args),
    /// Compare the ledger with the journals, make it anew, ask it
    Ledger(ledger::Args),
    /// Print what a shell needs to complete these commands
    Completions(completions::Args),
    /// Print the manual, or write its pages
    Man(man::Args),
}
