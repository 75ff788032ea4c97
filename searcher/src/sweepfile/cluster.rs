//! `[checkpoint]` and `[slurm]`: what is kept, and what sbatch is told. A campaign may hold defaults for both.

use bandmaster_record::Seconds;
use serde::{Deserialize, Serialize};

use crate::cluster::slurm::extra;

use super::place::At;
use super::quantity::duration;
use super::section::Section;

/// `[checkpoint]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointSettings {
    /// Seconds between two checkpoints; `None` for what the launcher reckons best.
    pub interval: Option<Seconds>,
    /// Checkpoints of the sweep's best trials that stay when it ends.
    pub keep_sweep_best: u32,
    /// The best checkpoints of each trial that stay.
    pub keep_trial_best: u32,
    /// The latest checkpoints of each trial that stay.
    pub keep_trial_latest: u32,
}

/// `[slurm]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SlurmSettings {
    /// The partition; `None` for the cluster's default.
    pub partition: Option<String>,
    /// Array tasks at once; `None` for as many as the cluster runs.
    pub max_running: Option<u32>,
    /// Further options of sbatch, each one argument.
    pub extra: Vec<String>,
}

/// `[checkpoint]` as it was read: what is not there, or wrong, is `None`.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckpointSection {
    interval: Option<Option<Seconds>>,
    keep_sweep_best: Option<u32>,
    keep_trial_best: Option<u32>,
    keep_trial_latest: Option<u32>,
}

impl CheckpointSection {
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let interval = section.text_as("interval", |text| if text == "auto" { Ok(None) } else { duration(text).map(Some) });
        let keep = |key| section.count(key, 0).map(|at| at.value);
        Self {
            interval: interval.map(|at| at.value),
            keep_sweep_best: keep("keep_sweep_best"),
            keep_trial_best: keep("keep_trial_best"),
            keep_trial_latest: keep("keep_trial_latest"),
        }
    }

    /// What stands here, and for what does not, the defaults.
    pub(crate) fn settings(&self, defaults: &Self) -> CheckpointSettings {
        CheckpointSettings {
            interval: self.interval.or(defaults.interval).flatten(),
            keep_sweep_best: self.keep_sweep_best.or(defaults.keep_sweep_best).unwrap_or(1),
            keep_trial_best: self.keep_trial_best.or(defaults.keep_trial_best).unwrap_or(0),
            keep_trial_latest: self.keep_trial_latest.or(defaults.keep_trial_latest).unwrap_or(0),
        }
    }
}

/// `[slurm]` as it was read: what is not there, or wrong, is `None`.
#[derive(Debug, Clone, Default)]
pub(crate) struct SlurmSection {
    partition: Option<String>,
    max_running: Option<u32>,
    extra: Option<Vec<String>>,
}

impl SlurmSection {
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let partition = section.text_as("partition", |text| {
            let name = !text.is_empty() && !text.starts_with('-') && !text.chars().any(|c| c.is_whitespace() || c.is_control());
            name.then(|| text.to_owned()).ok_or_else(|| "must be a partition's name, or several with commas, without spaces".to_owned())
        });
        Self {
            partition: partition.map(|at| at.value),
            max_running: section.count("max_running", 1).map(|at| at.value),
            extra: section.texts("extra").map(|at| at.value.into_iter().filter_map(|option| sbatch_option(option, section)).collect()),
        }
    }

    /// What stands here, and for what does not, the defaults.
    pub(crate) fn settings(&self, defaults: &Self) -> SlurmSettings {
        SlurmSettings {
            partition: self.partition.clone().or_else(|| defaults.partition.clone()),
            max_running: self.max_running.or(defaults.max_running),
            extra: self.extra.clone().or_else(|| defaults.extra.clone()).unwrap_or_default(),
        }
    }
}

fn sbatch_option(option: At<String>, section: &Section<'_>) -> Option<String> {
    let At { value, place } = option;
    // An argument without a dash, or behind a bare one, would be taken for the batch script.
    if !value.starts_with('-') || value.trim_matches('-').is_empty() || value.chars().any(char::is_control) {
        let message = format!("each element of `extra` is an option of sbatch in one argument, and \"{}\" is none", value.escape_debug());
        section.mistakes.wrong(&place, message, "write \"--option=value\"");
        return None;
    }
    if let Some(help) = extra::refused(&value) {
        let name = value.split('=').next().unwrap_or_default();
        section.mistakes.wrong(&place, format!("Bandmaster sets sbatch's option {name} itself"), help);
        return None;
    }
    Some(value)
}
