//! What is wrong with a space: every mistake, not only the first one.

use std::collections::BTreeSet;

use bandmaster_record::{Param, checked_name};

use crate::Domain;
use crate::domain::{Steps, same};
use crate::fault::{Fault, SpaceMistake};
use crate::space::{Parameter, Space};

/// Placeholders of a command that mean something else, so that no parameter can bear their names.
pub const RESERVED_NAMES: &[&str] = &["max_resource", "resume_from", "seed", "target", "trial"];

impl Space {
    /// Everything that is wrong, in the order of the parameters.
    pub fn mistakes(&self) -> Vec<SpaceMistake> {
        let mut found = Vec::new();
        let mut circular = BTreeSet::new();
        for (at, parameter) in self.parameters.iter().enumerate() {
            let mut report = |condition: Option<&str>, fault| {
                found.push(SpaceMistake { parameter: parameter.name.clone(), condition: condition.map(str::to_owned), fault });
            };
            if self.parameters.iter().take(at).any(|other| other.name == parameter.name) {
                report(None, Fault::Twice);
            }
            name_fault(&parameter.name).into_iter().for_each(|fault| report(None, fault));
            parameter.domain.faults().into_iter().for_each(|fault| report(None, fault));
            for (other, values) in &parameter.when {
                self.condition_faults(other, values).into_iter().for_each(|fault| report(Some(other), fault));
            }
            if !circular.contains(parameter.name.as_str())
                && let Some(chain) = self.way_back(parameter)
            {
                circular.extend(chain.iter().copied());
                let first = chain.get(1).copied();
                report(first, Fault::Circular { chain: chain.into_iter().map(str::to_owned).collect() });
            }
        }
        found
    }

    fn condition_faults(&self, other: &str, values: &[Param]) -> Vec<Fault> {
        let Some(known) = self.parameter(other) else { return vec![Fault::UnknownParameter { other: other.to_owned() }] };
        if values.is_empty() {
            return vec![Fault::NoValue { other: other.to_owned() }];
        }
        if !known.domain.faults().is_empty() {
            return Vec::new();
        }
        if known.domain.points().is_none() {
            return vec![Fault::ContinuousCondition { other: other.to_owned() }];
        }
        let never = values.iter().filter(|value| known.domain.index_of(value).is_none());
        never.map(|value| Fault::NeverTaken { other: other.to_owned(), value: value.clone() }).collect()
    }

    /// The names from the parameter along conditions back to itself, both ends included.
    fn way_back<'a>(&'a self, from: &'a Parameter) -> Option<Vec<&'a str>> {
        let mut chain = vec![from.name.as_str()];
        let mut seen = BTreeSet::new();
        self.follow(from, from, &mut seen, &mut chain).then_some(chain)
    }

    fn follow<'a>(&'a self, at: &'a Parameter, to: &Parameter, seen: &mut BTreeSet<&'a str>, chain: &mut Vec<&'a str>) -> bool {
        for other in at.when.keys() {
            if !seen.insert(other) {
                continue;
            }
            chain.push(other);
            if *other == to.name || self.parameter(other).is_some_and(|next| self.follow(next, to, seen, chain)) {
                return true;
            }
            chain.pop();
        }
        false
    }
}

fn name_fault(name: &str) -> Option<Fault> {
    let fault = |why| Some(Fault::Name { name: name.to_owned(), why });
    if RESERVED_NAMES.contains(&name) {
        return fault("in a command, this placeholder stands for something else");
    }
    checked_name("parameter", name).err().and_then(|error| fault(error.why))
}

impl Domain {
    /// Everything that is wrong with it.
    fn faults(&self) -> Vec<Fault> {
        match self {
            Self::Constant(value) => value_fault(value).into_iter().collect(),
            Self::Choice(values) => choice_faults(values),
            Self::Uniform { low, high, step } => {
                let mut faults = float_range_faults(*low, *high);
                if let Some(step) = *step
                    && faults.is_empty()
                {
                    faults.extend(float_step_fault(*low, *high, step));
                }
                faults
            }
            Self::LogUniform { low, high } => {
                let mut faults = float_range_faults(*low, *high);
                if *low <= 0.0 {
                    faults.push(Fault::LogFromZero { low: low.to_string(), whole: false });
                }
                faults
            }
            Self::Int { low, high, step } => {
                let mut faults = whole_range_faults(*low, *high);
                if *step < 1 {
                    faults.push(Fault::StepNotPositive { step: step.to_string() });
                } else if low < high && i128::from(*step) > i128::from(*high) - i128::from(*low) {
                    faults.push(Fault::StepTooWide { step: step.to_string(), low: low.to_string() });
                }
                faults
            }
            Self::LogInt { low, high } => {
                let mut faults = whole_range_faults(*low, *high);
                if *low < 1 {
                    faults.push(Fault::LogFromZero { low: low.to_string(), whole: true });
                }
                faults
            }
        }
    }
}

fn value_fault(value: &Param) -> Option<Fault> {
    match value {
        Param::Float(value) if !value.is_finite() => Some(Fault::NotFinite { what: "the value", value: *value }),
        Param::Text(text) if text.contains('\0') => Some(Fault::ZeroByte),
        Param::Bool(_) | Param::Int(_) | Param::Float(_) | Param::Text(_) => None,
    }
}

fn choice_faults(values: &[Param]) -> Vec<Fault> {
    if values.is_empty() {
        return vec![Fault::NothingToChoose];
    }
    let repeated = |(at, value): (usize, &Param)| {
        let earlier = values.iter().take(at).any(|earlier| same(earlier, value));
        earlier.then(|| Fault::Repeated { value: value.clone() })
    };
    values.iter().filter_map(value_fault).chain(values.iter().enumerate().filter_map(repeated)).collect()
}

fn float_range_faults(low: f64, high: f64) -> Vec<Fault> {
    let ends = [("the low end", low), ("the high end", high)];
    let faults: Vec<Fault> =
        ends.into_iter().filter(|(_, value)| !value.is_finite()).map(|(what, value)| Fault::NotFinite { what, value }).collect();
    if faults.is_empty() && low > high {
        return vec![Fault::UpsideDown { low: format!("{low:?}"), high: format!("{high:?}") }];
    }
    faults
}

fn float_step_fault(low: f64, high: f64, step: f64) -> Option<Fault> {
    let text = format!("{step:?}");
    if !step.is_finite() {
        return Some(Fault::NotFinite { what: "the step", value: step });
    }
    if step <= 0.0 {
        return Some(Fault::StepNotPositive { step: text });
    }
    match Steps::of(low, high, step) {
        None => Some(Fault::StepTooFine { step: text }),
        Some(steps) if steps.is_single() && low < high => Some(Fault::StepTooWide { step: text, low: format!("{low:?}") }),
        Some(_) => None,
    }
}

fn whole_range_faults(low: i64, high: i64) -> Vec<Fault> {
    if low > high {
        return vec![Fault::UpsideDown { low: low.to_string(), high: high.to_string() }];
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
