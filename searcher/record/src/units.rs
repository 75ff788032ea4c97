//! Quantities that are easy to confuse when they are bare numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a trial has been trained by since its beginning: epochs, steps, samples, seconds. Always absolute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resource(pub u64);

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A span of time in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

/// A point in time as a wall clock showed it: milliseconds since 1970 in UTC. For people; no decision compares the
/// clocks of two hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From this point to a later one.
    pub fn until(self, later: Timestamp) -> Seconds {
        Seconds((later.0 - self.0) as f64 / 1000.0)
    }
}
