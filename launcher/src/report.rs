//! One line of a trial's report file, read leniently: what a trial writes was written by any language's JSON library,
//! or by hand in a shell, and nothing in it may ever bring the launcher down.

use std::collections::BTreeMap;
use std::fmt;

use bandmaster_record::{Number, Resource};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess};

/// The longest line that is read, in bytes. A longer one is garbage.
pub const MAX_LINE: usize = 256 * 1024;

/// More brackets than this in one line are garbage: a report is flat, and a parser must not run out of stack.
const MAX_BRACKETS: usize = 64;

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// At which resource.
    pub resource: Resource,
    /// The metrics that are numbers.
    pub metrics: BTreeMap<String, Number>,
    /// The names of those that are none, and are left out.
    pub left_out: Vec<String>,
}

/// Reads one line, given without its newline. `Ok(None)` for a blank one; the error is a reason for people.
pub fn parse(line: &[u8]) -> Result<Option<Report>, String> {
    if line.len() > MAX_LINE {
        return Err(format!("longer than {MAX_LINE} bytes"));
    }
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.bytes().filter(|b| matches!(b, b'[' | b'{')).count() > MAX_BRACKETS {
        return Err("too deeply nested".to_owned());
    }
    let fields: BTreeMap<String, Value> = match serde_json::from_str(text) {
        Ok(fields) => fields,
        // NaN and Infinity, as Python writes them, are JSON5.
        Err(strict) => json5::from_str(text).map_err(|_| format!("not a JSON object: {strict}"))?,
    };
    let mut report = Report { resource: Resource(0), metrics: BTreeMap::new(), left_out: Vec::new() };
    let mut resource = None;
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("resource", Value::Number(at)) => resource = Some(at),
            ("resource", Value::Other) => return Err("its `resource` is no number".to_owned()),
            (_, Value::Number(number)) => drop(report.metrics.insert(name, Number(number))),
            (_, Value::Other) => report.left_out.push(name),
        }
    }
    let at = resource.ok_or_else(|| "it has no `resource`".to_owned())?;
    // Above 2^53 a float no longer tells whole numbers apart.
    if !(0.0..=9_007_199_254_740_992.0).contains(&at) || at.fract() != 0.0 {
        return Err(format!("its `resource` {at} is no whole number"));
    }
    report.resource = Resource(at as u64);
    Ok(Some(report))
}

/// A value as a report may hold it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Number(f64),
    Other,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
                Ok(Value::Number(f64::from(u8::from(v))))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
                Ok(Value::Number(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
                Ok(Value::Number(v as f64))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
                Ok(Value::Number(v as f64))
            }
            fn visit_str<E>(self, v: &str) -> Result<Value, E> {
                Ok(number(v).map_or(Value::Other, Value::Number))
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Other)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                while seq.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A number as programs print it: decimal, or `nan`, `-inf` and the like in any case.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    Number::from_words(text).map(|number| number.0).or_else(|| text.parse().ok())
}

/// The beginning of a line for people: printable, and not long.
pub fn sample(line: &[u8]) -> String {
    let head = line.get(..80).unwrap_or(line);
    let text: String = String::from_utf8_lossy(head).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if line.len() > head.len() { format!("{text}…") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Report {
        parse(line.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn what_python_writes_for_nan_and_infinity_is_understood() {
        let report = read(r#"{"resource": 3, "val_loss": NaN, "a": Infinity, "b": -Infinity, "c": 1e-3}"#);
        assert_eq!(report.resource, Resource(3));
        assert!(report.metrics["val_loss"].0.is_nan());
        assert_eq!(report.metrics["a"].0, f64::INFINITY);
        assert_eq!(report.metrics["b"].0, f64::NEG_INFINITY);
        assert_eq!(report.metrics["c"].0, 1e-3);
    }

    #[test]
    fn numbers_in_other_clothes_are_numbers_and_the_rest_is_left_out_by_name() {
        let report = read(r#"{"resource": 3.0, "ok": true, "text": "0.5", "nan": "nan", "name": "x", "none": null, "deep": {"a": [1]}}"#);
        assert_eq!(report.metrics["ok"].0, 1.0);
        assert_eq!(report.metrics["text"].0, 0.5);
        assert!(report.metrics["nan"].0.is_nan());
        assert_eq!(report.left_out, ["deep", "name", "none"]);
    }

    #[test]
    fn a_line_that_names_no_whole_resource_is_garbage_with_a_reason() {
        for bad in
            ["{\"a\": 1}", "{\"resource\": 1.5}", "{\"resource\": -1}", "{\"resource\": NaN}", "[1]", "epoch 3", "{\"resource\": 1e300}"]
        {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(parse(b"  \r").unwrap(), None);
    }

    #[test]
    fn deep_nesting_and_long_lines_are_refused_before_they_are_parsed() {
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        assert!(parse(format!("{{\"resource\":1,\"a\":{}", "{'b':".repeat(10_000)).as_bytes()).is_err());
        assert!(parse(&vec![b' '; MAX_LINE + 1]).is_err());
    }

    proptest! {
        #[test]
        fn no_line_brings_it_down(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line);
            prop_assert!(sample(&line).chars().count() <= 81);
        }

        #[test]
        fn a_finite_number_is_read_as_it_was_written(value in proptest::num::f64::NORMAL | proptest::num::f64::ZERO, at in 0..1_000_000u64) {
            let report = read(&format!("{{\"resource\":{at},\"v\":{value:?}}}"));
            prop_assert_eq!(report.metrics["v"].0.to_bits(), value.to_bits());
            prop_assert_eq!(report.resource, Resource(at));
        }
    }
}
