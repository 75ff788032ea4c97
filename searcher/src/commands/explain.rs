//! `bandmaster explain`: why a trial, a rung or a sweep is where it is, and what happens next, in sentences.

use std::io::Write;

use bandmaster_journal::Campaign;

use crate::failure::{Exit, Failure};
use crate::output::{PageFormat, PageLayout, write_json};
use crate::reading;

mod cause;
mod facts;
mod page;
mod sweep;
mod trial;
mod what;

pub use what::{What, WhatError};

/// What, and how to print it.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A trial (digits-1/42, or 42 of the newest sweep), one attempt of it (42.2), a rung (digits-1/b4r0: rung 0 of bracket 4), or a sweep (digits-1)
    #[arg(value_name = "WHAT")]
    pub what: What,
    /// How to print it.
    #[command(flatten)]
    pub format: PageFormat,
}

/// Prints it.
///
/// # Errors
/// There is no such thing; the ledger cannot be read; the output cannot be written.
pub fn run(args: &Args, campaign: &Campaign, out: &mut dyn Write) -> Result<Exit, Failure> {
    let reader = reading::open(campaign)?;
    let db = reader.connection();
    let (key, told) = match &args.what {
        What::Trial(name) => {
            let sweep = reading::trial(campaign, db, name)?;
            let mut told = trial::explain(&facts::trial(db, &sweep, name.trial)?);
            if let Some(attempt) = name.attempt {
                told.keep("attempts", |known| known.get("attempt") == i64::from(attempt.0).into());
            }
            ("trial", vec![told])
        }
        What::Rung { sweep, bracket, rung } => {
            let sweep = reading::sweep(campaign, db, sweep.as_deref())?;
            ("rungs", sweep::rungs(db, &sweep, *bracket, *rung)?)
        }
        What::Sweep(typed) => {
            let sweep = reading::sweep(campaign, db, Some(typed))?;
            ("sweep", vec![sweep::explain(db, &sweep)?])
        }
    };
    match (args.format.format, told.as_slice()) {
        (PageLayout::Json, [one]) if key != "rungs" => write_json(key, one, out)?,
        (PageLayout::Json, all) => write_json(key, &all, out)?,
        (PageLayout::Table, all) => {
            for told in all {
                let page = if key == "trial" { page::trial(told) } else { page::other(told) };
                page.write(args.format.screen, true, out)?;
            }
        }
    }
    Ok(Exit::Ok)
}
