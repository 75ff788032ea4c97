//! sweep.toml: what a person writes, and everything that can be wrong with it.
//!
//! Reading never stops at the first mistake: each section is read to its end, each mistake keeps its place, and only a
//! file without any becomes a [`SweepFile`].

mod cluster;
mod command;
pub mod keys;
mod method;
mod mistake;
mod nearest;
mod objective;
mod parameter;
mod place;
mod quantity;
mod section;
mod source;
mod space;
mod spec;
mod sweep;
mod together;
mod trial;
mod value;

pub use cluster::{CheckpointSettings, SlurmSettings};
pub use mistake::{Mistake, WrongFile};
pub use place::{At, Place, Source};
pub use quantity::{clock, duration, memory};
pub use source::LARGEST_FILE;
pub use sweep::{Checked, Resources, SweepFile, TrialTemplate};

pub(crate) use cluster::{CheckpointSection, SlurmSection};
pub(crate) use mistake::Mistakes;
pub(crate) use section::Section;
pub(crate) use source::{read_bytes, source, table};
pub(crate) use sweep::sweep_name;
pub(crate) use trial::{TrialSection, read as read_trial};
