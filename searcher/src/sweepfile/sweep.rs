//! What a sweep.toml means, with the campaign's defaults filled in: all that a submission freezes.

use std::collections::BTreeMap;
use std::path::Path;

use bandmaster_record::{Command, MetricSource, Seconds, TrialSettings, checked_name};
use bandmaster_search::{Ladder, LadderError, Spec};
use serde::{Deserialize, Serialize};

use super::cluster::{CheckpointSection, CheckpointSettings, SlurmSection, SlurmSettings};
use super::command::{self, Names};
use super::mistake::{Mistake, Mistakes, WrongFile};
use super::objective::{self, Objective};
use super::place::Place;
use super::section::Section;
use super::space::{self, SpaceSection};
use super::trial::{self, TrialSection};
use super::{keys, method, source, together};
use crate::campaignfile::Defaults;

/// How long a trial may take to stop where nothing is said.
const STOP_GRACE: Seconds = Seconds(30.0);
/// How often a segment is tried again where nothing is said.
const RETRIES: u32 = 2;
/// `-4294967295`, the longest number that a sweep adds to its name.
const LONGEST_NUMBER: usize = 11;

/// A sweep, as its file and the campaign's defaults describe it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepFile {
    /// The sweep's name, without a number.
    pub name: String,
    /// What is searched, and how.
    pub search: Spec,
    /// How a trial is executed.
    pub trial: TrialTemplate,
    /// What one of a resource is called.
    pub unit: String,
    /// What is kept.
    pub checkpoint: CheckpointSettings,
    /// What sbatch is told.
    pub slurm: SlurmSettings,
    /// What one trial needs.
    pub resources: Resources,
    /// Brackets and rungs.
    pub ladder: Ladder,
}

/// How a trial is executed: [`TrialSettings`] without the directory, which the submission knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialTemplate {
    /// The argv.
    pub command: Command,
    /// The user's shell lines before it.
    pub setup: Vec<String>,
    /// Added to the environment.
    pub environment: BTreeMap<String, String>,
    /// The objective's name in reports.
    pub metric: String,
    /// Where reports come from.
    pub source: MetricSource,
    /// At most so long for one segment.
    pub time: Option<Seconds>,
    /// A signal beside the stop file.
    pub stop_signal: Option<String>,
    /// How long a trial may take to stop before it is killed.
    pub stop_grace: Seconds,
    /// Seconds between checkpoints; `None` for what the launcher reckons best.
    pub checkpoint_interval: Option<Seconds>,
    /// GPUs of one trial.
    pub gpus: u32,
    /// Cores of one trial, all its ranks together.
    #[serde(default)]
    pub cpus: u32,
}

impl TrialTemplate {
    /// The settings of trials that run in `directory`, which is absolute.
    pub fn to_settings(&self, directory: impl Into<String>) -> TrialSettings {
        let Self { command, setup, environment, metric, source, time, stop_signal, stop_grace, checkpoint_interval, gpus, cpus } =
            self.clone();
        let directory = directory.into();
        TrialSettings {
            command,
            setup,
            environment,
            directory,
            metric,
            source,
            time,
            stop_signal,
            stop_grace,
            checkpoint_interval,
            gpus,
            cpus,
        }
    }
}

/// What one trial needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// GPUs of all ranks together.
    pub gpus: u32,
    /// Ranks.
    pub ranks: u32,
    /// Ranks on one node at most; `None` for as many as fit.
    pub ranks_per_node: Option<u32>,
    /// Cores of a rank.
    pub cpus_per_rank: u32,
    /// Bytes of memory of a rank; `None` for the cluster's default.
    pub memory_per_rank: Option<u64>,
}

/// What came of reading a file.
#[derive(Debug)]
pub struct Checked {
    /// The sweep, if nothing is wrong.
    pub sweep: Option<SweepFile>,
    /// Mistakes and warnings in the order of the file.
    pub mistakes: Vec<Mistake>,
}

impl SweepFile {
    /// Reads a sweep.toml, and gives the sweep with its warnings.
    ///
    /// # Errors
    /// All mistakes in it.
    pub fn load(path: &Path, defaults: &Defaults) -> Result<(Self, Vec<Mistake>), WrongFile> {
        let Checked { sweep, mistakes } = Self::check(path, defaults);
        match sweep {
            Some(sweep) => Ok((sweep, mistakes)),
            None => Err(WrongFile { file: path.display().to_string(), mistakes }),
        }
    }

    /// Reads a sweep.toml, and says all that is to be said about it.
    pub fn check(path: &Path, defaults: &Defaults) -> Checked {
        match source::read_bytes(path) {
            Ok(bytes) => Self::parse(&path.display().to_string(), &bytes, defaults),
            Err(mistake) => Checked { sweep: None, mistakes: vec![mistake] },
        }
    }

    /// The same for bytes that are called `name`.
    pub fn parse(name: &str, bytes: &[u8], defaults: &Defaults) -> Checked {
        let mistakes = Mistakes::default();
        let source = source::source(name, bytes, &mistakes);
        let table = source::table(&source, &mistakes);
        let root = Section::open("sweep.toml", table.get_ref(), Place::new(&source, 0..0), keys::SWEEP, &mistakes);
        let sweep = sweep(&root, defaults);
        Checked { sweep: sweep.filter(|_| !mistakes.any()), mistakes: mistakes.in_order() }
    }
}

