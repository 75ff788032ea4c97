//! What the launcher knows of Slurm: how a step is started, what it tells about a job, and what follows from it. Nothing
//! here depends on one of its releases: what is missing or unknown in an answer is taken for not said.

pub mod ask;
pub mod job;
pub mod limit;
pub mod step;
pub mod why;
