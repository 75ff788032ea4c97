//! Real slots, agents and trials, each a process of its own.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests, which may fail where they stand")]

mod checkpoints;
mod contract;
#[cfg(feature = "failpoints")]
mod crash;
mod deaths;
mod full_disk;
mod memory;
mod slots;
mod stops;
mod trials;
mod world;
