//! The published tables, and the laws of every ladder.

use super::*;
use proptest::prelude::*;

fn hyperband(max: u64, min: u64, eta: u32, counts: Counts) -> Method {
    Method::Hyperband { max_resource: Resource(max), min_resource: Resource(min), eta, counts, repetitions: 1, anchors: 0 }
}

fn ladder(method: &Method) -> Ladder {
    Ladder::of(method, &Space::default()).unwrap()
}

fn sizes(ladder: &Ladder) -> Vec<Vec<u32>> {
    ladder.brackets.iter().map(|bracket| bracket.rungs.iter().map(|rung| rung.trials).collect()).collect()
}

fn resources(bracket: &Bracket) -> Vec<u64> {
    bracket.rungs.iter().map(|rung| rung.resource.0).collect()
}

fn first_rungs(max: u64, eta: u32, counts: Counts) -> Vec<u32> {
    ladder(&hyperband(max, 1, eta, counts)).brackets.iter().map(Bracket::trials).collect()
}

#[test]
fn algorithm_1_of_the_paper_at_81() {
    let ladder = ladder(&hyperband(81, 1, 3, Counts::Algorithm1));
    assert_eq!(sizes(&ladder), [vec![81, 27, 9, 3, 1], vec![34, 11, 3, 1], vec![15, 5, 1], vec![8, 2], vec![5]]);
    assert_eq!(ladder.brackets.iter().map(|bracket| bracket.s).collect::<Vec<_>>(), [4, 3, 2, 1, 0]);
    assert_eq!(resources(&ladder.brackets[0]), [1, 3, 9, 27, 81]);
    assert_eq!(resources(&ladder.brackets[3]), [27, 81]);
    let segments = 121 + 49 + 21 + 10 + 5;
    assert_eq!(ladder.bound(), Bound { segments, from_scratch: 1902, with_resume: 1581 });
    assert_eq!(ladder.brackets[0].bound(), Bound { segments: 121, from_scratch: 405, with_resume: 297 });
}

#[test]
fn table_1_of_the_paper_at_81() {
    let ladder = ladder(&hyperband(81, 1, 3, Counts::Table1));
    assert_eq!(sizes(&ladder), [vec![81, 27, 9, 3, 1], vec![27, 9, 3, 1], vec![9, 3, 1], vec![6, 2], vec![5]]);
    let bound = ladder.bound();
    assert_eq!((bound.from_scratch, bound.with_resume), (1701, 1404));
}

#[test]
fn first_rungs_at_other_sizes() {
    use Counts::{Algorithm1, Table1};
    for (max, eta, algorithm_1, table_1) in [
        (27, 3, vec![27, 12, 6, 4], vec![27, 9, 6, 4]),
        (243, 3, vec![243, 98, 41, 18, 9, 6], vec![243, 81, 27, 18, 9, 6]),
        (256, 4, vec![256, 80, 27, 10, 5], vec![256, 64, 16, 8, 5]),
        (9, 3, vec![9, 5, 3], vec![9, 3, 3]),
    ] {
        assert_eq!(first_rungs(max, eta, Algorithm1), algorithm_1, "R = {max}");
        assert_eq!(first_rungs(max, eta, Table1), table_1, "R = {max}");
    }
}

#[test]
fn levels_are_counted_where_logarithms_miscount() {
    for (max, eta, expected) in [(243, 3, 5), (59049, 3, 10), (59049, 9, 5), (1000, 10, 3), (1_000_000, 10, 6)] {
        assert_eq!(levels(Resource(max), Resource(1), eta), expected, "{max}, {eta}");
        assert_eq!(levels(Resource(max - 1), Resource(1), eta), expected - 1, "{max} - 1, {eta}");
        assert_eq!(levels(Resource(7 * max), Resource(7), eta), expected, "7 · {max}, {eta}");
    }
    // The quotient of logarithms, here correctly rounded ones, is one short.
    let (ln_243, ln_3) = (5.493061443340548_f64, 1.0986122886681098_f64);
    assert_eq!((ln_243 / ln_3) as u32, 4);
}

#[test]
fn levels_do_not_overflow_at_the_largest_resource() {
    assert_eq!(levels(Resource(u64::MAX), Resource(1), 2), 63);
    assert_eq!(levels(Resource(u64::MAX), Resource(u64::MAX), u32::MAX), 0);
    assert_eq!(levels(Resource(u64::MAX), Resource(1), u32::MAX), 2);
}

