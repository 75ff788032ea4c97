//! What attempts without a result cost, and when no further one is allowed.
//!
//! What is free of charge must advance now and then, or it ends too: a trial that takes its slot down with it would run
//! for ever. At a time limit nothing but the trial is to blame.

use bandmaster_record::Cause;
use serde::{Deserialize, Serialize};

/// So many attempts in a row may end free of charge (preempted, lost, …) without any progress.
pub const FRUITLESS: u32 = 20;

/// What one attempt without a result costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Nothing.
    Free,
    /// Nothing, but it brought no further checkpoint, and that may not happen too often in a row.
    Fruitless,
    /// A retry.
    Retry,
}

/// What an attempt costs that ended so and brought no result; `advanced` tells whether it brought a further checkpoint.
pub fn cost(cause: Cause, advanced: bool) -> Cost {
    match cause {
        Cause::Stopped => Cost::Free,
        _ if cause.is_free() && advanced => Cost::Free,
        Cause::TimeLimit => Cost::Retry,
        _ if cause.is_free() => Cost::Fruitless,
        _ => Cost::Retry,
    }
}

/// What was spent on one segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Retries.
    pub retries: u32,
    /// Attempts in a row that ended free of charge and brought nothing.
    pub fruitless: u32,
}

impl Budget {
    /// Books an attempt that brought no result, and says what it cost.
    pub fn charge(&mut self, cause: Cause, advanced: bool) -> Cost {
        let cost = cost(cause, advanced);
        match cost {
            // A pause is no progress.
            Cost::Free if cause == Cause::Stopped => {}
            Cost::Free => self.fruitless = 0,
            Cost::Fruitless => self.fruitless += 1,
            Cost::Retry => self.retries += 1,
        }
        cost
    }

    /// Whether no further attempt is allowed.
    pub fn is_spent(&self, allowed: u32) -> bool {
        self.retries > allowed || self.fruitless > FRUITLESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_advances_ends_whatever_it_is_called() {
        for cause in [Cause::Preempted, Cause::Lost, Cause::NodeFailure, Cause::Cancelled, Cause::TimeLimit, Cause::WrongExit] {
            let mut budget = Budget::default();
            let attempts = (1..).take_while(|_| {
                budget.charge(cause, false);
                !budget.is_spent(2)
            });
            let at_most = if cause.is_free() && cause != Cause::TimeLimit { FRUITLESS } else { 2 };
            assert_eq!(attempts.count() as u32, at_most, "{cause:?}");
        }
    }

    #[test]
    fn what_is_free_and_advances_may_go_on_for_ever() {
        let mut budget = Budget::default();
        for round in 0..1000 {
            let cause = [Cause::Preempted, Cause::TimeLimit, Cause::NodeFailure][round % 3];
            assert_eq!(
                budget.charge(cause, round % 5 == 0 || cause == Cause::TimeLimit),
                cost(cause, round % 5 == 0 || cause == Cause::TimeLimit)
            );
            assert!(!budget.is_spent(0));
        }
    }

    #[test]
    fn a_pause_costs_nothing_and_is_no_progress() {
        let mut budget = Budget { retries: 1, fruitless: 7 };
        assert_eq!(budget.charge(Cause::Stopped, true), Cost::Free);
        assert_eq!(budget, Budget { retries: 1, fruitless: 7 });
    }
}
