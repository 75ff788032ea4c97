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

#[cfg(test)]
mod tests {
    use super::*;
    use bandmaster_record::Number;
    use proptest::prelude::*;

    fn rung(values: &[Option<f64>]) -> Vec<Standing> {
        (0..).zip(values).map(|(trial, value)| Standing { trial: TrialId(trial), value: value.map(Number) }).collect()
    }

    fn promoted(goal: Goal, keep: u32, values: &[Option<f64>]) -> Vec<u32> {
        promote(goal, keep, rung(values)).1.into_iter().map(|trial| trial.0).collect()
    }

    #[test]
    fn the_best_go_on_and_ties_go_to_the_earlier_trial() {
        assert_eq!(promoted(Goal::Minimize, 3, &[Some(0.5), Some(0.1), Some(0.5), Some(0.5)]), [1, 0, 2]);
        assert_eq!(promoted(Goal::Maximize, 2, &[Some(0.5), Some(0.1), Some(0.5), Some(0.5)]), [0, 2]);
        assert_eq!(promoted(Goal::Minimize, 0, &[Some(0.5)]), [0; 0]);
    }

    #[test]
    fn failures_do_not_make_the_kept_number_smaller() {
        // Nine trials, eta 3: three go on although six failed.
        let values = [None, Some(3.0), None, None, Some(1.0), None, None, Some(2.0), None];
        assert_eq!(promoted(Goal::Minimize, 3, &values), [4, 7, 1]);
    }

    #[test]
    fn nan_goes_on_only_where_numbers_are_wanting_and_a_failure_never() {
        let values = [Some(f64::NAN), None, Some(f64::INFINITY), Some(f64::NAN), Some(1.0)];
        for goal in [Goal::Minimize, Goal::Maximize] {
            assert!(promoted(goal, 2, &values).iter().all(|trial| [2, 4].contains(trial)));
            assert_eq!(promoted(goal, 3, &values)[2], 0);
            assert_eq!(promoted(goal, 5, &values).len(), 4);
        }
    }

    fn value() -> impl Strategy<Value = Option<f64>> {
        let number = prop_oneof![any::<f64>(), (0..4_u8).prop_map(f64::from), Just(f64::NAN)];
        prop_oneof![1 => Just(None), 4 => number.prop_map(Some)]
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_changes_nothing(
            (sorted, shuffled) in prop::collection::vec(value(), 0..60)
                .prop_flat_map(|values| (Just(rung(&values)), Just(rung(&values)).prop_shuffle())),
            keep in 0..70_u32,
            larger in any::<bool>(),
        ) {
            let goal = if larger { Goal::Maximize } else { Goal::Minimize };
            let (ranked, promoted) = promote(goal, keep, sorted.clone());
            let (ranked_again, promoted_again) = promote(goal, keep, shuffled);
            prop_assert_eq!(&promoted, &promoted_again);
            let trials = |standings: &[Standing]| standings.iter().map(|standing| standing.trial).collect::<Vec<_>>();
            prop_assert_eq!(trials(&ranked), trials(&ranked_again));

            // Counted anew: as many as planned while there are trials that did not fail, and no better one stays behind.
            let class = |trial: TrialId| match sorted[trial.0 as usize].value {
                None => 2,
                Some(Number(value)) if value.is_nan() => 1,
                Some(_) => 0,
            };
            let alive = sorted.iter().filter(|standing| standing.value.is_some()).count();
            prop_assert_eq!(promoted.len(), alive.min(keep as usize));
            let left: Vec<_> = trials(&sorted).into_iter().filter(|trial| !promoted.contains(trial)).collect();
            for &kept in &promoted {
                for &behind in &left {
                    prop_assert!(class(kept) <= class(behind));
                    if class(kept) == 0 && class(behind) == 0 {
                        let (Some(Number(x)), Some(Number(y))) = (sorted[kept.0 as usize].value, sorted[behind.0 as usize].value) else {
                            unreachable!("both are numbers")
                        };
                        let no_worse = if larger { x >= y } else { x <= y };
                        prop_assert!(no_worse && (x != y || kept < behind));
                    }
                }
            }
        }
    }
}