/// Reads all sections, each to its end, then what is wrong only together.
fn sweep(root: &Section<'_>, defaults: &Defaults) -> Option<SweepFile> {
    let mistakes = root.mistakes;
    for key in ["name", "objective", "method", "trial"] {
        root.must_have(key);
    }
    let name = root.text_as("name", sweep_name);
    let seed = root.whole("seed", 0..=i64::MAX);
    let objective = root.section("objective", "[objective]", keys::OBJECTIVE).map(|section| objective::read(&section));
    let method_section = root.section("method", "[method]", keys::METHOD);
    let method = method_section.as_ref().map(method::read);
    let space = read_space(root);
    let trial_section = root.section("trial", "[trial]", keys::TRIAL);
    if let Some(section) = &trial_section {
        section.must_have("command");
    }
    let trial = trial_section.as_ref().map(trial::read).unwrap_or_default().or(&defaults.trial);
    let checkpoint = root.section("checkpoint", "[checkpoint]", keys::CHECKPOINT).map(|section| CheckpointSection::read(&section));
    let slurm = root.section("slurm", "[slurm]", keys::SLURM).map(|section| SlurmSection::read(&section));

    let ranks = trial.ranks(mistakes);
    let (all, conditional) = space.names();
    let used = trial.command.as_ref().map(|command| command::check(&command.value, &Names { all, conditional }, mistakes));
    if let (Some(method), Some(section)) = (&method, &method_section) {
        together::method_and_space(method, section, &space, mistakes);
    }
    if mistakes.any() {
        return None;
    }
    let (objective, method) = (objective?, method?);
    let spec = Spec {
        seed: seed.map_or(0, |at| at.value.unsigned_abs()),
        goal: objective.goal?,
        method: method.method?,
        space: space.space.clone(),
        retries: trial.retries.unwrap_or(RETRIES),
    };
    let ladder = match spec.ladder() {
        Ok(ladder) => ladder,
        Err(error) => {
            no_ladder(&error, root, method_section.as_ref()?);
            return None;
        }
    };
    if let (Some(used), Some(command)) = (&used, &trial.command) {
        together::warn(used, &command.place, &objective, &ladder, &space, &trial, mistakes);
    }
    let checkpoint = checkpoint.unwrap_or_default().settings(&defaults.checkpoint);
    let resources = Resources {
        gpus: trial.gpus.as_ref().map_or(0, |at| at.value),
        ranks,
        ranks_per_node: trial.ranks_per_node,
        cpus_per_rank: trial.cpus_per_rank.unwrap_or(1),
        memory_per_rank: trial.memory_per_rank,
    };
    let cpus = resources.cpus_per_rank.saturating_mul(resources.ranks);
    Some(SweepFile {
        name: name?.value,
        search: spec,
        unit: method.unit,
        resources,
        trial: template(trial, objective, checkpoint.interval, cpus)?,
        checkpoint,
        slurm: slurm.unwrap_or_default().settings(&defaults.slurm),
        ladder,
    })
}

/// A name to which a dash and a number can be added, and be told from it again.
pub(crate) fn sweep_name(text: &str) -> Result<String, String> {
    checked_name("sweep's name", text).map_err(|error| format!("cannot be \"{}\": {}", text.escape_debug(), error.why))?;
    if text.len() + LONGEST_NUMBER > 64 {
        return Err(format!("has {} letters, and at most {} leave room for the sweep's number", text.len(), 64 - LONGEST_NUMBER));
    }
    if text.rsplit_once('-').is_some_and(|(_, end)| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(format!("cannot end in a dash and a number: \"{text}\" would look like a sweep, whose number is added at submission"));
    }
    Ok(text.to_owned())
}

/// A sweep without `[space]` has no parameters.
fn read_space(root: &Section<'_>) -> SpaceSection {
    let Some(value) = root.get("space") else { return SpaceSection::default() };
    let place = root.place_of("space");
    match value.get_ref().as_table() {
        Some(table) => space::read(table, &place, root.mistakes),
        None => {
            root.mistakes.wrong(&place, "`space` must be a table", "write `[space]` and a line for each parameter");
            SpaceSection::default()
        }
    }
}

/// What search refuses although each value by itself is right: too many trials.
fn no_ladder(error: &LadderError, root: &Section<'_>, method: &Section<'_>) {
    let place = match error {
        LadderError::Grid(_) => root.place_of_key("space"),
        _ if method.get("trials").is_some() => method.place_of("trials"),
        _ => method.place_of("max_resource"),
    };
    let told = error.to_string();
    let (message, help) = told.split_once(": ").unwrap_or((&told, "lower it"));
    root.mistakes.wrong(&place, message, help);
}

fn template(trial: TrialSection, objective: Objective, checkpoint_interval: Option<Seconds>, cpus: u32) -> Option<TrialTemplate> {
    Some(TrialTemplate {
        command: command::plain(&trial.command?.value),
        setup: trial.setup.unwrap_or_default(),
        environment: trial.environment,
        metric: objective.metric?,
        source: objective.source,
        time: trial.time.map(|at| at.value),
        stop_signal: trial.stop_signal.flatten().map(str::to_owned),
        stop_grace: trial.stop_grace.unwrap_or(STOP_GRACE),
        checkpoint_interval,
        gpus: trial.gpus.map_or(0, |at| at.value),
        cpus,
    })
}
