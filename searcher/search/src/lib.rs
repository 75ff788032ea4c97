//! Which configurations are tried, and how far each is trained.
//!
//! The crate decides and does nothing: no clock, no files, no environment, no thread. The same sweep with the same
//! results in the same order gives the same decisions on every machine, in the searcher, in a rebuilt ledger and in a
//! simulation.

mod budget;
mod check;
mod decide;
mod domain;
mod fault;
mod grid;
mod ladder;
mod method;
mod promotion;
mod sampler;
mod space;
mod state;

pub use budget::{Budget, Cost, FRUITLESS, cost};
pub use check::RESERVED_NAMES;
pub use decide::{Layout, Site, decide, respond};
pub use domain::Domain;
pub use fault::{Fault, SpaceMistake};
pub use grid::GridError;
pub use ladder::{Bound, Bracket, Ladder, LadderError, MAX_TRIALS, Rung};
pub use method::{Counts, Method, MethodMistake, Spec};
pub use promotion::promote;
pub use sampler::{configuration, trial_seed};
pub use space::{Parameter, Space};
pub use state::{ArrayState, BracketState, Progress, Refused, RungState, SlotState, Stage, SweepState, TrialState};