#[test]
fn rungs_are_rounded_down_where_eta_does_not_divide() {
    let ladder = ladder(&hyperband(100, 1, 3, Counts::Algorithm1));
    assert_eq!(resources(&ladder.brackets[0]), [1, 3, 11, 33, 100]);
    assert_eq!(resources(&ladder.brackets[2]), [11, 33, 100]);
}

#[test]
fn no_rung_is_below_the_least_resource() {
    let ladder = ladder(&hyperband(100, 5, 3, Counts::Algorithm1));
    assert_eq!(resources(&ladder.brackets[0]), [11, 33, 100]);
    assert_eq!(first_rungs(100, 3, Counts::Algorithm1).len(), 5);
}

#[test]
fn repetitions_and_anchors_follow_with_trials_of_their_own() {
    let method = Method::Hyperband {
        max_resource: Resource(9),
        min_resource: Resource(1),
        eta: 3,
        counts: Counts::Algorithm1,
        repetitions: 2,
        anchors: 4,
    };
    let ladder = ladder(&method);
    let seen: Vec<_> = ladder.brackets.iter().map(|b| (b.s, b.repetition, b.anchors, b.first_trial.0, b.trials())).collect();
    assert_eq!(
        seen,
        [
            (2, 0, false, 0, 9),
            (1, 0, false, 9, 5),
            (0, 0, false, 14, 3),
            (2, 1, false, 17, 9),
            (1, 1, false, 26, 5),
            (0, 1, false, 31, 3),
            (0, 0, true, 34, 4),
        ]
    );
    assert_eq!(ladder.brackets[6].rungs, [Rung { resource: Resource(9), trials: 4 }]);
    assert_eq!(ladder.trials(), 38);
    for (trial, bracket) in [(0, Some(0)), (8, Some(0)), (9, Some(1)), (33, Some(5)), (34, Some(6)), (37, Some(6)), (38, None)] {
        assert_eq!(ladder.bracket_of(TrialId(trial)), bracket, "trial {trial}");
    }
}

#[test]
fn methods_without_rungs_train_every_trial_fully() {
    let ladder = ladder(&Method::Random { max_resource: Resource(27), trials: 10 });
    assert_eq!(ladder.brackets.len(), 1);
    assert_eq!(ladder.brackets[0].rungs, [Rung { resource: Resource(27), trials: 10 }]);
    assert_eq!(ladder.bound(), Bound { segments: 10, from_scratch: 270, with_resume: 270 });
}

#[test]
fn a_sweep_of_too_many_trials_is_an_error_and_not_a_full_memory() {
    let of = |method: &Method| Ladder::of(method, &Space::default());
    assert!(matches!(
        of(&Method::Random { max_resource: Resource(1), trials: 1_000_001 }),
        Err(LadderError::TooMany { trials: 1_000_001, .. })
    ));
    assert_eq!(of(&Method::Random { max_resource: Resource(1), trials: 1_000_000 }).unwrap().trials(), MAX_TRIALS);

    let largest = Method::Hyperband {
        max_resource: Resource(u64::MAX),
        min_resource: Resource(1),
        eta: 2,
        counts: Counts::Algorithm1,
        repetitions: u32::MAX,
        anchors: u32::MAX,
    };
    let error = of(&largest).unwrap_err();
    assert!(matches!(error, LadderError::TooMany { trials, .. } if trials > u128::from(u64::MAX)), "{error}");

    let many = Method::Hyperband {
        max_resource: Resource(1),
        min_resource: Resource(1),
        eta: 2,
        counts: Counts::Table1,
        repetitions: 999_999,
        anchors: 1,
    };
    assert_eq!(of(&many).unwrap().trials(), MAX_TRIALS);
    assert_eq!(
        of(&hyperband(1 << 40, 1, 2, Counts::Table1)).unwrap_err().to_string(),
        "the method asks for 2199024313813 trials and a sweep has at most 1000000: raise min_resource or eta, or lower max_resource, repetitions or anchors"
    );
}

