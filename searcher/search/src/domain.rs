//! The values that one parameter may take: how many, which, and which one a draw means.

use bandmaster_record::Param;
use serde::{Deserialize, Serialize};

/// The values that a parameter may take. Both ends of a range belong to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Always the same.
    Constant(Param),
    /// Any number of a range, or every `step`-th from `low`, all equally likely.
    Uniform {
        /// The least.
        low: f64,
        /// The greatest; with a step, the last one at or below it.
        high: f64,
        /// From one value to the next; any number if there is none.
        #[serde(default)]
        step: Option<f64>,
    },
    /// Any number of a range, its logarithm uniform.
    LogUniform {
        /// The least, above 0.
        low: f64,
        /// The greatest.
        high: f64,
    },
    /// Every `step`-th whole number from `low`, all equally likely.
    Int {
        /// The least.
        low: i64,
        /// The greatest; with a step, the last one at or below it.
        high: i64,
        /// From one value to the next, 1 or more.
        step: i64,
    },
    /// Any whole number of a range, the smaller ones as much more likely as logarithms want.
    LogInt {
        /// The least, 1 or more.
        low: i64,
        /// The greatest.
        high: i64,
    },
    /// One of these, all equally likely.
    Choice(Vec<Param>),
}

/// Whether two values are the same to a person: 1 is 1.0.
pub(crate) fn same(a: &Param, b: &Param) -> bool {
    match (a, b) {
        (Param::Int(whole), Param::Float(float)) | (Param::Float(float), Param::Int(whole)) => as_whole(*float) == Some(*whole),
        _ => a == b,
    }
}

fn as_whole(float: f64) -> Option<i64> {
    // -2^63 and 2^63 are floats, i64::MAX is none.
    const END: f64 = -(i64::MIN as f64);
    (float.trunc() == float && (-END..END).contains(&float)).then_some(float as i64)
}

impl Domain {
    /// How many values there are; `None` where they are not counted, in a range without a step.
    pub fn points(&self) -> Option<u128> {
        match self {
            Self::Constant(_) => Some(1),
            Self::Uniform { step: None, .. } | Self::LogUniform { .. } => None,
            Self::Uniform { low, high, step: Some(step) } => Steps::of(*low, *high, *step).map(|steps| u128::from(steps.last) + 1),
            Self::Int { low, high, step } => Some(whole_steps(*low, *high) / whole_step(*step) + 1),
            Self::LogInt { low, high } => Some(whole_steps(*low, *high) + 1),
            Self::Choice(values) => Some(values.len() as u128),
        }
    }

    /// The value at an index below [`Domain::points`], counted from 0 in the order of the range or list.
    pub(crate) fn point(&self, index: u128) -> Option<Param> {
        if index >= self.points()? {
            return None;
        }
        match self {
            Self::Constant(value) => Some(value.clone()),
            Self::Uniform { step: None, .. } | Self::LogUniform { .. } => None,
            Self::Uniform { low, high, step: Some(step) } => {
                Steps::of(*low, *high, *step).map(|steps| Param::Float(steps.point(index as u64)))
            }
            Self::Int { low, step, .. } => Some(Param::Int((i128::from(*low) + (index * whole_step(*step)) as i128) as i64)),
            Self::LogInt { low, .. } => Some(Param::Int((i128::from(*low) + index as i128) as i64)),
            Self::Choice(values) => values.get(index as usize).cloned(),
        }
    }

    /// The index of a value; `None` if the parameter never takes it, or the values are not counted.
    pub(crate) fn index_of(&self, value: &Param) -> Option<u128> {
        match self {
            Self::Constant(only) => same(only, value).then_some(0),
            Self::Uniform { step: None, .. } | Self::LogUniform { .. } => None,
            Self::Uniform { low, step: Some(step), .. } => {
                let float = match *value {
                    Param::Float(float) => float,
                    Param::Int(whole) => whole as f64,
                    Param::Bool(_) | Param::Text(_) => return None,
                };
                let index = ((float - low) / step).round().max(0.0) as u64;
                self.point(index.into()).filter(|point| same(point, value)).map(|_| index.into())
            }
            Self::Int { low, high, .. } | Self::LogInt { low, high } => {
                let whole = match *value {
                    Param::Int(whole) => whole,
                    Param::Float(float) => as_whole(float)?,
                    Param::Bool(_) | Param::Text(_) => return None,
                };
                let step = if let Self::Int { step, .. } = self { whole_step(*step) } else { 1 };
                let above = whole_steps(*low, whole);
                ((*low..=*high).contains(&whole) && above.is_multiple_of(step)).then_some(above / step)
            }
            Self::Choice(values) => values.iter().position(|known| same(known, value)).map(|index| index as u128),
        }
    }

