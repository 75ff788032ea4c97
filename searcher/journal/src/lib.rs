//! Bandmaster's files on a shared file system.
//!
//! Every process of a campaign, on whatever node, meets the others only here: in journals with one writer each, in
//! files that are created once, and in the lease. This crate knows how such files are written so that a crash at any
//! instruction, a full disk, a stale cache or a process that slept for an hour can neither lose nor double what was
//! acknowledged. It does not know what the records mean.

mod crash;
mod error;
mod host;
mod layout;
mod lease;
mod modes;
mod names;
mod once;
mod reader;
mod safety;
mod seal;
mod watch;
mod writer;

pub use crash::{CRASH_POINTS, arm_crash_points, crash_point, crash_points_in};
pub use error::{Damage, DamageKind, FileError, JournalError};
pub use host::{Identity, boottime, nonce, now};
pub use layout::{Campaign, SweepDir};
pub use lease::{HeldBy, Lease, Taken};
pub use modes::{make_dir, make_dirs, open_log};
pub use names::{names, names_between};
pub use once::{Created, create_once, publish, rename, sync_dir, write_new, write_stage};
pub use reader::{Batch, Cursor, JournalReader, read_from};
pub use safety::{check_campaign, check_owned, read_owned};
pub use seal::{Counted, Counts, sealing_map};
pub use writer::JournalWriter;
