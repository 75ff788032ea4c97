//! `command` of `[trial]`: its shape, and its placeholders against what the sweep has to fill in.

use std::collections::BTreeSet;

use bandmaster_record::{Argument, Command};
use toml::de::DeValue;

use super::mistake::Mistakes;
use super::nearest::nearest;
use super::place::{At, Place};
use super::section::Section;
use super::value::{self, kind_of};

/// Placeholders that Bandmaster fills in beside the parameters, with what they stand for.
pub(crate) const RESERVED: &[(&str, &str)] = &[
    ("target", "the resource to reach now"),
    ("max_resource", "the final R"),
    ("resume_from", "the checkpoint to go on from"),
    ("seed", "the trial's seed"),
    ("trial", "the trial's id"),
];

/// An argument, or a group of them, with places.
#[derive(Debug, Clone)]
pub(crate) enum PlacedArgument {
    /// It always stands.
    One(At<String>),
    /// They stand or fall together.
    Group(Vec<At<String>>),
}

/// Reads the array.
pub(crate) fn read(section: &Section<'_>) -> Option<At<Vec<PlacedArgument>>> {
    let mistakes = section.mistakes;
    let At { value: elements, place } = section.array("command")?;
    if elements.is_empty() {
        mistakes.wrong(&place, "`command` is empty: there is nothing to run", section.example("command"));
        return None;
    }
    let mut read = Vec::with_capacity(elements.len());
    for (index, element) in elements.into_iter().enumerate() {
        match element.value {
            DeValue::Array(group) => {
                if index == 0 {
                    mistakes.wrong(
                        &element.place,
                        "the first element of `command` is the program, and cannot be left out",
                        "write it as a string",
                    );
                } else if group.is_empty() {
                    mistakes.wrong(&element.place, "a nested array in `command` is empty", "remove it");
                }
                let texts = group.iter().filter_map(|text| argument(text.get_ref(), place.elsewhere(text.span()), mistakes));
                read.push(PlacedArgument::Group(texts.collect()));
            }
            other => {
                let Some(text) = argument(other, element.place, mistakes) else { continue };
                if index == 0 && text.value.trim().is_empty() {
                    mistakes.wrong(&text.place, "the first element of `command` is the program, and is empty", section.example("command"));
                }
                read.push(PlacedArgument::One(text));
            }
        }
    }
    Some(At { value: read, place })
}

fn argument(value: &DeValue<'_>, place: Place, mistakes: &Mistakes) -> Option<At<String>> {
    match value::text(value) {
        Ok(value) => Some(At { value, place }),
        Err(why) => {
            let help = match value {
                DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {
                    format!("write \"{}\"", place.text())
                }
                DeValue::Array(_) => "arrays nest once: a group that is left out as a whole".to_owned(),
                other => format!("write a string instead of {}", kind_of(other)),
            };
            mistakes.wrong(&place, format!("each argument of `command` {why}"), help);
            None
        }
    }
}

/// The names that a command may use.
pub(crate) struct Names<'a> {
    /// All parameters.
    pub(crate) all: BTreeSet<&'a str>,
    /// Those that have a value in some trials only.
    pub(crate) conditional: BTreeSet<&'a str>,
}

/// What a command uses, after it was checked.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// Parameters and reserved words.
    pub(crate) names: BTreeSet<String>,
    /// Whether it speaks of `BANDMASTER_PARAMS` itself.
    pub(crate) mentions_params_file: bool,
}

/// Checks every placeholder.
pub(crate) fn check(command: &[PlacedArgument], names: &Names<'_>, mistakes: &Mistakes) -> Used {
    let mut used = Used::default();
    for argument in command {
        let (texts, in_group) = match argument {
            PlacedArgument::One(text) => (std::slice::from_ref(text), false),
            PlacedArgument::Group(texts) => (texts.as_slice(), true),
        };
        for text in texts {
            used.mentions_params_file |= text.value.contains("BANDMASTER_PARAMS");
            match Command::placeholders(&text.value) {
                Err(_) => mistakes.wrong(
                    &text.place,
                    "a brace without its other half, or without a name in it",
                    "write `{{` or `}}` for a brace, `{name}` for a value",
                ),
                Ok(placeholders) => {
                    for name in placeholders {
                        placeholder(name, text, in_group, names, mistakes);
                        used.names.insert(name.to_owned());
                    }
                }
            }
        }
    }
    used
}

fn placeholder(name: &str, text: &At<String>, in_group: bool, names: &Names<'_>, mistakes: &Mistakes) {
    let place = text.place.within(&format!("{{{name}}}"));
    let reserved = || RESERVED.iter().map(|(word, _)| *word);
    if !names.all.contains(name) && !reserved().any(|word| word == name) {
        let help = match nearest(name, names.all.iter().copied().chain(reserved())) {
            Some(near) => format!("did you mean `{{{near}}}`?"),
            None => {
                let known = names.all.iter().copied().chain(reserved()).map(|word| format!("`{{{word}}}`")).collect::<Vec<_>>();
                format!("known here: {}; for a brace write `{{{{`", known.join(", "))
            }
        };
        mistakes.absent(&place, format!("nothing is called `{{{name}}}`: no parameter in [space], no reserved word"), help);
    } else if !in_group && (name == "resume_from" || names.conditional.contains(name)) {
        let why = if name == "resume_from" { "there is none when a trial begins" } else { "its `when` does not always hold" };
        let help =
            format!("put what belongs to it in a nested array, which is left out then: [\"--{}\", \"{{{name}}}\"]", name.replace('_', "-"));
        mistakes.wrong(&place, format!("`{{{name}}}` has no value in some trials: {why}"), help);
    }
}

/// The command without its places.
pub(crate) fn plain(command: &[PlacedArgument]) -> Command {
    let plain = |argument: &PlacedArgument| match argument {
        PlacedArgument::One(text) => Argument::One(text.value.clone()),
        PlacedArgument::Group(texts) => Argument::Group(texts.iter().map(|text| text.value.clone()).collect()),
    };
    Command(command.iter().map(plain).collect())
}
