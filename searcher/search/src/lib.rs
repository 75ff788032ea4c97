//! Which configurations are tried, and how far each is trained.
//!
//! The crate decides and does nothing: no clock, no files, no environment, no thread. The same sweep with the same
//! results in the same order gives the same decisions on every machine, in the searcher, in a rebuilt ledger and in a
//! simulation.

mod check;
mod domain;
mod grid;
mod ladder;
mod method;
mod promotion;
mod sampler;
mod space;

pub use check::{Fault, RESERVED_NAMES, SpaceMistake};
pub use domain::Domain;
pub use grid::GridError;
pub use ladder::{Bound, Bracket, Ladder, LadderError, MAX_TRIALS, Rung};
pub use method::{Counts, Method, MethodMistake, Spec};
pub use promotion::promote;
pub use sampler::{configuration, trial_seed};
pub use space::{Parameter, Space};
