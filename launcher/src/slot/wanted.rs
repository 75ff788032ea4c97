//! The file that says "there is something to observe", and the tick that a slot starts when nobody takes it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bandmaster_journal::{Campaign, crash_point};
use bandmaster_record::SlotId;
use tokio::time::Instant;

use crate::say::say;
use crate::spawn::detached;

/// How long others have to take the file.
const TAKEN_WITHIN: Duration = Duration::from_millis(300);

/// Ticks are not started more often.
const BETWEEN_TICKS: Duration = Duration::from_secs(2);

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

    fn reap(&mut self) {
        if self.tick.as_mut().is_some_and(|tick| !matches!(tick.try_wait(), Ok(None))) {
            self.tick = None;
        }
    }
}
