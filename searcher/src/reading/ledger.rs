//! Opening the ledger for a person: up to date, with a word on how fresh it is.

use std::io::{IsTerminal, Write, stderr};
use std::time::SystemTime;

use bandmaster_journal::Campaign;
use bandmaster_ledger::Reader;

use crate::failure::{Failure, FailureKind};

/// The campaign's ledger with all that is recorded beyond it. Says at a terminal how old it is, and always which
/// journals could not be read to their end.
///
/// # Errors
/// There is no campaign, or no ledger that this version can read.
pub fn open(campaign: &Campaign) -> Result<Reader, Failure> {
    existing(campaign)?;
    let reader = Reader::open(campaign)?;
    let freshness = reader.freshness();
    let mut talk = stderr();
    if talk.is_terminal() || freshness.is_behind {
        // Nobody who listens there is no error.
        let _ = writeln!(talk, "{}", freshness.sentence(SystemTime::now()));
    }
    for damage in &freshness.damaged {
        let _ = writeln!(talk, "warning: {damage}; what stands behind it is not shown");
    }
    Ok(reader)
}

/// Refuses a directory that is no campaign.
pub fn existing(campaign: &Campaign) -> Result<(), Failure> {
    if campaign.sweeps().is_dir() {
        return Ok(());
    }
    Err(Failure::say(
        FailureKind::NotFound,
        format!("there is no campaign at {}", campaign.root().display()),
        "`bandmaster run` and `bandmaster submit` make one; name it with --campaign or BANDMASTER_CAMPAIGN",
    ))
}
