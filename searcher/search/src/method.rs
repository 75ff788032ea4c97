//! What a sweep searches, and by which method: all that its decisions depend on, beside the results.

use bandmaster_record::{Goal, Resource};
use serde::{Deserialize, Serialize};

use crate::{Ladder, LadderError, Space};

/// All that decides which trials a sweep has, frozen at its submission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// What every random draw begins from.
    pub seed: u64,
    /// Which results are better.
    pub goal: Goal,
    /// How configurations are compared.
    pub method: Method,
    /// Where they are taken from.
    pub space: Space,
    /// How often a segment is tried again after a failure that is its own.
    pub retries: u32,
}

impl Spec {
    /// The brackets and rungs of this sweep.
    pub fn ladder(&self) -> Result<Ladder, LadderError> {
        Ladder::of(&self.method, &self.space)
    }
}

/// Which number of trials a bracket begins with: the paper contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Counts {
    /// ceil((s_max + 1) / (s + 1) · eta^s): Algorithm 1 of Li et al., JMLR 18(185).
    #[default]
    #[serde(rename = "algorithm-1")]
    Algorithm1,
    /// floor((s_max + 1) / (s + 1)) · eta^s: what its Table 1 shows.
    #[serde(rename = "table-1")]
    Table1,
}

/// How trials are compared, and by how much each is trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Method {
    /// One trial: the constants, and one draw of whatever is not constant.
    Single {
        /// What it is trained by.
        max_resource: Resource,
    },
    /// Every configuration of the space, each trained fully.
    Grid {
        /// What each trial is trained by.
        max_resource: Resource,
    },
    /// Random configurations, each trained fully.
    Random {
        /// What each trial is trained by.
        max_resource: Resource,
        /// How many.
        trials: u32,
    },
    /// Hyperband: random configurations in brackets of successive halving.
    Hyperband {
        /// R: what the best trials are trained by in the end.
        max_resource: Resource,
        /// The least that a rung trains by. The deepest bracket has as many rungs as fit between the two.
        min_resource: Resource,
        /// One of how many is kept at each rung; the resource grows by as much.
        eta: u32,
        /// How many trials the brackets begin with.
        counts: Counts,
        /// How often the whole is done, each time with new configurations.
        repetitions: u32,
        /// Additional trials that are trained straight to R, outside the brackets: they tell whether early rungs rank
        /// as full training does.
        anchors: u32,
    },
}

/// A setting of the method that cannot stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("method.{key} is {found}: {why}")]
pub struct MethodMistake {
    /// The key in `[method]`.
    pub key: &'static str,
    /// Its value.
    pub found: u64,
    /// What is wrong, and what to write instead.
    pub why: String,
}

impl Method {
    /// The final R, that schedules end at.
    pub fn max_resource(&self) -> Resource {
        match *self {
            Self::Single { max_resource }
            | Self::Grid { max_resource }
            | Self::Random { max_resource, .. }
            | Self::Hyperband { max_resource, .. } => max_resource,
        }
    }

    /// All settings that cannot stand.
    pub fn mistakes(&self) -> Vec<MethodMistake> {
        let mut found = Vec::new();
        let mut at_least = |key, value: u64, least: u64, why: &str| {
            if value < least {
                found.push(MethodMistake { key, found: value, why: why.to_owned() });
            }
        };
        let Resource(max) = self.max_resource();
        at_least("max_resource", max, 1, "nothing would be trained; write 1 or more");
        match *self {
            Self::Single { .. } | Self::Grid { .. } => {}
            Self::Random { trials, .. } => at_least("trials", trials.into(), 1, "nothing would be tried; write 1 or more"),
            Self::Hyperband { min_resource: Resource(min), eta, repetitions, .. } => {
                at_least("min_resource", min, 1, "a rung without training has no result; write 1 or more");
                at_least("eta", eta.into(), 2, "each rung must keep fewer trials than it has; write 2 or more, 3 is usual");
                at_least("repetitions", repetitions.into(), 1, "nothing would be tried; write 1 or more");
                if max > 0 && min > max {
                    let why = format!("it is above max_resource, which is {max}; write at most that");
                    found.push(MethodMistake { key: "min_resource", found: min, why });
                }
            }
        }
        found
    }
}