#[test]
fn settings_that_cannot_stand_are_all_named() {
    let error = Ladder::of(&hyperband(9, 0, 1, Counts::Table1), &Space::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "method.min_resource is 0: a rung without training has no result; write 1 or more; \
         method.eta is 1: each rung must keep fewer trials than it has; write 2 or more, 3 is usual"
    );
}

/// Resources over all magnitudes, and least resources that leave every number of levels.
fn settings() -> impl Strategy<Value = (u64, u64, u32, Counts)> {
    let max = (0..40_u32).prop_flat_map(|power| 1_u64 << power..=(2_u64 << power).min(1_000_000_000_000));
    (max, 2..=64_u32, 0..=8_u32, 0..3_u64, any::<bool>()).prop_map(|(max, eta, depth, off, table)| {
        let min = (max / u64::from(eta).saturating_pow(depth)).saturating_add(off).clamp(1, max);
        (max, min, eta, if table { Counts::Table1 } else { Counts::Algorithm1 })
    })
}

/// The size of a bracket's first rung, told from its definition and without a division.
fn is_first_rung(counts: Counts, size: u128, s_max: u32, s: u32, eta: u32) -> bool {
    let (brackets, rungs, power) = (u128::from(s_max + 1), u128::from(s + 1), u128::from(eta).pow(s));
    match counts {
        Counts::Algorithm1 => size * rungs >= brackets * power && (size - 1) * rungs < brackets * power,
        Counts::Table1 => (1..=brackets).any(|whole| size == whole * power && whole * rungs <= brackets && (whole + 1) * rungs > brackets),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_ladder_keeps_the_laws((max, min, eta, counts) in settings()) {
        let ladder = match Ladder::of(&hyperband(max, min, eta, counts), &Space::default()) {
            Ok(ladder) => ladder,
            Err(LadderError::TooMany { trials, .. }) => {
                // The deepest bracket alone has eta^s_max trials, and no bracket has more than (s_max + 1) · eta^s_max.
                let s_max = levels(Resource(max), Resource(min), eta);
                let power = u128::from(eta).pow(s_max);
                prop_assert!(trials > 1_000_000 && trials >= power && trials <= u128::from(s_max + 1).pow(2) * power);
                return Ok(());
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        let s_max = ladder.brackets[0].s;
        prop_assert_eq!(ladder.brackets.len() as u32, s_max + 1);
        let room = u128::from(min) * u128::from(eta).pow(s_max);
        prop_assert!(room <= u128::from(max) && room * u128::from(eta) > u128::from(max));

        let mut next = 0;
        for (place, bracket) in (0..).zip(&ladder.brackets) {
            prop_assert_eq!(bracket.s, s_max - place);
            prop_assert_eq!(bracket.rungs.len() as u32, bracket.s + 1);
            prop_assert_eq!(bracket.first_trial, TrialId(next));
            prop_assert!(is_first_rung(counts, bracket.trials().into(), s_max, bracket.s, eta));
            prop_assert_eq!(ladder.bracket_of(TrialId(next)), Some(place));
            next += bracket.trials();
            prop_assert_eq!(ladder.bracket_of(TrialId(next - 1)), Some(place));
            prop_assert!(bracket.rungs.iter().all(|rung| rung.trials > 0 && rung.resource.0 >= min));
            prop_assert_eq!(bracket.rungs.last().unwrap().resource, Resource(max));
            for pair in bracket.rungs.windows(2) {
                prop_assert_eq!(pair[1].trials, pair[0].trials / eta);
                prop_assert!(pair[0].resource < pair[1].resource);
                // Between floor and exact, eta times the one below is at most the one above, and less than eta short.
                let times = u128::from(pair[0].resource.0) * u128::from(eta);
                let above = u128::from(pair[1].resource.0);
                prop_assert!(times <= above && above - times < u128::from(eta));
            }
        }
        prop_assert_eq!(ladder.trials(), next);
        prop_assert_eq!(ladder.bracket_of(TrialId(next)), None);
        prop_assert_eq!(ladder.bracket_of(TrialId(u32::MAX)), None);
        let bound = ladder.bound();
        prop_assert!(bound.with_resume <= bound.from_scratch);
        prop_assert_eq!(bound.segments, ladder.brackets.iter().flat_map(|b| &b.rungs).map(|r| u64::from(r.trials)).sum::<u64>());
    }
}
