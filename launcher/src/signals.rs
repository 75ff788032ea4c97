//! The signals that ask a slot or an agent to end. Their handlers do nothing but wake the loop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for TERM, INT, HUP, USR1 and USR2 from its creation on.
#[derive(Debug)]
pub struct Signals([(SignalKind, Signal); 5]);

impl Signals {
    /// Begins to listen. Must be called inside a runtime.
    pub fn listen() -> io::Result<Self> {
        let one = |kind| -> io::Result<(SignalKind, Signal)> { Ok((kind, signal(kind)?)) };
        Ok(Self([
            one(SignalKind::terminate())?,
            one(SignalKind::interrupt())?,
            one(SignalKind::hangup())?,
            one(SignalKind::user_defined1())?,
            one(SignalKind::user_defined2())?,
        ]))
    }

    /// The number of the next one. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> i32 {
        let [(term, a), (int, b), (hup, c), (usr1, d), (usr2, e)] = &mut self.0;
        let kind = tokio::select! {
            _ = a.recv() => term,
            _ = b.recv() => int,
            _ = c.recv() => hup,
            _ = d.recv() => usr1,
            _ = e.recv() => usr2,
        };
        kind.as_raw_value()
    }
}
