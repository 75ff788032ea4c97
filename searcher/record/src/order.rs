//! The total order in which trials are compared: failed and NaN last, then the value, then the trial's number.
//!
//! No method states it and every method needs it: without it a promotion depends on the order of arrival.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{Number, TrialId};

/// Which values of the objective are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// Smaller is better.
    Minimize,
    /// Larger is better.
    Maximize,
}

/// How a trial stands at a rung: its result there, or `None` if it failed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The trial.
    pub trial: TrialId,
    /// Its result; `None` where its segment failed for good.
    pub value: Option<Number>,
}

impl Standing {
    /// 0 for a number (infinities count), 1 for NaN, 2 for a failure.
    fn class(&self) -> u8 {
        match self.value {
            Some(Number(v)) if !v.is_nan() => 0,
            Some(_) => 1,
            None => 2,
        }
    }
}

/// The total order, best first.
pub fn rank(goal: Goal, a: &Standing, b: &Standing) -> Ordering {
    let by_value = || match (a.value, b.value) {
        (Some(Number(x)), Some(Number(y))) if !x.is_nan() && !y.is_nan() => {
            // -0 and 0 are the same result; partial_cmp says so and is total without NaN.
            let order = x.partial_cmp(&y).unwrap_or(Ordering::Equal);
            match goal {
                Goal::Minimize => order,
                Goal::Maximize => order.reverse(),
            }
        }
        _ => Ordering::Equal,
    };
    a.class().cmp(&b.class()).then_with(by_value).then_with(|| a.trial.cmp(&b.trial))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(trial: u32, value: Option<f64>) -> Standing {
        Standing { trial: TrialId(trial), value: value.map(Number) }
    }

    #[test]
    fn failed_last_then_nan_then_value_then_trial() {
        let mut all = [
            standing(0, None),
            standing(1, Some(f64::NAN)),
            standing(2, Some(1.0)),
            standing(3, Some(0.5)),
            standing(4, Some(1.0)),
            standing(5, Some(f64::INFINITY)),
            standing(6, Some(f64::NEG_INFINITY)),
        ];
        all.sort_by(|a, b| rank(Goal::Minimize, a, b));
        assert_eq!(all.map(|s| s.trial.0), [6, 3, 2, 4, 5, 1, 0]);
        all.sort_by(|a, b| rank(Goal::Maximize, a, b));
        assert_eq!(all.map(|s| s.trial.0), [5, 2, 4, 3, 6, 1, 0]);
    }

    #[test]
    fn minus_zero_ties_with_zero() {
        assert_eq!(rank(Goal::Minimize, &standing(0, Some(0.0)), &standing(1, Some(-0.0))), Ordering::Less);
        assert_eq!(rank(Goal::Minimize, &standing(1, Some(0.0)), &standing(0, Some(-0.0))), Ordering::Greater);
    }
}
