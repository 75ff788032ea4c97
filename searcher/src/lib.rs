//! Bandmaster: the service and the `bandmaster` command.
//!
//! The library beside the binary exists for tests and for the binary itself; it promises nothing to others.

pub mod campaignfile;
pub mod failure;
pub mod sweepfile;
