//! The sweep as the record of its submission holds it.

use bandmaster_search::{Bracket, Ladder};
use serde_json::{Value, json};

use super::sweep::SweepFile;

impl SweepFile {
    /// What `SweepSubmitted` records and the ledger reads: name, search, how trials run in `directory`, the plan.
    pub fn to_spec_json(&self, directory: &str) -> Value {
        json!({
            "name": self.name,
            "search": self.search,
            "trial": self.trial.to_settings(directory),
            "unit": self.unit,
            "metric": self.trial.metric,
            "goal": self.search.goal,
            "slurm": self.slurm,
            "checkpoint": self.checkpoint,
            "resources": self.resources,
            "plan": plan(&self.ladder),
        })
    }
}

/// The ladder's brackets, in the order in which trials are numbered.
fn plan(ladder: &Ladder) -> Vec<Value> {
    let bracket = |(index, bracket): (usize, &Bracket)| {
        json!({
            "bracket": index,
            "s": bracket.s,
            "repetition": bracket.repetition,
            "anchors": bracket.anchors,
            "first_trial": bracket.first_trial,
            "rungs": bracket.rungs,
        })
    };
    ladder.brackets.iter().enumerate().map(bracket).collect()
}
