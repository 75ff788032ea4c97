//! One parameter of `[space]`: a constant, or a table with a range and perhaps a condition.

use std::collections::BTreeMap;

use bandmaster_record::Param;
use bandmaster_search::Domain;
use toml::de::DeValue;

use super::keys;
use super::mistake::Mistakes;
use super::nearest::listed;
use super::place::{At, Place};
use super::section::Section;
use super::value::{self, kind_of, kind_of_param};

/// More values are a range, not a list.
const LONGEST_CHOICE: usize = 1000;
/// The keys that say which values there are; one of them stands in each parameter.
const DOMAINS: [&str; 5] = ["uniform", "log_uniform", "int", "log_int", "choice"];

/// A parameter as it was read.
pub(crate) struct ReadParameter {
    /// Its values; `None` where they cannot be understood.
    pub(crate) domain: Option<Domain>,
    /// The range, the list or the constant.
    pub(crate) place: Place,
    /// The elements of the list.
    pub(crate) elements: Vec<Place>,
    /// The step.
    pub(crate) step: Option<Place>,
    /// Its condition, name by name.
    pub(crate) when: BTreeMap<String, Condition>,
}

/// One line of a condition.
pub(crate) struct Condition {
    /// The name of the other parameter.
    pub(crate) name: Place,
    /// The values of the other for which this one is active.
    pub(crate) values: Vec<At<Param>>,
    /// Whether some could not be read.
    pub(crate) broken: bool,
}

/// Reads the value of one entry of `[space]`.
pub(crate) fn read(name: &str, entry: At<&DeValue<'_>>, mistakes: &Mistakes) -> ReadParameter {
    let At { value, place } = entry;
    let mut read = ReadParameter { domain: None, place: place.clone(), elements: Vec::new(), step: None, when: BTreeMap::new() };
    match value {
        DeValue::Table(table) => {
            let section = Section::open(format!("`{name}`"), table, place, keys::PARAMETER, mistakes);
            read.read_table(name, &section);
        }
        DeValue::Array(_) => {
            let help = format!("write `{name} = {{ choice = [...] }}`, or `uniform`, `log_uniform`, `int`, `log_int`");
            mistakes.wrong(&place, "a parameter is a constant or a table, and this is an array", help);
        }
        constant => match value::param(constant) {
            Ok(constant) => read.domain = Some(Domain::Constant(constant)),
            Err(why) => {
                mistakes.wrong(&place, format!("a constant {why}"), format!("write `{name} = 2`, or `{name} = {{ choice = [...] }}`"))
            }
        },
    }
    read
}

impl ReadParameter {
    fn read_table(&mut self, name: &str, section: &Section<'_>) {
        self.step = section.get("step").map(|_| section.place_of("step"));
        self.read_when(section);
        let mut given = DOMAINS.into_iter().filter(|key| section.get(key).is_some());
        let Some(key) = given.next() else {
            let help = format!("write one of {}: `{name} = {{ log_uniform = [1e-4, 1.0] }}`", listed(DOMAINS));
            section.mistakes.absent(&section.place, format!("`{name}` does not say which values it takes"), help);
            return;
        };
        if let Some(second) = given.next() {
            let message = format!("`{name}` has both `{key}` and `{second}`");
            section.mistakes.wrong(&section.place_of_key(second), message, "keep one of them");
            return;
        }
        self.place = section.place_of(key);
        let Some(At { value: elements, .. }) = section.array(key) else { return };
        self.elements = elements.iter().map(|element| element.place.clone()).collect();
        if let Some(step) = &self.step
            && !matches!(key, "uniform" | "int")
        {
            section.mistakes.wrong(step, format!("`step` does not go with `{key}`"), "remove it; it goes with `uniform` and `int`");
            return;
        }
        self.domain = match key {
            "choice" => choice(name, elements, section),
            "int" => {
                whole_pair(key, &elements, section).and_then(|(low, high)| Some(Domain::Int { low, high, step: whole_step(section)? }))
            }
            "log_int" => whole_pair(key, &elements, section).map(|(low, high)| Domain::LogInt { low, high }),
            "log_uniform" => float_pair(key, &elements, section).map(|(low, high)| Domain::LogUniform { low, high }),
            _ => {
                float_pair(key, &elements, section).and_then(|(low, high)| Some(Domain::Uniform { low, high, step: float_step(section)? }))
            }
        };
    }

