//! sweep.toml from the outside: what is said about it, what is planned from it, what its documentation promises.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests, which may fail where they stand")]

mod any_bytes;
mod check;
mod docs;
mod new;
mod plan;
mod rules;
