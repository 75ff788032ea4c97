//! One value of a row, and how programs read it. How people read it is in `people`.

use std::borrow::Cow;

use bandmaster_record::Number;
use serde::{Serialize, Serializer};

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing is known, or nothing applies.
    Empty,
    /// Yes or no.
    Flag(bool),
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number; NaN and infinities too.
    Number(Number),
    /// A point in time, ISO 8601 in UTC with milliseconds.
    Time(String),
    /// A span in seconds.
    Seconds(f64),
    /// A size in bytes.
    Bytes(i64),
    /// Anything else.
    Json(serde_json::Value),
}

impl Cell {
    /// Whether there is a value.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// As it stands in CSV and between bars: in full precision, nothing for nothing.
    pub fn plain(&self) -> Cow<'_, str> {
        match self {
            Self::Empty => Cow::Borrowed(""),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::Text(text) | Self::Time(text) => Cow::Borrowed(text),
            Self::Int(number) | Self::Bytes(number) => Cow::Owned(number.to_string()),
            Self::Number(number) => number.non_finite().map_or_else(|| Cow::Owned(format!("{:?}", number.0)), Cow::Borrowed),
            Self::Seconds(seconds) => Cow::Owned(format!("{seconds:?}")),
            Self::Json(serde_json::Value::String(text)) => Cow::Borrowed(text),
            Self::Json(value) => Cow::Owned(value.to_string()),
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Text(text) | Self::Time(text) => serializer.serialize_str(text),
            Self::Int(number) | Self::Bytes(number) => serializer.serialize_i64(*number),
            Self::Number(number) => number.serialize(serializer),
            Self::Seconds(seconds) => Number(*seconds).serialize(serializer),
            Self::Json(value) => value.serialize(serializer),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_back_the_number_that_was_meant() {
        for number in [0.1 + 0.2, 1e-7, 5e-324, -1.5e300, 3.0] {
            let cell = Cell::Number(Number(number));
            assert_eq!(cell.plain().parse::<f64>().unwrap().to_bits(), number.to_bits());
            assert_eq!(serde_json::to_string(&cell).unwrap().parse::<f64>().unwrap().to_bits(), number.to_bits());
        }
    }

    #[test]
    fn what_is_not_finite_is_a_word() {
        for (number, word) in [(f64::NAN, "NaN"), (f64::INFINITY, "Infinity"), (f64::NEG_INFINITY, "-Infinity")] {
            let cell = Cell::Number(Number(number));
            assert_eq!(cell.plain(), word);
            assert_eq!(serde_json::to_string(&cell).unwrap(), format!("\"{word}\""));
        }
    }

    #[test]
    fn nothing_is_null_and_an_empty_field() {
        assert_eq!(serde_json::to_string(&Cell::Empty).unwrap(), "null");
        assert_eq!(Cell::Empty.plain(), "");
    }
}
