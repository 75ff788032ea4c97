//! How often a trial should checkpoint, where the sweep leaves it to us.

use bandmaster_record::Seconds;

/// The mean time between interruptions that is assumed: no history of the site is kept yet.
const BETWEEN_INTERRUPTIONS: f64 = 4.0 * 3600.0;

/// Before any checkpoint's cost is known.
const UNKNOWN: Seconds = Seconds(120.0);

/// Bounds on what is reckoned.
const BOUNDS: (f64, f64) = (15.0, 1800.0);

/// Young's √(2·C·M) for a checkpoint that costs `cost` seconds.
pub fn reckon(cost: Option<Seconds>) -> Seconds {
    match cost {
        None => UNKNOWN,
        Some(cost) => Seconds((2.0 * cost.0.max(0.0) * BETWEEN_INTERRUPTIONS).sqrt().clamp(BOUNDS.0, BOUNDS.1).round()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_the_root_of_the_cost_and_is_bounded() {
        assert_eq!(reckon(Some(Seconds(0.5))), Seconds(120.0));
        assert_eq!(reckon(Some(Seconds(2.0))), Seconds(240.0));
        assert_eq!(reckon(Some(Seconds(0.0))), Seconds(15.0));
        assert_eq!(reckon(Some(Seconds(1e6))), Seconds(1800.0));
    }
}
