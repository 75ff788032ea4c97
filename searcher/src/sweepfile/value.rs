//! From TOML's values to ours, with words for what does not fit.

use bandmaster_record::Param;
use toml::de::DeValue;

/// What a value is, in the words of a message.
pub(crate) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a decimal point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time (TOML reads it so without quotes)",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// A whole number; the reason if it is none.
pub(crate) fn whole(value: &DeValue<'_>) -> Result<i64, String> {
    match value {
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| "is beyond 64 bits: no computer of ours counts so far".to_owned()),
        other => Err(format!("must be a whole number, and is {}", kind_of(other))),
    }
}

/// A finite number, whole or not; the reason if it is none.
pub(crate) fn finite(value: &DeValue<'_>) -> Result<f64, String> {
    let number = match value {
        // Rounded to the nearest, as in every language that reads 0.1.
        DeValue::Integer(_) => whole(value)? as f64,
        DeValue::Float(float) => float.as_str().parse().map_err(|_| "is no number that we can read".to_owned())?,
        other => return Err(format!("must be a number, and is {}", kind_of(other))),
    };
    if f64::is_finite(number) {
        Ok(number)
    } else if number.is_nan() {
        Err("must be finite, and is NaN".to_owned())
    } else {
        Err("must be finite, and is infinite or too large for a 64-bit float".to_owned())
    }
}

/// A text without the null character, which no argument, variable or file name can hold; the reason if it is none.
pub(crate) fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) if text.contains('\0') => Err("must not contain the null character".to_owned()),
        DeValue::String(text) => Ok(text.clone().into_owned()),
        other => Err(format!("must be a string, and is {}", kind_of(other))),
    }
}

/// The value of a parameter; the reason if it can be none.
pub(crate) fn param(value: &DeValue<'_>) -> Result<Param, String> {
    match value {
        DeValue::Boolean(value) => Ok(Param::Bool(*value)),
        DeValue::Integer(_) => whole(value).map(Param::Int),
        DeValue::Float(_) => finite(value).map(Param::Float),
        DeValue::String(_) => text(value).map(Param::Text),
        other => Err(format!("must be a number, a string, true or false, and is {}", kind_of(other))),
    }
}

/// A parameter's value as it is written in TOML.
pub(crate) fn as_toml(param: &Param) -> String {
    match param {
        Param::Text(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

/// What kind of value a parameter's value is, in the words of a message.
pub(crate) fn kind_of_param(param: &Param) -> &'static str {
    match param {
        Param::Bool(_) => "true or false",
        Param::Int(_) => "a whole number",
        Param::Float(_) => "a number with a decimal point",
        Param::Text(_) => "a string",
    }
}
