//! Values: a metric's number, which JSON cannot always write, and a parameter's value.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number that a trial reported. JSON has no NaN and no infinities, so these are written as the strings `"NaN"`,
/// `"Infinity"` and `"-Infinity"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl Number {
    /// `"NaN"`, `"Infinity"` or `"-Infinity"` for what is not finite.
    pub fn non_finite(self) -> Option<&'static str> {
        if self.0.is_nan() {
            Some("NaN")
        } else if self.0 == f64::INFINITY {
            Some("Infinity")
        } else if self.0 == f64::NEG_INFINITY {
            Some("-Infinity")
        } else {
            None
        }
    }

    /// The number if it is finite.
    pub fn finite(self) -> Option<f64> {
        self.0.is_finite().then_some(self.0)
    }

    /// What [`Number::non_finite`] wrote; also `inf`, `nan` and the like, in any case, as programs print them.
    pub fn from_words(text: &str) -> Option<Number> {
        let (sign, word) = match text.strip_prefix('-') {
            Some(rest) => (-1.0, rest),
            None => (1.0, text.strip_prefix('+').unwrap_or(text)),
        };
        match word.to_ascii_lowercase().as_str() {
            "nan" => Some(Number(f64::NAN)),
            "inf" | "infinity" => Some(Number(sign * f64::INFINITY)),
            _ => None,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.non_finite() {
            Some(word) => f.pad(word),
            None => self.0.fmt(f),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.non_finite() {
            Some(word) => serializer.serialize_str(word),
            None => serializer.serialize_f64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }
            fn visit_f64<E>(self, v: f64) -> Result<Number, E> {
                Ok(Number(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }
            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Number, E> {
                Number::from_words(v).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(v), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The value of a hyperparameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Param {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// A text.
    Text(String),
}

impl fmt::Display for Param {
    /// As it stands in a command's argument. A float is written so that it reads back as the same float.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(v) => write!(f, "{v}"),
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v:?}"),
            Self::Text(v) => f.write_str(v),
        }
    }
}

/// A configuration: the active parameters by name.
pub type Params = BTreeMap<String, Param>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_cannot_write_comes_back_as_it_was() {
        for v in [f64::INFINITY, f64::NEG_INFINITY, 0.1, -0.0, 1e300, 5e-324] {
            let text = serde_json::to_string(&Number(v)).unwrap();
            assert_eq!(serde_json::from_str::<Number>(&text).unwrap().0.to_bits(), v.to_bits(), "{text}");
        }
        assert!(serde_json::from_str::<Number>("\"NaN\"").unwrap().0.is_nan());
        assert!(serde_json::from_str::<Number>("\"abc\"").is_err());
    }

    #[test]
    fn a_whole_float_stays_a_float() {
        let text = serde_json::to_string(&Param::Float(1.0)).unwrap();
        assert_eq!(serde_json::from_str::<Param>(&text).unwrap(), Param::Float(1.0));
        assert_eq!(Param::Float(1e-7).to_string(), "1e-7");
        assert_eq!(Param::Float(2.0).to_string(), "2.0");
    }
}
