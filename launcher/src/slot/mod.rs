//! The slot: one task of an array. It has a journal of its own, takes segments one after another, has its agent run
//! them, and writes down what became of each.

mod agent;
mod attempt;
mod journal;
mod lost;
mod offers;
mod patience;
mod prepare;
mod publication;
mod reserved;
mod run;
mod scheduler;
mod wanted;

pub use run::{Options, STOPPED, run};
