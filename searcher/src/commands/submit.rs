//! `bandmaster submit`: a sweep is frozen and started, and nobody waits for it.

use std::io::Write;
use std::path::{Path, PathBuf};

use bandmaster_journal::Campaign;
use bandmaster_record::{ClusterKind, Phase};

use crate::campaignfile::CampaignFile;
use crate::cluster::local::Local;
use crate::cluster::slurm;
use crate::failure::{Exit, Failure, FailureKind};
use crate::open;
use crate::submit::{Place, Prepared, submit};
use crate::sweepfile::SweepFile;
use crate::tick::Ticked;

/// What to submit.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The sweep.toml.
    pub file: PathBuf,
    /// At most so many slots at once [default: on this machine as many as cores or GPUs allow, on Slurm max_running]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub slots: Option<u32>,
    /// Run on this machine, although Slurm's sbatch is there
    #[arg(long)]
    pub local: bool,
}

/// Reads and checks a sweep.toml for a submission to the campaign in that directory, which need not be there yet.
pub fn prepare(args: &Args, directory: &Path) -> Result<Prepared, Failure> {
    open::owned(directory)?;
    let config = CampaignFile::load(&Campaign::at(directory).config())?;
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

/// Where what was prepared runs: on Slurm where sbatch is there, which is asked whether it would take such an array
/// before anything is made; else, or where it is asked for, on this machine.
pub fn place(args: &Args, prepared: &Prepared) -> Result<Place, Failure> {
    let limit = prepared.sweep.slurm.max_running.unwrap_or(u32::MAX);
    if slurm::is_here() && !args.local {
        let most_tasks = Some(slurm::would_take(&prepared.sweep, prepared.directory())?);
        return Ok(Place { cluster: ClusterKind::Slurm, slots: args.slots.unwrap_or(limit), most_tasks });
    }
    let resources = &prepared.sweep.resources;
    let most = Local::slots(resources.gpus, resources.ranks * resources.cpus_per_rank);
    Ok(Place { cluster: ClusterKind::Local, slots: args.slots.unwrap_or(most.min(limit)), most_tasks: None })
}

/// Submits, ticks once so that slots start, and prints the sweep's id.
pub fn run(args: &Args, directory: &Path, out: &mut dyn Write, talk: &mut dyn Write) -> Result<Exit, Failure> {
    let prepared = prepare(args, directory)?;
    let place = place(args, &prepared)?;
    let campaign = open::or_new(directory)?;
    let sweep = submit(&campaign, &prepared, place)?;
    writeln!(out, "{sweep}").map_err(Failure::output)?;
    let mut searcher = open::searcher(campaign)?;
    let driven = match searcher.tick()? {
        Ticked::Done { away: Some(words), .. } => format!("Slurm does not answer just now ({words}): a later tick starts it"),
        Ticked::Held(_) => "the process that ticks now starts it".to_owned(),
        Ticked::Done { .. } => match searcher.sweeps().and_then(|sweeps| sweeps.get(&sweep)).map(|live| &live.state) {
            Some(state) if state.phase == Phase::Paused => "Slurm refused its first array, and it is paused".to_owned(),
            Some(state) if state.refused.is_some() && state.tasks_out() == 0 => {
                "Slurm takes no more jobs of yours just now: `bandmaster serve`, cron or a later `bandmaster tick` tries again".to_owned()
            }
            _ => "its slots drive it from here on".to_owned(),
        },
    };
    writeln!(talk, "{sweep} is submitted; {driven}. `bandmaster status {sweep}` shows it.").map_err(Failure::output)?;
    Ok(Exit::Ok)
}
