//! Checkpoints: how one is taken from the trial, published, and found again.
//!
//! A trial fills a directory on the shared file system and renames it to `<resource>.ready`. The agent hashes its files
//! and brings them to disk; the slot, alone, writes the manifest and renames the directory to its final name, which says
//! the resource and the grant. Nothing but what verifies against its manifest is ever resumed.

pub mod choose;
pub mod interval;
pub mod manifest;
pub mod publish;
pub mod staging;
pub mod tree;
