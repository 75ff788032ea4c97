//! `bandmaster pause`, `resume`, `cancel`: a request is left in the campaign, and the next tick takes it. If nobody
//! else ticks, this process does. Nothing is asked of a sweep that is over.

use std::io::Write;
use std::time::{Duration, Instant};

use bandmaster_journal::{Campaign, nonce, now, publish};
use bandmaster_ledger::Reader;
use bandmaster_record::{Request, RequestId, SweepId};
use serde_json::json;

use crate::ending::End;
use crate::failure::{Exit, Failure, FailureKind};
use crate::tick::{Ticked, want};
use crate::{open, select};

/// How long to wait for another process that ticks just now to take the request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which sweep.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The sweep: digits-1, or digits for the newest of that name
    pub sweep: String,
}

/// Leaves the request and sees to it that it is taken.
pub fn run(args: &Args, ask: fn(SweepId) -> Request, campaign: Campaign, out: &mut dyn Write) -> Result<Exit, Failure> {
    let sweep = select::sweep(&campaign, Some(&args.sweep))?;
    let end = End::of(&campaign, &sweep)?;
    if end.is_over() {
        writeln!(out, "{}: nothing was asked for", end.sentence(&sweep, false)).map_err(Failure::output)?;
        return Ok(Exit::Ok);
    }
    let request = RequestId::new(nonce().as_str()).map_err(Failure::bug)?;
    let path = campaign.request(&request);
    let content = json!({"v": 1, "at": now(), "request": ask(sweep.clone())});
    publish(&path, &path.with_extension("stage"), content.to_string().as_bytes())?;
    want(&campaign, &format!("request-{request}"))?;
    let mut searcher = open::searcher(campaign.clone())?;
    let begun = Instant::now();
    let mut silent = None;
    while path.exists() && begun.elapsed() < PATIENCE {
        match searcher.tick()? {
            Ticked::Held(_) => std::thread::sleep(Duration::from_millis(50)),
            Ticked::Done { away, .. } => silent = away,
        }
    }
    let outcome = outcome(&campaign, &request)?.unwrap_or_else(|| "asked; the next tick takes it".to_owned());
    writeln!(out, "{sweep}: {outcome}").map_err(Failure::output)?;
    let Some(words) = silent else { return Ok(Exit::Ok) };
    writeln!(out, "Slurm does not answer, so that its jobs do not know yet: a later tick tells them ({words})").map_err(Failure::output)?;
    Ok(Exit::Because(FailureKind::Slurm))
}

/// What the searcher answered, once it has.
fn outcome(campaign: &Campaign, request: &RequestId) -> Result<Option<String>, Failure> {
    let reader = Reader::open(campaign)?;
    let answer = reader.connection().query_row("SELECT outcome FROM _requests WHERE request = ?1", [request.as_str()], |row| row.get(0));
    Ok(answer.ok())
}
