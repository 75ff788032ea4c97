//! Brackets and rungs: how many trials are trained how far.
//!
//! Hyperband as in Li et al., JMLR 18(185), Algorithm 1, in whole numbers throughout: levels are counted by
//! multiplication (the quotient of two logarithms is one too few for R = 243 and eta = 3), and so are trials.

use bandmaster_record::{Resource, TrialId};
use serde::{Deserialize, Serialize};

use crate::grid::{self, GridError};
use crate::{Counts, Method, MethodMistake, Space};

/// A sweep has at most so many trials.
pub const MAX_TRIALS: u32 = 1_000_000;

/// A sweep's brackets, the deepest first, repetition by repetition, the anchors last. Trials are numbered through them
/// in this order, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// The brackets.
    pub brackets: Vec<Bracket>,
}

/// Trials that are compared with each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bracket {
    /// How many times its trials are thinned out: the paper's s. It has s + 1 rungs.
    pub s: u32,
    /// Which repetition of the outer loop it belongs to, from 0.
    pub repetition: u32,
    /// Whether its trials are anchors, trained straight to R beside the search.
    pub anchors: bool,
    /// Its first trial; the others follow.
    pub first_trial: TrialId,
    /// Its rungs, the lowest first. Never empty.
    pub rungs: Vec<Rung>,
}

/// A resource at which a bracket's trials are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The resource that its trials reach.
    pub resource: Resource,
    /// How many trials the plan has there.
    pub trials: u32,
}

/// At most so much work, when no trial fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bound {
    /// Trials taken from one rung to the next.
    pub segments: u64,
    /// Resource when each segment begins from nothing, over all trials.
    pub from_scratch: u128,
    /// Resource when each segment goes on from the rung below.
    pub with_resume: u128,
}

/// Why there is no ladder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LadderError {
    /// Settings that cannot stand; never empty.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Method(Vec<MethodMistake>),
    /// More trials than a sweep may have.
    #[error("the method asks for {trials} trials and a sweep has at most {MAX_TRIALS}: {advice}")]
    TooMany {
        /// How many it asks for.
        trials: u128,
        /// What to change.
        advice: &'static str,
    },
    /// A grid without a definite size, or too large.
    #[error(transparent)]
    Grid(#[from] GridError),
}

impl Ladder {
    /// The brackets and rungs of a method; a grid's size is that of its space.
    pub fn of(method: &Method, space: &Space) -> Result<Self, LadderError> {
        let mistakes = method.mistakes();
        if !mistakes.is_empty() {
            return Err(LadderError::Method(mistakes));
        }
        let resource = method.max_resource();
        match *method {
            Method::Single { .. } => Ok(Self::flat(resource, 1)),
            Method::Grid { .. } => Ok(Self::flat(resource, grid::size(space, MAX_TRIALS)?)),
            Method::Random { trials, .. } if trials > MAX_TRIALS => {
                Err(LadderError::TooMany { trials: trials.into(), advice: "lower method.trials" })
            }
            Method::Random { trials, .. } => Ok(Self::flat(resource, trials)),
            Method::Hyperband { min_resource, eta, counts, repetitions, anchors, .. } => {
                Self::hyperband(resource, min_resource, eta, counts, repetitions, anchors)
            }
        }
    }

    /// One bracket with one rung.
    fn flat(resource: Resource, trials: u32) -> Self {
        let rungs = vec![Rung { resource, trials }];
        Self { brackets: vec![Bracket { s: 0, repetition: 0, anchors: false, first_trial: TrialId(0), rungs }] }
    }

