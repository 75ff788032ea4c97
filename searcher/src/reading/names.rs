//! What people type for a trial: `digits-1/42`, `digits/42` for the newest digits, `42` for the newest sweep, and `42.2`
//! for its second attempt.

use std::fmt;
use std::str::FromStr;

use bandmaster_journal::Campaign;
use bandmaster_record::{AttemptNo, SweepId, TrialId};
use rusqlite::{Connection, OptionalExtension};

use super::failed;
use crate::failure::{Failure, FailureKind};
use crate::select;

/// A trial, or one attempt of it, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialName {
    /// The sweep; nothing for the newest.
    pub sweep: Option<String>,
    /// The trial.
    pub trial: TrialId,
    /// One attempt of it.
    pub attempt: Option<AttemptNo>,
}

/// What was typed is no trial's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a trial is written digits-1/42, or 42 for one of the newest sweep; its second attempt is digits-1/42.2")]
pub struct NameError;

impl FromStr for TrialName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (sweep, rest) = match text.rsplit_once('/') {
            Some(("", _)) => return Err(NameError),
            Some((sweep, rest)) => (Some(sweep.to_owned()), rest),
            None => (None, text),
        };
        let (trial, attempt) = match rest.split_once('.') {
            Some((trial, attempt)) => (trial, Some(AttemptNo(number(attempt)?))),
            None => (rest, None),
        };
        Ok(Self { sweep, trial: TrialId(number(trial)?), attempt })
    }
}

/// Digits alone: `+1` is no name.
fn number(text: &str) -> Result<u32, NameError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(NameError)
}

impl fmt::Display for TrialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sweep) = &self.sweep {
            write!(f, "{sweep}/")?;
        }
        write!(f, "{}", self.trial)?;
        self.attempt.map_or(Ok(()), |attempt| write!(f, ".{attempt}"))
    }
}

/// The sweep that is meant, of which the ledger must know something.
///
/// # Errors
/// Not found: there is none of that name, or no tick has taken it in yet.
pub fn sweep(campaign: &Campaign, db: &Connection, typed: Option<&str>) -> Result<SweepId, Failure> {
    let sweep = select::sweep(campaign, typed)?;
    let known = db.prepare_cached("SELECT 1 FROM sweeps WHERE sweep = ?1").and_then(|mut find| find.exists([sweep.as_str()]));
    if known.map_err(failed)? {
        return Ok(sweep);
    }
    Err(Failure::say(
        FailureKind::NotFound,
        format!("{sweep} is submitted, and no tick has taken it in yet"),
        "`bandmaster tick` takes it in, or `bandmaster run`, `bandmaster serve` where one of them is at work",
    ))
}

/// The trial that is meant, and its sweep.
///
/// # Errors
/// Not found: there is no such sweep, no such trial in it, or no such attempt of it.
pub fn trial(campaign: &Campaign, db: &Connection, name: &TrialName) -> Result<SweepId, Failure> {
    let sweep = sweep(campaign, db, name.sweep.as_deref())?;
    let exists = |sql: &str, number: Option<u32>| -> Result<bool, Failure> {
        let found = db.prepare_cached(sql).and_then(|mut find| match number {
            None => find.exists((sweep.as_str(), name.trial.0)),
            Some(number) => find.exists((sweep.as_str(), name.trial.0, number)),
        });
        found.map_err(failed)
    };
    if !exists("SELECT 1 FROM trials WHERE sweep = ?1 AND trial = ?2", None)? {
        return Err(no_trial(db, &sweep, name.trial)?);
    }
    let Some(attempt) = name.attempt else { return Ok(sweep) };
    if exists("SELECT 1 FROM attempts WHERE sweep = ?1 AND trial = ?2 AND attempt = ?3", Some(attempt.0))? {
        return Ok(sweep);
    }
    let last = "SELECT max(attempt) FROM attempts WHERE sweep = ?1 AND trial = ?2";
    let last: Option<u32> = db.query_row(last, (sweep.as_str(), name.trial.0), |row| row.get(0)).map_err(failed)?;
    let help = match last {
        None => "it has none yet".to_owned(),
        Some(last) => format!("its attempts are 1 to {last}: `bandmaster show {sweep}/{}` shows them", name.trial),
    };
    Err(Failure::say(FailureKind::NotFound, format!("{sweep}/{} has no attempt {attempt}", name.trial), help))
}

fn no_trial(db: &Connection, sweep: &SweepId, trial: TrialId) -> Result<Failure, Failure> {
    let sql = "SELECT max(trials.trial), max(sweeps.trials_planned) FROM sweeps LEFT JOIN trials USING (sweep) WHERE sweep = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<u32>>(0)?, row.get::<_, Option<u32>>(1)?));
    let (last, planned) = db.query_row(sql, [sweep.as_str()], read).optional().map_err(failed)?.unwrap_or((None, None));
    let help = match (last, planned) {
        (_, Some(planned)) if trial.0 < planned => "it is planned and not begun".to_owned(),
        (Some(last), _) => format!("its trials are 0 to {last}: `bandmaster trials {sweep}` lists them"),
        (None, _) => "it has none yet".to_owned(),
    };
    Ok(Failure::say(FailureKind::NotFound, format!("{sweep} has no trial {trial}"), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_named_in_three_ways_and_each_attempt_too() {
        for text in ["digits-1/42", "digits/42", "42", "digits-1/42.2", "a.b-1/0.13", "42.2"] {
            assert_eq!(text.parse::<TrialName>().unwrap().to_string(), text);
        }
        let name: TrialName = "a.b-1/7.2".parse().unwrap();
        assert_eq!(name, TrialName { sweep: Some("a.b-1".into()), trial: TrialId(7), attempt: Some(AttemptNo(2)) });
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "digits", "digits-1", "/42", "digits-1/", "digits-1/x", "42.", ".2", "+1", "-1", "4 2", "99999999999"] {
            assert_eq!(text.parse::<TrialName>(), Err(NameError), "{text}");
        }
    }
}
