//! The space that configurations are taken from.

use std::collections::BTreeMap;

use bandmaster_record::{Param, Params};
use serde::{Deserialize, Serialize};

use crate::Domain;
use crate::domain::same;

/// The parameters in the order of sweep.toml.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// The parameters, each name once.
    pub parameters: Vec<Parameter>,
}

/// One hyperparameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name, as commands and trials use it.
    pub name: String,
    /// The values it may take.
    pub domain: Domain,
    /// When it takes one at all: each parameter named here must be active and have one of the values beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, Vec<Param>>,
}

impl Parameter {
    /// Whether it takes a value, given the values of all parameters that its condition names.
    pub(crate) fn is_active(&self, chosen: &Params) -> bool {
        self.when.iter().all(|(other, values)| chosen.get(other).is_some_and(|value| values.iter().any(|wanted| same(wanted, value))))
    }
}

impl Space {
    /// The parameter of that name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// The parameters, each behind those that its condition names, otherwise in the order of sweep.toml. What can
    /// never be active, for a condition that is circular or names nothing, is left out.
    pub(crate) fn in_order(&self) -> Vec<&Parameter> {
        let mut waiting: Vec<&Parameter> = self.parameters.iter().collect();
        let mut placed: Vec<&Parameter> = Vec::with_capacity(waiting.len());
        let is_ready = |parameter: &Parameter, placed: &[&Parameter]| {
            parameter.when.keys().all(|other| placed.iter().any(|known| known.name == *other))
        };
        while let Some(next) = waiting.iter().position(|parameter| is_ready(parameter, &placed)) {
            placed.push(waiting.remove(next));
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(parameters: &[(&str, &[&str])]) -> Space {
        let one = |(name, needs): &(&str, &[&str])| Parameter {
            name: (*name).to_owned(),
            domain: Domain::Choice(vec![Param::Int(1), Param::Int(2)]),
            when: needs.iter().map(|other| ((*other).to_owned(), vec![Param::Float(1.0)])).collect(),
        };
        Space { parameters: parameters.iter().map(one).collect() }
    }

    fn order(parameters: &[(&str, &[&str])]) -> String {
        space(parameters).in_order().into_iter().map(|parameter| parameter.name.as_str()).collect()
    }

    #[test]
    fn a_parameter_stands_behind_those_it_needs_and_otherwise_where_it_stood() {
        assert_eq!(order(&[("a", &[]), ("b", &[]), ("c", &[])]), "abc");
        assert_eq!(order(&[("a", &["d"]), ("b", &[]), ("c", &["a"]), ("d", &[])]), "bdac");
        assert_eq!(order(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])]), "cba");
    }

    #[test]
    fn what_can_never_be_active_has_no_place() {
        assert_eq!(order(&[("a", &["a"]), ("b", &["x"]), ("c", &["d"]), ("d", &["c"]), ("e", &["d"]), ("f", &[])]), "f");
    }

    #[test]
    fn all_conditions_must_hold_and_one_is_one_point_zero() {
        let space = space(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]);
        let c = space.parameter("c").unwrap();
        let chosen = |a, b| Params::from([("a".to_owned(), Param::Int(a)), ("b".to_owned(), Param::Int(b))]);
        assert!(c.is_active(&chosen(1, 1)));
        assert!(!c.is_active(&chosen(1, 2)));
        assert!(!c.is_active(&Params::from([("a".to_owned(), Param::Int(1))])));
    }
}
