//! The file that says "there is something to observe", and the tick that a slot starts when nobody takes it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bandmaster_journal::{Campaign, crash_point};
use bandmaster_record::SlotId;
use tokio::time::{Instant, sleep};

use crate::say::say;
use crate::spawn::detached;

/// How long others have to take the file.
const TAKEN_WITHIN: Duration = Duration::from_millis(300);

/// Ticks are not started more often.
const BETWEEN_TICKS: Duration = Duration::from_secs(2);

/// How often is looked whether a tick has ended.
const LOOK: Duration = Duration::from_millis(20);

/// The exit code of a tick that found another one at work.
const HELD: i32 = 6;

/// This slot's file in `wanted/`.
#[derive(Debug)]
pub(super) struct Wanted {
    path: PathBuf,
    campaign: PathBuf,
    /// The `bandmaster` to start.
    searcher: Option<String>,
    /// When to look whether the file is still there.
    check_at: Option<Instant>,
    last_tick: Option<Instant>,
    tick: Option<Child>,
}

impl Wanted {
    pub(super) fn new(campaign: &Campaign, slot: &SlotId, searcher: Option<&str>) -> Self {
        Self {
            path: campaign.wanted().join(slot.as_str()),
            campaign: campaign.root().to_owned(),
            searcher: searcher.map(str::to_owned),
            check_at: None,
            last_tick: None,
            tick: None,
        }
    }

    /// Leaves the file. One that cannot be left now, on a full disk, is tried again when it is looked for.
    pub(super) fn leave(&mut self) {
        crash_point("launch.wanted");
        // Emptied and made anew: a tick that has it open already still finds a later one.
        let _ = File::create(&self.path);
        crash_point("launch.wanted.left");
        self.check_at = Some(Instant::now() + TAKEN_WITHIN);
    }

    /// When [`Wanted::check`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.check_at
    }

    /// Starts a tick if the file was left a while ago and is still there.
    pub(super) fn check(&mut self) {
        let now = Instant::now();
        if self.check_at.is_none_or(|at| now < at) {
            return;
        }
        self.reap();
        if self.searcher.is_none() || !self.path.exists() {
            self.check_at = None;
            return;
        }
        let next = self.last_tick.map(|last| last + BETWEEN_TICKS).filter(|next| *next > now);
        match next {
            Some(next) => self.check_at = Some(next),
            None => {
                self.start_tick();
                self.check_at = Some(now + BETWEEN_TICKS);
            }
        }
    }

    /// Starts a tick now, whether somebody took the file or not; it outlives the slot.
    pub(super) fn start_tick(&mut self) {
        self.reap();
        let Some(searcher) = &self.searcher else { return };
        if self.tick.is_some() {
            return;
        }
        let mut command = Command::new(searcher);
        command.arg("tick").arg("--campaign").arg(&self.campaign);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        detached(&mut command);
        crash_point("launch.tick.spawn");
        match command.spawn() {
            Ok(child) => self.tick = Some(child),
            Err(error) => say(format_args!("cannot start {searcher} for a tick: {error}")),
        }
        crash_point("launch.tick.spawned");
        self.last_tick = Some(Instant::now());
    }

    /// Waits for a tick that runs, and kills it when it takes longer than `patience`: what it leaves undone, the next one
    /// does.
    pub(super) async fn finish_tick(&mut self, patience: Duration) {
        let began = Instant::now();
        loop {
            self.reap();
            let Some(tick) = &mut self.tick else { return };
            if began.elapsed() >= patience {
                say(format_args!("the tick that it started is killed: it has not ended within {} s", patience.as_secs_f64()));
                let _ = tick.kill();
                let _ = tick.wait();
                self.tick = None;
                return;
            }
            sleep(LOOK).await;
        }
    }

    /// That a tick failed is no matter of the slot: there are others.
    fn reap(&mut self) {
        let Some(tick) = &mut self.tick else { return };
        match tick.try_wait() {
            Ok(None) => return,
            Ok(Some(status)) if status.success() || status.code() == Some(HELD) => {}
            Ok(Some(status)) => say(format_args!("the tick that it started ended with {status}")),
            Err(error) => say(format_args!("the tick that it started cannot be waited for: {error}")),
        }
        self.tick = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn with_searcher(dir: &std::path::Path, script: &str) -> Wanted {
        let searcher = dir.join("searcher");
        fs::write(&searcher, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&searcher, fs::Permissions::from_mode(0o755)).unwrap();
        let slot = SlotId::new("1_0.x").unwrap();
        Wanted::new(&Campaign::at(dir), &slot, Some(searcher.to_str().unwrap()))
    }

    #[tokio::test]
    async fn a_tick_is_waited_for_and_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let mut wanted = with_searcher(dir.path(), &format!("sleep 0.1; echo > {}/ticked", dir.path().display()));
        wanted.start_tick();
        wanted.finish_tick(Duration::from_secs(20)).await;
        assert!(dir.path().join("ticked").exists() && wanted.tick.is_none());
        let mut wanted = with_searcher(dir.path(), "exec sleep 100");
        wanted.start_tick();
        let pid = wanted.tick.as_ref().unwrap().id();
        wanted.finish_tick(Duration::from_millis(50)).await;
        assert!(wanted.tick.is_none() && !std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
