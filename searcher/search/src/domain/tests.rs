//! Values stay in their range, at the ends of what i64 and f64 can hold too.

use super::*;
use proptest::prelude::*;

/// Draws that mean the ends, and some between.
const BITS: [u64; 9] = [0, 1, (1 << 11) - 1, 1 << 11, 1 << 32, 1 << 63, u64::MAX - (1 << 11), u64::MAX - 1, u64::MAX];

fn uniform(low: f64, high: f64) -> Domain {
    Domain::Uniform { low, high, step: None }
}

fn steps(low: f64, high: f64, step: f64) -> Domain {
    Domain::Uniform { low, high, step: Some(step) }
}

fn float(value: &Param) -> f64 {
    let Param::Float(value) = value else { panic!("{value:?} is no float") };
    *value
}

fn int(value: &Param) -> i64 {
    let Param::Int(value) = value else { panic!("{value:?} is no whole number") };
    *value
}

fn all(domain: &Domain) -> Vec<Param> {
    (0..domain.points().unwrap()).map(|index| domain.point(index).unwrap()).collect()
}

fn floats(domain: &Domain) -> Vec<f64> {
    all(domain).iter().map(float).collect()
}

#[test]
fn floats_stay_in_ranges_that_are_as_wide_or_narrow_as_can_be() {
    const TINY: f64 = f64::from_bits(1);
    for (low, high) in [
        (f64::MIN, f64::MAX),
        (0.0, f64::MAX),
        (0.0, TINY),
        (TINY, 2.0 * TINY),
        (-TINY, TINY),
        (TINY, f64::MIN_POSITIVE),
        (1.0, 1.0 + f64::EPSILON),
        (0.1, 0.1),
        (f64::MAX, f64::MAX),
        (-3.0, -3.0),
        (0.0, 0.0),
    ] {
        for bits in BITS {
            let drawn = float(&uniform(low, high).draw(bits));
            assert!((low..=high).contains(&drawn), "{drawn:?} from {low:?} to {high:?}");
        }
        assert_eq!(float(&uniform(low, high).draw(0)), low);
    }
    assert_eq!(float(&uniform(f64::MIN, f64::MAX).draw(1 << 63)), 0.0);
}

#[test]
fn rounding_never_leaves_a_range_of_one_number() {
    // Halves of the smallest floats are rounded: 0 + 0 for the smallest, 2 + 2 for three times the smallest.
    let half = 1 << 63;
    for value in [f64::from_bits(1), f64::from_bits(3), 0.1, -0.7, f64::MAX] {
        assert_eq!(float(&uniform(value, value).draw(half)), value);
    }
}

#[test]
fn logarithmic_floats_stay_in_their_range() {
    const TINY: f64 = f64::from_bits(1);
    for (low, high) in [
        (TINY, f64::MAX),
        (TINY, TINY),
        (TINY, 3.0 * TINY),
        (f64::MIN_POSITIVE, 1.0),
        (0.3, 0.3),
        (1e-4, 1.0),
        (1.0, 1.0 + f64::EPSILON),
        (f64::MAX, f64::MAX),
    ] {
        for bits in BITS {
            let drawn = float(&Domain::LogUniform { low, high }.draw(bits));
            assert!((low..=high).contains(&drawn), "{drawn:?} from {low:?} to {high:?}");
        }
    }
    let middle = float(&Domain::LogUniform { low: 1e-4, high: 1.0 }.draw(1 << 63));
    assert!((middle - 1e-2).abs() < 1e-15, "{middle:?}");
}

#[test]
fn whole_numbers_reach_both_ends_of_every_range() {
    for (low, high, step, last) in [
        (i64::MIN, i64::MAX, 1, i64::MAX),
        (i64::MIN, i64::MAX, 2, i64::MAX - 1),
        (i64::MIN, i64::MAX, i64::MAX, i64::MAX - 1),
        (i64::MAX, i64::MAX, 1, i64::MAX),
        (i64::MIN, i64::MIN, 5, i64::MIN),
        (-1, 1, 1, 1),
        (0, 10, 3, 9),
        (0, 9, 3, 9),
    ] {
        let domain = Domain::Int { low, high, step };
        for bits in BITS {
            let drawn = int(&domain.draw(bits));
            assert!((low..=last).contains(&drawn), "{drawn} from {low} to {high} by {step}");
            assert_eq!((i128::from(drawn) - i128::from(low)) % i128::from(step), 0);
        }
        assert_eq!((int(&domain.draw(0)), int(&domain.draw(u64::MAX))), (low, last));
    }
}

