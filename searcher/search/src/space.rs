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
