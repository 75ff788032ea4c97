//! `[trial]`: how one trial is executed, and what it needs. A campaign may hold defaults for all but the command.

use std::collections::BTreeMap;

use bandmaster_record::Seconds;

use super::command::{self, PlacedArgument};
use super::mistake::Mistakes;
use super::place::At;
use super::quantity::{duration, memory};
use super::section::Section;
use super::value::{self, kind_of};

/// `[trial]` as it was read: what is not there, or wrong, is `None`.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrialSection {
    pub(crate) command: Option<At<Vec<PlacedArgument>>>,
    pub(crate) setup: Option<Vec<String>>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) time: Option<At<Seconds>>,
    pub(crate) retries: Option<u32>,
    pub(crate) stop_signal: Option<Option<&'static str>>,
    pub(crate) stop_grace: Option<Seconds>,
    pub(crate) gpus: Option<At<u32>>,
    pub(crate) ranks: Option<At<u32>>,
    pub(crate) ranks_per_node: Option<u32>,
    pub(crate) cpus_per_rank: Option<u32>,
    pub(crate) memory_per_rank: Option<u64>,
}

const SIGNALS: &[(&str, Option<&str>)] =
    &[("none", None), ("USR1", Some("USR1")), ("USR2", Some("USR2")), ("TERM", Some("TERM")), ("INT", Some("INT"))];

/// Reads `[trial]`.
pub(crate) fn read(section: &Section<'_>) -> TrialSection {
    snapshot(section);
    section.not_yet("container", "trials run in the environment of their node");
    TrialSection {
        command: command::read(section),
        setup: setup(section),
        environment: environment(section),
        time: section.text_as("time", duration),
        retries: section.count("retries", 0).map(|at| at.value),
        stop_signal: stop_signal(section),
        stop_grace: section.text_as("stop_grace", duration).map(|at| at.value),
        gpus: section.count("gpus", 0),
        ranks: section.count("ranks", 1),
        ranks_per_node: section.count("ranks_per_node", 1).map(|at| at.value),
        cpus_per_rank: section.count("cpus_per_rank", 1).map(|at| at.value),
        memory_per_rank: section.text_as("memory_per_rank", memory).map(|at| at.value),
    }
}

impl TrialSection {
    /// What stands here, and for what does not, the defaults. Environments are joined, variable by variable.
    pub(crate) fn or(self, defaults: &Self) -> Self {
        let mut environment = defaults.environment.clone();
        environment.extend(self.environment);
        Self {
            command: self.command,
            setup: self.setup.or_else(|| defaults.setup.clone()),
            environment,
            time: self.time.or_else(|| defaults.time.clone()),
            retries: self.retries.or(defaults.retries),
            stop_signal: self.stop_signal.or(defaults.stop_signal),
            stop_grace: self.stop_grace.or(defaults.stop_grace),
            gpus: self.gpus.or_else(|| defaults.gpus.clone()),
            ranks: self.ranks.or_else(|| defaults.ranks.clone()),
            ranks_per_node: self.ranks_per_node.or(defaults.ranks_per_node),
            cpus_per_rank: self.cpus_per_rank.or(defaults.cpus_per_rank),
            memory_per_rank: self.memory_per_rank.or(defaults.memory_per_rank),
        }
    }

    /// The ranks of one trial: as many as GPUs unless they are given.
    ///
    /// More than one is refused: the launcher cannot start them yet.
    pub(crate) fn ranks(&self, mistakes: &Mistakes) -> u32 {
        let gpus = self.gpus.as_ref().map_or(0, |at| at.value);
        let ranks = self.ranks.as_ref().map_or(gpus.max(1), |at| at.value);
        if ranks > 1
            && let Some(At { place, .. }) = self.ranks.as_ref().or(self.gpus.as_ref())
        {
            let (message, help) = if self.ranks.is_some() {
                (format!("trials of {ranks} ranks are not supported yet"), "write `ranks = 1`")
            } else {
                (
                    format!("`gpus = {gpus}` means {ranks} ranks with a GPU each, and trials of several ranks are not supported yet"),
                    "write `gpus = 1`; or add `ranks = 1` if one process uses all of them",
                )
            };
            mistakes.wrong(place, message, help);
        }
        ranks
    }
}

fn snapshot(section: &Section<'_>) {
    if section.array("snapshot").is_some_and(|globs| !globs.value.is_empty()) {
        section.mistakes.wrong(
            &section.place_of("snapshot"),
            "copying code at submission is not supported yet",
            "write `snapshot = []`, or leave it out; the git commit is recorded with each attempt",
        );
    }
}

fn setup(section: &Section<'_>) -> Option<Vec<String>> {
    section.texts("setup").map(|at| at.value.into_iter().map(|line| line.value).collect())
}

fn stop_signal(section: &Section<'_>) -> Option<Option<&'static str>> {
    let At { value, place } = section.text("stop_signal")?;
    let upper = value.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, signal)) = SIGNALS.iter().find(|(name, _)| *name == value) {
        return Some(*signal);
    }
    let help = match SIGNALS.iter().find(|(name, _)| *name == bare || name.eq_ignore_ascii_case(&value)) {
        Some((name, _)) => format!("write \"{name}\""),
        None => "write \"USR1\", \"USR2\", \"TERM\", \"INT\" or \"none\"".to_owned(),
    };
    section.mistakes.wrong(&place, format!("`stop_signal` cannot be \"{value}\""), help);
    None
}

fn environment(section: &Section<'_>) -> BTreeMap<String, String> {
    let mut read = BTreeMap::new();
    for (name, entry) in section.entries("environment").unwrap_or_default() {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.value.is_empty() || name.value.starts_with(|c: char| c.is_ascii_digit()) || !name.value.chars().all(plain) {
            let message = format!("`{}` cannot be the name of a variable", name.value.escape_debug());
            section.mistakes.wrong(&name.place, message, "names have letters, digits and `_`, and do not begin with a digit");
        } else if name.value.starts_with("BANDMASTER_") {
            let message = format!("`{}` is one of the variables that Bandmaster sets itself", name.value);
            section.mistakes.wrong(&name.place, message, "take another name");
        }
        match value::text(entry.value) {
            Ok(text) => drop(read.insert(name.value.to_owned(), text)),
            Err(_) => {
                let raw = entry.place.text();
                let message = format!("the value of a variable is a string without null characters, and this is {}", kind_of(entry.value));
                section.mistakes.wrong(
                    &entry.place,
                    message,
                    format!("write `{} = \"{}\"`", name.value, raw.trim_matches('"').escape_debug()),
                );
            }
        }
    }
    read
}
