//! `[space]`: all parameters together, with what search itself finds wrong shown at its place.

use std::collections::{BTreeMap, BTreeSet};

use bandmaster_record::Param;
use bandmaster_search::{Domain, Fault, Parameter, Space, SpaceMistake};
use toml::de::DeTable;

use super::mistake::Mistakes;
use super::nearest::suggest;
use super::parameter::{self, ReadParameter};
use super::place::Place;
use super::section::entries;
use super::value::as_toml;

/// No search has more; checking conditions takes the square of it.
const MOST_PARAMETERS: usize = 500;

/// `[space]` as it was read.
#[derive(Default)]
pub(crate) struct SpaceSection {
    /// The space. Parameters that could not be understood are in it too, as constants, so that their names are known.
    pub(crate) space: Space,
    read: BTreeMap<String, ReadParameter>,
    names: BTreeMap<String, Place>,
}

/// Reads `[space]`.
pub(crate) fn read(table: &DeTable<'_>, place: &Place, mistakes: &Mistakes) -> SpaceSection {
    let mut section = SpaceSection::default();
    if table.len() > MOST_PARAMETERS {
        let message = format!("[space] has {} parameters, and at most {MOST_PARAMETERS} are searched", table.len());
        mistakes.wrong(place, message, "move constants into the command");
        return section;
    }
    for (name, entry) in entries(table, place) {
        let read = parameter::read(name.value, entry, mistakes);
        let when = read.when.iter().map(|(other, condition)| (other.clone(), condition.values.iter().map(|at| at.value.clone()).collect()));
        section.space.parameters.push(Parameter {
            name: name.value.to_owned(),
            domain: read.domain.clone().unwrap_or(Domain::Constant(Param::Bool(false))),
            when: when.collect(),
        });
        section.names.insert(name.value.to_owned(), name.place);
        section.read.insert(name.value.to_owned(), read);
    }
    for mistake in section.space.mistakes() {
        section.report(&mistake, mistakes);
    }
    section
}

impl SpaceSection {
    /// Where the parameter's values stand.
    pub(crate) fn place_of(&self, name: &str) -> Option<&Place> {
        Some(&self.read.get(name)?.place)
    }

    /// Where the parameter's name stands.
    pub(crate) fn place_of_name(&self, name: &str) -> Option<&Place> {
        self.names.get(name)
    }

    /// Whether its values were understood.
    pub(crate) fn is_understood(&self, name: &str) -> bool {
        self.read.get(name).is_some_and(|read| read.domain.is_some())
    }