    fn hyperband(max: Resource, min: Resource, eta: u32, counts: Counts, repetitions: u32, anchors: u32) -> Result<Self, LadderError> {
        let deepest = levels(max, min, eta);
        let sizes: Vec<(u32, u128)> = (0..=deepest).rev().map(|s| (s, first_rung(counts, deepest, s, eta))).collect();
        // Each is below 65 · 2^64 and there are at most 64, so that neither the sum nor the product overflows.
        let trials = sizes.iter().map(|(_, size)| size).sum::<u128>() * u128::from(repetitions) + u128::from(anchors);
        if trials > u128::from(MAX_TRIALS) {
            let advice = "raise min_resource or eta, or lower max_resource, repetitions or anchors";
            return Err(LadderError::TooMany { trials, advice });
        }
        let mut brackets = Vec::with_capacity(sizes.len() * repetitions as usize + 1);
        let mut next = 0;
        for repetition in 0..repetitions {
            for &(s, size) in &sizes {
                let size = size as u32;
                brackets.push(Bracket { s, repetition, anchors: false, first_trial: TrialId(next), rungs: rungs(max, eta, s, size) });
                next += size;
            }
        }
        if anchors > 0 {
            let rungs = vec![Rung { resource: max, trials: anchors }];
            brackets.push(Bracket { s: 0, repetition: 0, anchors: true, first_trial: TrialId(next), rungs });
        }
        Ok(Self { brackets })
    }

    /// How many trials there are; the last one's number is one less.
    pub fn trials(&self) -> u32 {
        self.brackets.last().map_or(0, |last| last.first_trial.0 + last.trials())
    }

    /// The place of the trial's bracket in `brackets`.
    pub fn bracket_of(&self, trial: TrialId) -> Option<u32> {
        let after = self.brackets.partition_point(|bracket| bracket.first_trial <= trial);
        let bracket = after.checked_sub(1)?;
        let known = self.brackets.get(bracket)?;
        (trial.0 - known.first_trial.0 < known.trials()).then_some(bracket as u32)
    }

    /// How much work it is at most, when no segment has to be tried again.
    pub fn bound(&self) -> Bound {
        self.brackets.iter().map(Bracket::bound).fold(Bound::default(), |sum, bound| Bound {
            segments: sum.segments + bound.segments,
            from_scratch: sum.from_scratch + bound.from_scratch,
            with_resume: sum.with_resume + bound.with_resume,
        })
    }
}

impl Bracket {
    /// How many trials it begins with.
    pub fn trials(&self) -> u32 {
        self.rungs.first().map_or(0, |rung| rung.trials)
    }

    /// How much work it is at most, when no segment has to be tried again.
    pub fn bound(&self) -> Bound {
        let mut bound = Bound::default();
        let mut reached = 0;
        for rung in &self.rungs {
            let (trials, resource) = (u128::from(rung.trials), u128::from(rung.resource.0));
            bound.segments += u64::from(rung.trials);
            bound.from_scratch += trials * resource;
            bound.with_resume += trials * (resource - reached);
            reached = resource;
        }
        bound
    }
}

/// The largest s with min · eta^s ≤ max.
fn levels(max: Resource, min: Resource, eta: u32) -> u32 {
    let mut s = 0;
    let mut reached = u128::from(min.0) * u128::from(eta);
    while reached <= u128::from(max.0) {
        reached *= u128::from(eta);
        s += 1;
    }
    s
}

/// How many trials the bracket s begins with.
fn first_rung(counts: Counts, deepest: u32, s: u32, eta: u32) -> u128 {
    let brackets = u128::from(deepest) + 1;
    let rungs = u128::from(s) + 1;
    let power = u128::from(eta).pow(s);
    match counts {
        Counts::Algorithm1 => (brackets * power).div_ceil(rungs),
        Counts::Table1 => brackets / rungs * power,
    }
}

/// The rungs of bracket s. All resources are at least the least one, since `levels` found room for s.
fn rungs(max: Resource, eta: u32, s: u32, trials: u32) -> Vec<Rung> {
    let eta = u64::from(eta);
    (0..=s).map(|rung| Rung { resource: Resource(max.0 / eta.pow(s - rung)), trials: (u64::from(trials) / eta.pow(rung)) as u32 }).collect()
}

#[cfg(test)]
mod tests;
