//! What a sweep varies: from `BANDMASTER_PARAMS`, from flags, or from the defaults here.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Error;

/// One configuration. A name that is not here is an error, so that no sweep varies something that has no effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Hyperparameters {
    /// The highest learning rate.
    pub(crate) lr: f64,
    /// How much of the last step is kept.
    pub(crate) momentum: f64,
    /// The penalty on large parameters.
    pub(crate) weight_decay: f64,
    /// Units in a hidden layer.
    pub(crate) hidden: usize,
    /// Hidden layers.
    pub(crate) layers: usize,
    /// Samples in a mini-batch.
    pub(crate) batch: usize,
    /// The probability that a hidden activation is dropped.
    pub(crate) dropout: f64,
    /// Epochs until the learning rate is at its highest.
    pub(crate) warmup: u64,
}

impl Default for Hyperparameters {
    fn default() -> Self {
        Self { lr: 0.1, momentum: 0.9, weight_decay: 1e-4, hidden: 64, layers: 1, batch: 32, dropout: 0.0, warmup: 2 }
    }
}

/// The same as flags. A flag that is given wins over the parameter file.
#[derive(Debug, Default, Serialize, clap::Args)]
#[command(next_help_heading = "Hyperparameters (each wins over the parameter file)")]
pub(crate) struct Flags {
    /// Highest learning rate [default: 0.1]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    lr: Option<f64>,
    /// How much of the last step is kept [default: 0.9]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    momentum: Option<f64>,
    /// Penalty on large parameters [default: 0.0001]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_decay: Option<f64>,
    /// Units in a hidden layer [default: 64]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<usize>,
    /// Hidden layers [default: 1]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<usize>,
    /// Samples in a mini-batch [default: 32]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    /// Probability that a hidden activation is dropped [default: 0]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    dropout: Option<f64>,
    /// Epochs until the learning rate is at its highest [default: 2]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    warmup: Option<u64>,
}

impl Hyperparameters {
    /// The defaults, overruled by the file (a JSON object), overruled by the flags.
    pub(crate) fn gather(file: Option<&Path>, flags: &Flags) -> Result<Self, Error> {
        let from = file.map_or_else(|| "the flags".to_owned(), |path| path.display().to_string());
        let wrong = |why: String| Error::Hyperparameters { from: from.clone(), why };
        let mut values: Map<String, Value> = match file {
            Some(path) => {
                let text = fs::read_to_string(path).map_err(Error::file("read the parameter file", path))?;
                serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?
            }
            None => Map::new(),
        };
        if let Ok(Value::Object(given)) = serde_json::to_value(flags) {
            values.extend(given);
        }
        let gathered: Self = serde_json::from_value(Value::Object(values)).map_err(|error| wrong(error.to_string()))?;
        gathered.check().map_err(wrong)?;
        Ok(gathered)
    }

    fn check(&self) -> Result<(), String> {
        let rules = [
            (self.lr > 0.0 && self.lr.is_finite(), "lr must be greater than 0"),
            ((0.0..1.0).contains(&self.momentum), "momentum must be at least 0 and less than 1"),
            (self.weight_decay >= 0.0 && self.weight_decay.is_finite(), "weight_decay must be at least 0"),
            ((1..=4096).contains(&self.hidden), "hidden must be 1 to 4096"),
            ((1..=16).contains(&self.layers), "layers must be 1 to 16"),
            (self.batch >= 1, "batch must be at least 1"),
            ((0.0..1.0).contains(&self.dropout), "dropout must be at least 0 and less than 1"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(format!("{rule}; they are {self:?}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(json: &str, flags: &Flags) -> Result<Hyperparameters, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), json).unwrap();
        Hyperparameters::gather(Some(file.path()), flags)
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_defaults() {
        let flags = Flags { hidden: Some(5), ..Flags::default() };
        let gathered = gather(r#"{"lr": 1e-3, "hidden": 99}"#, &flags).unwrap();
        assert_eq!(gathered, Hyperparameters { lr: 1e-3, hidden: 5, ..Hyperparameters::default() });
    }

    #[test]
    fn a_name_without_effect_is_an_error() {
        let error = gather(r#"{"learning_rate": 0.1}"#, &Flags::default()).unwrap_err().to_string();
        assert!(error.contains("unknown field `learning_rate`"), "{error}");
    }

    #[test]
    fn values_out_of_range_are_errors() {
        for bad in [r#"{"lr": 0}"#, r#"{"momentum": 1}"#, r#"{"batch": 0}"#, r#"{"dropout": 1.0}"#, r#"{"hidden": -3}"#, "[]"] {
            assert!(gather(bad, &Flags::default()).is_err(), "{bad}");
        }
    }
}
