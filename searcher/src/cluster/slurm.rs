//! Slots as tasks of Slurm's job arrays. Here is what is said to Slurm and how its answers are read.

pub mod call;
pub mod extra;
pub mod quote;
pub mod refusal;
pub mod sacct;
pub mod scancel;
pub mod scontrol;
pub mod script;
pub mod squeue;
pub mod state;
