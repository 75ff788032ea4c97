//! Which sweep is meant: `digits-1`, or `digits` for the newest of that name, or nothing for the newest of all.

use bandmaster_journal::{Campaign, names};
use bandmaster_record::{Submission, SweepId};

use crate::failure::{Failure, FailureKind};

/// The sweep that is meant by what was typed.
pub fn sweep(campaign: &Campaign, typed: Option<&str>) -> Result<SweepId, Failure> {
    let all: Vec<SweepId> = names(&campaign.sweeps(), "")?;
    let found = match typed {
        None => all.iter().max_by_key(|sweep| submitted_at(campaign, sweep)),
        Some(typed) => all
            .iter()
            .find(|sweep| sweep.as_str() == typed)
            .or_else(|| all.iter().filter(|sweep| sweep.name() == typed).max_by_key(|sweep| sweep.number())),
    };
    found.cloned().ok_or_else(|| unknown(campaign, typed, &all))
}

/// What a sweep's submission knew.
pub fn submission(campaign: &Campaign, sweep: &SweepId) -> Option<Submission> {
    serde_json::from_slice(&std::fs::read(campaign.sweep(sweep).submission()).ok()?).ok()
}

fn submitted_at(campaign: &Campaign, sweep: &SweepId) -> Option<bandmaster_record::Timestamp> {
    submission(campaign, sweep).map(|submission| submission.at)
}

fn unknown(campaign: &Campaign, typed: Option<&str>, all: &[SweepId]) -> Failure {
    let place = campaign.root().display();
    let Some(typed) = typed.filter(|_| !all.is_empty()) else {
        return Failure::say(
            FailureKind::NotFound,
            format!("the campaign {place} has no sweeps"),
            "submit one with `bandmaster run sweep.toml`",
        );
    };
    let mut near: Vec<&SweepId> = all.iter().collect();
    near.sort_by(|a, b| strsim::jaro_winkler(b.as_str(), typed).total_cmp(&strsim::jaro_winkler(a.as_str(), typed)));
    let near: Vec<&str> = near.into_iter().take(3).map(SweepId::as_str).collect();
    Failure::say(FailureKind::NotFound, format!("the campaign {place} has no sweep `{typed}`"), format!("it has {}", near.join(", ")))
}