#[test]
fn logarithmic_whole_numbers_reach_both_ends_of_every_range() {
    for (low, high) in [(1, 1), (1, 2), (16, 256), (1, i64::MAX), (i64::MAX, i64::MAX), (i64::MAX - 1, i64::MAX)] {
        let domain = Domain::LogInt { low, high };
        for bits in BITS {
            let drawn = int(&domain.draw(bits));
            assert!((low..=high).contains(&drawn), "{drawn} from {low} to {high}");
        }
    }
    let hidden = Domain::LogInt { low: 16, high: 256 };
    assert_eq!((int(&hidden.draw(0)), int(&hidden.draw(u64::MAX))), (16, 256));
}

#[test]
fn a_stepped_range_ends_at_its_high_end_where_that_is_a_step() {
    // 0.3 / 0.1 is below 3 in floats, and 3 · 0.1 is above 0.3.
    assert_eq!(floats(&steps(0.0, 0.3, 0.1)), [0.0, 0.1, 0.2, 0.3]);
    assert_eq!(floats(&steps(0.0, 0.35, 0.1)), [0.0, 0.1, 0.2, 0.3]);
    assert_eq!(floats(&steps(0.0, 0.39999, 0.1)), [0.0, 0.1, 0.2, 0.3]);
    assert_eq!(floats(&steps(1.0, 2.0, 0.25)), [1.0, 1.25, 1.5, 1.75, 2.0]);
    assert_eq!(steps(0.0, 1.0, 1e-3).points(), Some(1001));
    assert_eq!(steps(0.0, 1e6, 0.1).points(), Some(10_000_001));
    assert_eq!(floats(&steps(0.5, 0.5, 0.1)), [0.5]);
}

#[test]
fn steps_are_written_as_people_write_them() {
    let written = |domain: &Domain| all(domain).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(written(&steps(0.0, 0.5, 0.05)), "0.0 0.05 0.1 0.15 0.2 0.25 0.3 0.35 0.4 0.45 0.5");
    assert_eq!(written(&steps(-0.3, 0.3, 0.1)), "-0.3 -0.2 -0.1 0.0 0.1 0.2 0.3");
    assert_eq!(written(&steps(1e-5, 5e-5, 1e-5)), "1e-5 2e-5 3e-5 4e-5 5e-5");
    // What is no short decimal stays what it is.
    assert_eq!(floats(&steps(0.0, 1.0, 1.0 / 3.0)), [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]);
}

#[test]
fn a_step_that_rounding_swallows_has_no_points() {
    for (low, high, step) in [(1e16, 1e16 + 64.0, 1.0), (0.0, 1.0, 1e-17), (0.0, f64::MAX, 1.0), (f64::MIN, f64::MAX, 1e300)] {
        assert_eq!(steps(low, high, step).points(), None, "{low:?} {high:?} {step:?}");
        assert_eq!(float(&steps(low, high, step).draw(u64::MAX)), low);
    }
    for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(steps(0.0, 1.0, nonsense).points().is_none_or(|points| points == 1), "{nonsense:?}");
    }
}

#[test]
fn a_domain_that_nobody_checked_gives_something_and_never_panics() {
    for bits in BITS {
        assert_eq!(float(&uniform(1.0, 0.0).draw(bits)).max(1.0), 1.0);
        let _ = uniform(f64::NAN, f64::INFINITY).draw(bits);
        let _ = Domain::LogUniform { low: -1.0, high: 0.0 }.draw(bits);
        assert_eq!(int(&Domain::Int { low: 3, high: 1, step: -7 }.draw(bits)), 3);
        let _ = Domain::LogInt { low: -5, high: i64::MIN }.draw(bits);
        let _ = Domain::Choice(Vec::new()).draw(bits);
    }
}

