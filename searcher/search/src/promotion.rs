//! Which trials of a rung go on.

use bandmaster_record::{Goal, Standing, TrialId, rank};

/// Ranks a rung's trials, each given once and in any order, and gives those that go on, best first: the first `keep`
/// of the ranking.
///
/// `keep` is what the method planned from all trials of the rung, the failed ones counted, so failures do not make it
/// smaller. A NaN goes on where there are not enough numbers before it; a failed trial never does, since there is
/// nothing to go on from, and then fewer than `keep` are promoted.
pub fn promote(goal: Goal, keep: u32, mut standings: Vec<Standing>) -> (Vec<Standing>, Vec<TrialId>) {
    standings.sort_unstable_by(|a, b| rank(goal, a, b));
    let promoted =
        standings.iter().take(keep as usize).filter(|standing| standing.value.is_some()).map(|standing| standing.trial).collect();
    (standings, promoted)
}