    /// The value that 64 random bits mean.
    ///
    /// A range that is upside down gives its low end; a checked one gives nothing outside it.
    pub(crate) fn draw(&self, bits: u64) -> Param {
        match *self {
            Self::Uniform { low, high, step: None } => Param::Float(between(low, high, unit(bits)).max(low).min(high)),
            Self::LogUniform { low, high } => {
                let drawn = libm::exp(between(libm::log(low), libm::log(high), unit(bits)));
                Param::Float(drawn.min(high).max(low))
            }
            Self::LogInt { low, high } => {
                // Each whole number takes the interval of half a step around it, so that the ends are not too rare.
                let drawn = libm::exp(between(libm::log(low as f64 - 0.5), libm::log(high as f64 + 0.5), unit(bits)));
                Param::Int((drawn.round() as i64).min(high).max(low))
            }
            Self::Uniform { low, step: Some(_), .. } => self.pick(bits).unwrap_or(Param::Float(low)),
            Self::Int { low, .. } => self.pick(bits).unwrap_or(Param::Int(low)),
            Self::Constant(ref value) => value.clone(),
            Self::Choice(_) => self.pick(bits).unwrap_or(Param::Bool(false)),
        }
    }

    /// One of the counted values. Of n values none is more likely than another by more than n / 2^64.
    fn pick(&self, bits: u64) -> Option<Param> {
        self.point((u128::from(bits) * self.points()?) >> 64)
    }
}

/// The 53 high bits as a number from 0 to below 1.
fn unit(bits: u64) -> f64 {
    const SPACING: f64 = 1.0 / (1_u64 << 53) as f64;
    (bits >> 11) as f64 * SPACING
}

/// Weighted instead of scaled, so that a range wider than the largest float does not overflow.
fn between(low: f64, high: f64, unit: f64) -> f64 {
    low * (1.0 - unit) + high * unit
}

fn whole_steps(low: i64, high: i64) -> u128 {
    (i128::from(high) - i128::from(low)).max(0) as u128
}

fn whole_step(step: i64) -> u128 {
    step.max(1) as u128
}

/// Equidistant floats.
pub(crate) struct Steps {
    low: f64,
    high: f64,
    step: f64,
    /// The index of the last one.
    last: u64,
    /// Whether the last one is the range's high end.
    ends_high: bool,
}

impl Steps {
    /// `None` where the ends and the step do not say which floats are meant, above all where the step is lost in the
    /// rounding of the ends.
    pub(crate) fn of(low: f64, high: f64, step: f64) -> Option<Self> {
        let quotient = (high - low) / step;
        // How far the quotient may be off because decimals such as 0.1 are not exact: (0.3 - 0.0) / 0.1 is below 3.
        let doubt = 2.0 * f64::EPSILON * (low.abs() / step + high.abs() / step + quotient);
        if !(step > 0.0 && quotient >= 0.0 && doubt < 0.125) {
            return None;
        }
        let last = (quotient + doubt).floor();
        Some(Self { low, high, step, last: last as u64, ends_high: (quotient - last).abs() <= doubt })
    }

    /// Whether the low end is the only one.
    pub(crate) fn is_single(&self) -> bool {
        self.last == 0
    }

    fn point(&self, index: u64) -> f64 {
        if index == self.last && self.ends_high {
            return self.high;
        }
        let above = index as f64 * self.step;
        tidy(self.low + above, self.low.abs() + above).max(self.low).min(self.high)
    }
}

/// The sum as a person would have written it, where that is within its rounding: 0.15, not 0.15000000000000002, since
/// it stands in commands and is compared with what conditions say.
fn tidy(sum: f64, scale: f64) -> f64 {
    let rounding = 2.0 * f64::EPSILON * scale;
    if sum.abs() <= rounding {
        return 0.0;
    }
    let written = format!("{sum:.14e}").parse().unwrap_or(sum);
    if (written - sum).abs() <= rounding { written } else { sum }
}

#[cfg(test)]
mod tests;
