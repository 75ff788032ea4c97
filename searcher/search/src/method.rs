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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Domain, Parameter};
    use bandmaster_record::Param;
    use proptest::prelude::*;

    fn hyperband(max: u64, min: u64, eta: u32, repetitions: u32) -> Method {
        Method::Hyperband {
            max_resource: Resource(max),
            min_resource: Resource(min),
            eta,
            counts: Counts::Algorithm1,
            repetitions,
            anchors: 0,
        }
    }

    #[test]
    fn every_setting_that_cannot_stand_is_reported() {
        let keys = |method: &Method| method.mistakes().into_iter().map(|mistake| mistake.key).collect::<Vec<_>>();
        assert_eq!(keys(&hyperband(0, 0, 1, 0)), ["max_resource", "min_resource", "eta", "repetitions"]);
        assert_eq!(keys(&hyperband(27, 28, 3, 1)), ["min_resource"]);
        assert_eq!(keys(&hyperband(27, 27, 3, 1)), [""; 0]);
        assert_eq!(keys(&Method::Random { max_resource: Resource(1), trials: 0 }), ["trials"]);
        assert_eq!(keys(&Method::Single { max_resource: Resource(0) }), ["max_resource"]);
        assert_eq!(
            hyperband(27, 28, 3, 1).mistakes()[0].to_string(),
            "method.min_resource is 28: it is above max_resource, which is 27; write at most that"
        );
    }

    #[test]
    fn the_frozen_form_stays_readable() {
        // What a journal of the first version holds must be read by all later ones.
        let text = r#"{"seed":7,"goal":"minimize","method":{"kind":"hyperband","max_resource":27,"min_resource":1,"eta":3,
            "counts":"table-1","repetitions":1,"anchors":2},"space":{"parameters":[
            {"name":"lr","domain":{"log_uniform":{"low":0.0001,"high":1.0}}},
            {"name":"layers","domain":{"int":{"low":1,"high":3,"step":1}}},
            {"name":"hidden","domain":{"log_int":{"low":16,"high":256}}},
            {"name":"batch","domain":{"choice":[16,"all",true,0.5]}},
            {"name":"warmup","domain":{"constant":2}},
            {"name":"dropout","domain":{"uniform":{"low":0.0,"high":0.5,"step":0.05}},"when":{"layers":[2,3]}}]},"retries":2}"#;
        let spec: Spec = serde_json::from_str(text).unwrap();
        assert!(matches!(spec.method, Method::Hyperband { counts: Counts::Table1, anchors: 2, .. }));
        assert_eq!(spec.space.parameters[5].when["layers"], [Param::Int(2), Param::Int(3)]);
        let again = serde_json::to_value(&spec).unwrap();
        assert_eq!(
            again["space"]["parameters"][0],
            serde_json::json!({"name": "lr", "domain": {"log_uniform": {"low": 1e-4, "high": 1.0}}})
        );
        assert_eq!(serde_json::from_value::<Spec>(again).unwrap(), spec);
    }

    proptest! {
        #[test]
        fn a_spec_comes_back_from_json_to_the_bit(seed: u64, low in any::<f64>(), high in any::<f64>()) {
            prop_assume!(low.is_finite() && high.is_finite());
            let domain = Domain::Uniform { low, high, step: None };
            let parameters = vec![Parameter { name: "x".into(), domain, when: [("y".to_owned(), vec![Param::Float(low)])].into() }];
            let method = Method::Single { max_resource: Resource(seed) };
            let spec = Spec { seed, goal: Goal::Maximize, method, space: Space { parameters }, retries: 0 };
            let again: Spec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
            prop_assert_eq!(&again, &spec);
            let Domain::Uniform { low: again, .. } = again.space.parameters[0].domain else { unreachable!("it was one") };
            prop_assert_eq!(again.to_bits(), low.to_bits());
        }
    }
}
