//! The signals that ask a slot or an agent to end. Their handlers do nothing but wake the loop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for TERM, INT, USR1 and USR2 from its creation on.
#[derive(Debug)]
pub struct Signals([(SignalKind, Signal); 4]);

impl Signals {
    /// Begins to listen. Must be called inside a runtime.
    pub fn listen() -> io::Result<Self> {
        let one = |kind| -> io::Result<(SignalKind, Signal)> { Ok((kind, signal(kind)?)) };
        Ok(Self([
            one(SignalKind::terminate())?,
            one(SignalKind::interrupt())?,
            one(SignalKind::user_defined1())?,
            one(SignalKind::user_defined2())?,
        ]))
    }

    /// The number of the next one. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> i32 {
        let [(term, a), (int, b), (usr1, c), (usr2, d)] = &mut self.0;
        let kind = tokio::select! {
            _ = a.recv() => term,
            _ = b.recv() => int,
            _ = c.recv() => usr1,
            _ = d.recv() => usr2,
        };
        kind.as_raw_value()
    }
}
