//! `bandmaster submit`: a sweep is frozen and started, and nobody waits for it.

use std::io::Write;
use std::path::{Path, PathBuf};

use bandmaster_journal::Campaign;
use bandmaster_record::{ClusterKind, SweepId};

use crate::binaries::Binaries;
use crate::cluster::Cluster as _;
use crate::cluster::local::Local;
use crate::failure::{Exit, Failure, FailureKind};
use crate::open;
use crate::submit::{Prepared, submit};
use crate::sweepfile::SweepFile;
use crate::tick::Ticked;

/// What to submit.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The sweep.toml.
    pub file: PathBuf,
    /// At most so many slots at once [default: as many as cores or GPUs allow]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub slots: Option<u32>,
}

/// Reads and checks a sweep.toml for a submission.
pub fn prepare(args: &Args, campaign: &Campaign) -> Result<Prepared, Failure> {
    let config = crate::campaignfile::CampaignFile::load(&campaign.config())?;
    let (sweep, _) = SweepFile::load(&args.file, &config.defaults)?;
    let unreadable = |error: std::io::Error| {
        Failure::say(FailureKind::WrongFile, format!("{} cannot be read: {error}", args.file.display()), "name a sweep.toml that is there")
    };
    let path = args.file.canonicalize().map_err(unreadable)?;
    let text = std::fs::read(&path).map_err(unreadable)?;
    let hash = blake3::hash(&text).to_hex().to_string();
    let prepared = Prepared { path, text, sweep, hash };
    prepared.check_program()?;
    Ok(prepared)
}

/// Submits what was prepared to this machine.
pub fn start(args: &Args, campaign: &Campaign, prepared: &Prepared) -> Result<SweepId, Failure> {
    let resources = &prepared.sweep.resources;
    let most = Local::new(Binaries::installed(campaign)?).slots(resources.gpus, resources.ranks * resources.cpus_per_rank);
    let limit = prepared.sweep.slurm.max_running.unwrap_or(u32::MAX);
    submit(campaign, prepared, ClusterKind::Local, args.slots.unwrap_or(most.min(limit)))
}

/// Submits, ticks once so that slots start, and prints the sweep's id.
pub fn run(args: &Args, directory: &Path, out: &mut dyn Write, talk: &mut dyn Write) -> Result<Exit, Failure> {
    let campaign = open::or_new(directory)?;
    let prepared = prepare(args, &campaign)?;
    let sweep = start(args, &campaign, &prepared)?;
    writeln!(out, "{sweep}").map_err(Failure::output)?;
    let driven = match open::searcher(campaign)?.tick()? {
        Ticked::Done { .. } => "its slots drive it from here on",
        Ticked::Held(_) => "the process that ticks now starts it",
    };
    writeln!(talk, "{sweep} is submitted; {driven}. `bandmaster status {sweep}` shows it.").map_err(Failure::output)?;
    Ok(Exit::Ok)
}
