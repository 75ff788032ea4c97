//! How an attempt ended, what that means, and what it cost.

use bandmaster_record::Cause;
use bandmaster_search::{Budget, Cost, FRUITLESS};

/// A cause as it stands in the ledger; one of a newer version is unknown.
pub(super) fn parse(text: &str) -> Cause {
    serde_json::from_value(text.into()).unwrap_or(Cause::Unknown)
}

/// What a cause means, for somebody who never saw it.
pub(super) fn means(cause: Cause) -> &'static str {
    match cause {
        Cause::Completed => "it reached its target and reported there",
        Cause::NoResult => "its program ended well, and did not report the sweep's metric at its target",
        Cause::WrongExit => "its program failed by itself; nothing of the cluster's is to blame",
        Cause::Signal => "a signal ended it that nobody of Bandmaster's sent; often a crash of the program itself",
        Cause::OutOfMemory => "it needed more memory than it may have (`memory_per_rank` in [trial])",
        Cause::TimeLimit => "its time was over, by `time` in [trial] or by its job's own limit",
        Cause::Stopped => "it was asked to stop: the sweep was paused or cancelled, or its slot was to end",
        Cause::Preempted => "Slurm took its node for a job that comes first",
        Cause::Cancelled => "somebody cancelled its job in Slurm, without asking Bandmaster",
        Cause::NodeFailure => "its node failed",
        Cause::CannotStart => "its program could not be started",
        Cause::Lost => "what watched it is gone without a word: it was killed, or its host is gone",
        Cause::Unknown => "a cause that this version does not know",
    }
}

/// Whether what the program printed may tell more.
pub(super) fn has_words(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::NoResult | Cause::WrongExit | Cause::Signal | Cause::OutOfMemory | Cause::CannotStart | Cause::TimeLimit | Cause::Unknown
    )
}

/// What it cost, as a word for programs.
pub(super) fn word(cost: Cost) -> &'static str {
    match cost {
        Cost::Free => "nothing",
        Cost::Fruitless => "nothing_yet",
        Cost::Retry => "retry",
    }
}

/// What an attempt cost that brought no result; `budget` is what its segment had spent with it.
pub(super) fn costs(cause: Cause, cost: Cost, budget: Budget, allowed: u32) -> String {
    let Budget { retries, fruitless } = budget;
    match cost {
        Cost::Free if cause == Cause::Stopped => "nothing: being asked to stop is free".to_owned(),
        Cost::Free => "nothing: it brought a further checkpoint".to_owned(),
        Cost::Fruitless => {
            format!("nothing so far, as one of {FRUITLESS} in a row that may bring no further checkpoint: it was number {fruitless}")
        }
        Cost::Retry => {
            let why = if cause == Cause::TimeLimit { ", since it brought no further checkpoint" } else { "" };
            match allowed.checked_sub(retries) {
                Some(left) => format!("a retry{why}: {left} of {allowed} left for this segment"),
                None if allowed == 0 => format!("a retry{why}, and none is allowed"),
                None => format!("a retry{why}, and all {allowed} were spent"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_read_as_it_is_written_and_means_something() {
        for word in ["completed", "no_result", "out_of_memory", "time_limit", "cancelled", "node_failure", "lost", "preempted"] {
            assert_eq!(parse(word).as_str(), word);
        }
        assert_eq!(parse("evaporated"), Cause::Unknown);
    }

    #[test]
    fn a_cost_says_what_is_left() {
        let said = |cause, cost, retries, fruitless| costs(cause, cost, Budget { retries, fruitless }, 2);
        assert_eq!(said(Cause::WrongExit, Cost::Retry, 1, 0), "a retry: 1 of 2 left for this segment");
        assert_eq!(said(Cause::WrongExit, Cost::Retry, 3, 0), "a retry, and all 2 were spent");
        assert_eq!(
            said(Cause::TimeLimit, Cost::Retry, 2, 0),
            "a retry, since it brought no further checkpoint: 0 of 2 left for this segment"
        );
        assert!(
            said(Cause::Lost, Cost::Fruitless, 0, 7).ends_with("one of 20 in a row that may bring no further checkpoint: it was number 7")
        );
        assert_eq!(costs(Cause::Signal, Cost::Retry, Budget { retries: 1, fruitless: 0 }, 0), "a retry, and none is allowed");
    }
}
