//! How long a lease's file has not changed, as this host saw it.
//!
//! A host cannot ask whether a process on another one lives. It notes what it saw and when, by its own clock since boot,
//! and looks again at its next tick: the clocks of two hosts are never compared.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bandmaster_record::{Epoch, Host, checked_name};
use serde::{Deserialize, Serialize};

use crate::{Campaign, FileError, boottime, host, publish};

/// `searcher/seen/<host>`: what this host saw of the lease.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    v: u32,
    /// Of the kernel whose clock this is.
    boot_id: String,
    /// The lease.
    epoch: Epoch,
    /// BLAKE3 of its content, in hex.
    hash: String,
    /// Milliseconds after boot when it was first seen so.
    since: u64,
}

/// This host's view.
#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    stage: PathBuf,
    boot_id: String,
}

impl Watch {
    pub(crate) fn of(campaign: &Campaign, host: &Host) -> Result<Self, FileError> {
        // Whatever a host's name may hold must not leave the directory.
        let name = match checked_name("host", &host.name) {
            Ok(()) => host.name.clone(),
            Err(_) => blake3::hash(host.name.as_bytes()).to_hex().to_string(),
        };
        let path = campaign.seen().join(&name);
        // Several ticks of this host may note the same at once.
        let stage = campaign.seen().join(format!(".{name}.{}", std::process::id()));
        let boot_id = host::kernel_boot_id().map_err(|error| FileError::new("read", "/proc/sys/kernel/random/boot_id", error))?;
        Ok(Self { path, stage, boot_id })
    }

    /// How long that lease has had that content, as far as this host saw. Remembers it, if it is new.
    pub(crate) fn silent_for(&self, epoch: Epoch, content: &[u8]) -> Result<Duration, FileError> {
        let now = boottime();
        let since = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let seen = Seen { v: 1, boot_id: self.boot_id.clone(), epoch, hash: blake3::hash(content).to_hex().to_string(), since };
        let known = match fs::read(&self.path) {
            Ok(known) => serde_json::from_slice::<Seen>(&known).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(FileError::new("read", &self.path, error)),
        };
        let same = |known: &Seen| (known.v, &known.boot_id, known.epoch, &known.hash) == (seen.v, &seen.boot_id, seen.epoch, &seen.hash);
        // A time that is still to come is not this clock's.
        if let Some(known) = known.filter(|known| same(known) && known.since <= since) {
            return Ok(now.saturating_sub(Duration::from_millis(known.since)));
        }
        let bytes = serde_json::to_vec(&seen).map_err(|error| FileError::new("encode a line for", &self.path, error.into()))?;
        publish(&self.path, &self.stage, &bytes)?;
        Ok(Duration::ZERO)
    }
}