#[test]
fn a_value_is_found_however_a_person_writes_it() {
    assert_eq!(steps(0.0, 0.5, 0.05).index_of(&Param::Float(0.15)), Some(3));
    assert_eq!(steps(0.0, 2.0, 0.5).index_of(&Param::Int(1)), Some(2));
    assert_eq!(Domain::Int { low: 1, high: 9, step: 2 }.index_of(&Param::Float(5.0)), Some(2));
    assert_eq!(Domain::Choice(vec![Param::Float(1.0), Param::Text("1".into())]).index_of(&Param::Int(1)), Some(0));
    assert_eq!(Domain::Constant(Param::Bool(true)).index_of(&Param::Bool(true)), Some(0));
    for (domain, value) in [
        (steps(0.0, 0.5, 0.05), Param::Float(0.16)),
        (steps(0.0, 0.5, 0.05), Param::Float(0.55)),
        (steps(0.0, 0.5, 0.05), Param::Float(f64::NAN)),
        (steps(0.0, 0.5, 0.05), Param::Float(-0.05)),
        (Domain::Int { low: 1, high: 9, step: 2 }, Param::Int(4)),
        (Domain::Int { low: 1, high: 9, step: 2 }, Param::Int(11)),
        (Domain::Int { low: 1, high: 9, step: 2 }, Param::Float(1.5)),
        (Domain::Int { low: i64::MIN, high: i64::MAX, step: 1 }, Param::Float(9.3e18)),
        (Domain::LogInt { low: 1, high: 9 }, Param::Text("1".into())),
        (Domain::Choice(vec![Param::Bool(true)]), Param::Int(1)),
        (uniform(0.0, 1.0), Param::Float(0.5)),
    ] {
        assert_eq!(domain.index_of(&value), None, "{value} in {domain:?}");
    }
}

proptest! {
    #[test]
    fn every_float_range_holds(a in any::<f64>(), b in any::<f64>(), bits: u64) {
        prop_assume!(a.is_finite() && b.is_finite());
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!((low..=high).contains(&float(&uniform(low, high).draw(bits))));
        let (low, high) = (a.abs().min(b.abs()), a.abs().max(b.abs()));
        prop_assume!(low > 0.0);
        let drawn = Domain::LogUniform { low, high }.draw(bits);
        prop_assert!((low..=high).contains(&float(&drawn)));
    }

    #[test]
    fn every_whole_range_holds(a: i64, b: i64, step in 1..i64::MAX, bits: u64) {
        let (low, high) = (a.min(b), a.max(b));
        let domain = Domain::Int { low, high, step };
        let drawn = domain.draw(bits);
        prop_assert!((low..=high).contains(&int(&drawn)));
        let index = domain.index_of(&drawn);
        prop_assert_eq!(domain.point(index.unwrap()), Some(drawn));
        prop_assert_eq!(domain.point(domain.points().unwrap()), None);
        let low = low.max(1);
        let high = high.max(low);
        let drawn = Domain::LogInt { low, high }.draw(bits);
        prop_assert!((low..=high).contains(&int(&drawn)));
    }

    #[test]
    fn steps_are_in_range_in_order_and_found_again(
        low in -1000.0..1000.0,
        span in 0.0..1000.0,
        step in prop_oneof![1e-3..10.0, (1..1000_u32).prop_map(|thousandths| f64::from(thousandths) / 1000.0)],
        at in any::<prop::sample::Index>(),
    ) {
        let high = low + span;
        let domain = steps(low, high, step);
        let points = domain.points().unwrap();
        let index = at.index(points as usize) as u128;
        let value = domain.point(index).unwrap();
        prop_assert_eq!(domain.index_of(&value), Some(index));
        let here = float(&value);
        prop_assert!((low..=high).contains(&here));
        prop_assert!((here - (low + index as f64 * step)).abs() <= 1e-9 * step);
        match domain.point(index + 1) {
            Some(next) => prop_assert!(float(&next) > here),
            None => prop_assert!(here + step > high - 1e-9 * step),
        }
    }
}
