//! The agent: the process of ours beside a rank. It starts the trial, watches what it writes, stops it, and leaves
//! nothing of it behind. It decides nothing: what happens to an attempt is the slot's business.

mod memory;
mod pipe;
mod printed;
mod reap;
mod reports;
mod run;
mod staging;
mod trial;
mod watch;

pub use run::{AgentError, run};
