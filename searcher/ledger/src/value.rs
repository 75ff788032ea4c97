//! How values are written in the ledger: times, counts, numbers that may not be finite, JSON.

use std::fmt::Write as _;

use bandmaster_record::{Number, Seconds, Timestamp};
use serde::Serialize;

/// ISO 8601 in UTC with milliseconds, as in `2026-11-23T22:05:01.120Z`. What no calendar knows becomes the nearest
/// that one does.
pub fn time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(if at.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX });
    let mut text = String::with_capacity(24);
    // Writing to a String does not fail.
    let _ = write!(text, "{at:.3}");
    text
}

/// SQLite's integers are signed: what does not fit is written as the largest.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What [`int`] wrote.
pub(crate) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A value and what `non_finite` says beside it.
pub(crate) fn number(number: Number) -> (Option<f64>, Option<&'static str>) {
    (number.finite(), number.non_finite())
}

/// A span; NULL if it is no number.
pub(crate) fn seconds(seconds: Seconds) -> Option<f64> {
    Number(seconds.0).finite()
}

/// JSON for a column. Keys are texts and floats finite in all that comes here, so that it cannot fail.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(time(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(Timestamp(1_700_000_000_120)), "2023-11-14T22:13:20.120Z");
        assert_eq!(time(Timestamp(i64::MAX)).len(), 24);
        assert!(time(Timestamp(i64::MIN)).ends_with('Z'));
    }
}
