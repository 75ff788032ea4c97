//! Wakes the agent when a trial wrote something: inotify where the kernel grants it, a slow poll beside it in any case.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

/// How often is looked in any case: events can be lost, and some file systems send none.
const POLL: Duration = Duration::from_secs(1);

/// How often is looked where there is no inotify: a user may have only so many.
const POLL_ALONE: Duration = Duration::from_millis(100);

/// An inotify instance that a runtime can wait for.
#[derive(Debug)]
struct Fd(Inotify);

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// The agent's one watch.
#[derive(Debug)]
pub(super) struct Watch(Option<AsyncFd<Fd>>);

impl Watch {
    #[expect(unsafe_code, reason = "AsyncFd::register wants a promise about the descriptor")]
    pub(super) fn new() -> Self {
        let Ok(inotify) = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC) else { return Self(None) };
        // SAFETY: the descriptor is the instance's own, open as long as the instance is, and always the same.
        Self(unsafe { AsyncFd::register(Fd(inotify)) }.ok())
    }

    /// Watches a directory, until it is removed, for files that are written and for what is renamed into it.
    pub(super) fn add(&mut self, dir: &Path) {
        let flags = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO;
        if self.0.as_ref().is_some_and(|fd| fd.get_ref().0.add_watch(dir, flags).is_err()) {
            self.0 = None;
        }
    }

    /// How often to look in any case.
    pub(super) fn poll(&self) -> Duration {
        if self.0.is_some() { POLL } else { POLL_ALONE }
    }

    /// Returns when something happened. Nothing is lost when the future is dropped.
    pub(super) async fn changed(&mut self) {
        let Some(fd) = &mut self.0 else { return std::future::pending().await };
        match fd.readable_mut().await {
            Ok(mut ready) => {
                // What happened does not matter: all is looked at. What cannot be read now tells nothing either.
                while ready.get_inner().0.read_events().is_ok() {}
                ready.clear_ready();
            }
            Err(_) => self.0 = None,
        }
    }
}
