//! Bandmaster's launcher: what runs inside an allocation.
//!
//! The **slot** is the process that the cluster starts. It owns a journal, takes segments, decides which checkpoint is
//! resumed and which is published, and knows every attempt's fate. Its **agents**, one beside each rank, start the trial
//! as their child, watch what it writes, stop and kill it, and reap whatever it leaves behind. The two speak lines of
//! JSON over a pipe, so that an agent may as well be the task of a step on another node. The launcher knows no MPI.

pub mod agent;
pub mod checkpoint;
pub mod cli;
pub mod contract;
pub mod crash;
pub mod failure;
pub mod mask;
pub mod report;
pub mod say;
pub mod segment;
pub mod signals;
pub mod slot;
pub mod slurm;
pub mod spawn;
pub mod surroundings;
pub mod wire;

pub use crash::CRASH_POINTS;
