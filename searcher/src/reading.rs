//! What the commands share that read: opening the ledger, finding what was named, and turning rows into cells.

mod again;
mod ledger;
mod names;
mod params;
mod query;
mod waits;

pub use again::{Again, Training, quoted};
pub use ledger::{existing, open};
pub use names::{NameError, TrialName, sweep, trial};
pub use params::ParamColumns;
pub use query::{all, each, first};
pub(crate) use query::{failed, value};
pub use waits::{meaning, without_phase};
