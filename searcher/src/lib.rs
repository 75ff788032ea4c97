//! Bandmaster: the service and the `bandmaster` command.
//!
//! The library beside the binary exists for tests and for the binary itself; it promises nothing to others.

pub mod binaries;
pub mod campaignfile;
pub mod cli;
pub mod cluster;
pub mod commands;
mod crash;
pub mod drive;
pub mod ending;
pub mod failure;
pub mod live;
pub mod look;
pub mod open;
pub mod output;
pub mod plan;
pub mod progress;
pub mod reading;
pub mod select;
pub mod submit;
pub mod sweepfile;
pub mod tick;

#[cfg(test)]
mod fixture;

pub use crash::CRASH_POINTS;