    /// The names of all parameters, and of those that are not active in all trials.
    pub(crate) fn names(&self) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let all = self.space.parameters.iter();
        let conditional = all.clone().filter(|parameter| !parameter.when.is_empty());
        (all.map(|parameter| parameter.name.as_str()).collect(), conditional.map(|parameter| parameter.name.as_str()).collect())
    }

    /// Shows what search found wrong, unless it only follows from what could not be read.
    fn report(&self, mistake: &SpaceMistake, mistakes: &Mistakes) {
        let (Some(read), Some(name)) = (self.read.get(&mistake.parameter), self.names.get(&mistake.parameter)) else { return };
        let fault = &mistake.fault;
        match &mistake.condition {
            Some(other) => self.report_condition(&mistake.parameter, other, read, fault, mistakes),
            None => match fault {
                Fault::Name { name: word, why } => {
                    let help = if why.starts_with("in a command") {
                        format!("call it `{word}_`, or something better")
                    } else {
                        "call it something else".to_owned()
                    };
                    mistakes.wrong(name, format!("a parameter cannot be called `{}`: {why}", word.escape_debug()), help);
                }
                _ if read.domain.is_none() => {}
                Fault::UpsideDown { low, high } => {
                    mistakes.wrong(
                        &read.place,
                        format!("the range is upside down: {low} is above {high}"),
                        format!("write [{high}, {low}]"),
                    );
                }
                Fault::LogFromZero { low, whole } => {
                    let help =
                        if *whole { "begin at 1 or above, or use `int`" } else { "begin above 0, such as at 1e-6, or use `uniform`" };
                    mistakes.wrong(&read.place, format!("a logarithmic range cannot begin at {low}: there is no logarithm of it"), help);
                }
                Fault::Repeated { value } => {
                    let place = read.second(value).unwrap_or(&read.place);
                    mistakes.wrong(place, format!("{} stands here twice", as_toml(value)), "leave one out: all values are equally likely");
                }
                Fault::NothingToChoose => mistakes.wrong(&read.place, "there is nothing to choose from", "write at least one value"),
                Fault::StepNotPositive { step } => {
                    mistakes.wrong(
                        read.step.as_ref().unwrap_or(&read.place),
                        format!("the step must be above 0, and is {step}"),
                        "write a larger one, or leave it out",
                    );
                }
                other => {
                    let told = other.to_string();
                    let (message, help) = told.split_once(": ").unwrap_or((&told, "write a larger step, or none"));
                    mistakes.wrong(read.step.as_ref().unwrap_or(&read.place), message, help);
                }
            },
        }
    }

    fn report_condition(&self, name: &str, other: &str, read: &ReadParameter, fault: &Fault, mistakes: &Mistakes) {
        let Some(condition) = read.when.get(other) else { return };
        match fault {
            Fault::UnknownParameter { other } => {
                let known: Vec<&str> = self.read.keys().map(String::as_str).filter(|known| *known != name).collect();
                mistakes.absent(
                    &condition.name,
                    format!("the condition names `{}`, and no parameter is called so", other.escape_debug()),
                    suggest(other, &known),
                );
            }
            Fault::Circular { chain } => {
                let message = match chain.as_slice() {
                    [only, _] => format!("`{only}` depends on itself"),
                    _ => format!("conditions go in a circle: {}", chain.join(" needs ")),
                };
                mistakes.wrong(&condition.name, message, "take one of these conditions away");
            }
            _ if condition.broken || !self.is_understood(other) => {}
            Fault::NoValue { .. } => {
                mistakes.wrong(
                    &condition.name,
                    format!("no value is named, so that `{name}` would never be active"),
                    format!("write `{other} = [...]` with values of `{other}`"),
                );
            }
            Fault::NeverTaken { value, .. } => {
                let place = condition.values.iter().find(|at| at.value == *value).map_or(&condition.name, |at| &at.place);
                mistakes.wrong(place, format!("`{other}` is never {}", as_toml(value)), self.values_of(other));
            }
            Fault::ContinuousCondition { .. } => {
                let message = format!("`{other}` takes any number of its range, and hardly ever one that is named");
                mistakes.wrong(&condition.name, message, format!("give `{other}` a `step`, or make it a `choice`"));
            }
            fault => mistakes.wrong(&condition.name, fault.to_string(), "change the condition"),
        }
    }

    /// What a condition on the parameter may name.
    fn values_of(&self, name: &str) -> String {
        match self.space.parameter(name).map(|parameter| &parameter.domain) {
            Some(Domain::Constant(value)) => format!("it is always {}", as_toml(value)),
            Some(Domain::Choice(values)) => format!("it is one of {}", values.iter().take(20).map(as_toml).collect::<Vec<_>>().join(", ")),
            Some(Domain::Int { low, high, step: 1 } | Domain::LogInt { low, high }) => format!("it is a whole number from {low} to {high}"),
            Some(Domain::Int { low, high, step }) => format!("it is every {step}th whole number from {low} to {high}"),
            Some(Domain::Uniform { low, high, step: Some(step) }) => format!("it goes from {low:?} to {high:?} in steps of {step:?}"),
            _ => "write a value that it takes".to_owned(),
        }
    }
}

impl ReadParameter {
    /// Where the value stands for the second time in the list.
    fn second(&self, value: &Param) -> Option<&Place> {
        let Some(Domain::Choice(values)) = &self.domain else { return None };
        let at = values.iter().rposition(|other| other == value)?;
        self.elements.get(at)
    }
}
