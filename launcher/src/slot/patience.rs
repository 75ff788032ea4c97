//! What a slot does when the disk is full: it waits, and tries again. What a trial has computed is worth more than the
//! time until somebody makes room.

use std::time::Duration;

use crate::say::say;
use bandmaster_journal::FileError;
use tokio::time::sleep;

/// The pauses between two tries, the last one again and again.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// The state of waiting for room on the disk.
#[derive(Debug, Default)]
pub(super) struct Patience {
    pause: Option<Duration>,
}

impl Patience {
    /// How long to wait after this error, said once on stderr; the error itself where waiting does not help.
    pub(super) fn wait(&mut self, error: FileError) -> Result<Duration, FileError> {
        if !error.is_full() {
            return Err(error);
        }
        let pause = match self.pause {
            None => {
                say(format_args!("{error}; waiting for room, nothing is lost"));
                FIRST
            }
            Some(pause) => (pause * 2).min(LONGEST),
        };
        self.pause = Some(pause);
        Ok(pause)
    }

    /// Whether room is waited for.
    pub(super) fn is_waiting(&self) -> bool {
        self.pause.is_some()
    }

    /// There is room again.
    pub(super) fn end(&mut self) {
        if self.pause.take().is_some() {
            say("there is room again");
        }
    }

    /// Does it, however long the disk is full.
    pub(super) async fn until<T>(&mut self, mut act: impl FnMut() -> Result<T, FileError>) -> Result<T, FileError> {
        loop {
            match act() {
                Ok(done) => {
                    self.end();
                    return Ok(done);
                }
                Err(error) => sleep(self.wait(error)?).await,
            }
        }
    }
}
