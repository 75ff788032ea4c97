//! Whole sweeps on a real Slurm cluster, disturbed in every way that a cluster knows.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests, which may fail where they stand")]

mod calls;
mod driven;
mod refusals;
mod storm;
mod sweep;