    fn read_when(&mut self, section: &Section<'_>) {
        for (other, values) in section.entries("when").unwrap_or_default() {
            let mut condition = Condition { name: other.place, values: Vec::new(), broken: false };
            if let DeValue::Array(elements) = values.value {
                for element in elements {
                    let place = section.place.elsewhere(element.span());
                    match value::param(element.get_ref()) {
                        Ok(value) => condition.values.push(At { value, place }),
                        Err(why) => {
                            condition.broken = true;
                            section.mistakes.wrong(&place, format!("a value of `{}` {why}", other.value), "write a value that it takes");
                        }
                    }
                }
            } else {
                condition.broken = true;
                let raw = values.place.text();
                let message = format!("the values of `{}` are an array, and this is {}", other.value, kind_of(values.value));
                section.mistakes.wrong(&values.place, message, format!("write `when = {{ {} = [{raw}] }}`", other.value));
            }
            self.when.insert(other.value.to_owned(), condition);
        }
    }
}

/// The two ends of a range, read by `read`.
fn pair<T: Copy>(
    key: &str,
    elements: &[At<&DeValue<'_>>],
    section: &Section<'_>,
    read: impl Fn(&DeValue<'_>) -> Result<T, String>,
) -> Option<(T, T)> {
    let [low, high] = elements else {
        let message = format!("`{key}` has a low and a high end, and this has {} values", elements.len());
        section.mistakes.wrong(&section.place_of(key), message, section.example(key));
        return None;
    };
    let end = |what: &str, element: &At<&DeValue<'_>>| match read(element.value) {
        Ok(value) => Some(value),
        Err(why) => {
            section.mistakes.wrong(&element.place, format!("the {what} end of `{key}` {why}"), section.example(key));
            None
        }
    };
    let (low, high) = (end("low", low), end("high", high));
    Some((low?, high?))
}

fn whole_pair(key: &str, elements: &[At<&DeValue<'_>>], section: &Section<'_>) -> Option<(i64, i64)> {
    pair(key, elements, section, value::whole)
}

fn float_pair(key: &str, elements: &[At<&DeValue<'_>>], section: &Section<'_>) -> Option<(f64, f64)> {
    pair(key, elements, section, value::finite)
}

fn whole_step(section: &Section<'_>) -> Option<i64> {
    let Some(step) = section.get("step") else { return Some(1) };
    match value::whole(step.get_ref()) {
        Ok(step) => Some(step),
        Err(why) => {
            section.mistakes.wrong(&section.place_of("step"), format!("the `step` of a range of whole numbers {why}"), "write `step = 1`");
            None
        }
    }
}

fn float_step(section: &Section<'_>) -> Option<Option<f64>> {
    let Some(step) = section.get("step") else { return Some(None) };
    match value::finite(step.get_ref()) {
        Ok(step) => Some(Some(step)),
        Err(why) => {
            section.mistakes.wrong(&section.place_of("step"), format!("`step` {why}"), section.example("step"));
            None
        }
    }
}

fn choice(name: &str, elements: Vec<At<&DeValue<'_>>>, section: &Section<'_>) -> Option<Domain> {
    let count = elements.len();
    if count > LONGEST_CHOICE {
        let message = format!("a choice has at most {LONGEST_CHOICE} values, and this has {count}");
        section.mistakes.wrong(&section.place_of("choice"), message, "write a range: `int` or `uniform` with a `step`");
        return None;
    }
    let mut values: Vec<Param> = Vec::with_capacity(count);
    for At { value, place } in elements {
        match value::param(value) {
            Err(why) => section.mistakes.wrong(&place, format!("a value of `choice` {why}"), section.example("choice")),
            Ok(value) => {
                if let Some(first) = values.first()
                    && kind_of_param(first) != kind_of_param(&value)
                {
                    let message = format!(
                        "the values of `{name}` have different types: {} first, {} here",
                        kind_of_param(first),
                        kind_of_param(&value)
                    );
                    let help = match (first, &value) {
                        (Param::Int(_), Param::Float(_)) => format!("write the first as {first}.0"),
                        (Param::Float(_), Param::Int(_)) => format!("write {value}.0"),
                        _ => "write all as numbers, or all as strings".to_owned(),
                    };
                    section.mistakes.wrong(&place, message, help);
                    return None;
                }
                values.push(value);
            }
        }
    }
    (values.len() == count).then_some(Domain::Choice(values))
}
