//! How people read values: rounded, in units, without anything that could steer a terminal.

use bandmaster_record::Number;
use comfy_table::{Attribute, Cell as Field, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::{Cell, Column, Kind, Screen};

/// So many digits of a number are shown.
const DIGITS: i32 = 4;

/// A word that is longer may be broken to fit a terminal …
const WORD: usize = 24;

/// … and in a configuration one that is longer than this, where the table would not fit otherwise.
const SYLLABLE: usize = 8;

impl Cell {
    /// As people read it; `-` for nothing.
    pub fn readable(&self) -> String {
        match self {
            Self::Empty => "-".to_owned(),
            Self::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Self::Text(text) => visible(text),
            Self::Int(number) => number.to_string(),
            Self::Number(number) => readable_number(*number),
            Self::Time(time) => readable_time(time),
            Self::Seconds(seconds) => readable_seconds(*seconds),
            Self::Bytes(bytes) => readable_bytes(*bytes),
            Self::Json(value) => readable_params(value),
        }
    }
}

/// The text with its control characters made visible.
pub fn visible(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// Four digits, as in `0.03125` or `1.5e-7`; whole numbers whole.
pub fn readable_number(Number(number): Number) -> String {
    if !number.is_finite() {
        return Number(number).to_string();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e7).contains(&size) {
        let text = format!("{number:.*e}", DIGITS as usize - 1);
        return match text.split_once('e') {
            Some((mantissa, exponent)) => format!("{}e{exponent}", without_zeros(mantissa)),
            None => text,
        };
    }
    let whole = if size < 1.0 { size.log10().floor().max(-4.0) as i32 } else { size.log10() as i32 };
    let decimals = if size == 0.0 { 0 } else { (DIGITS - 1 - whole).max(0) };
    without_zeros(&format!("{number:.*}", decimals as usize)).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Without milliseconds: `2026-11-23T22:05:01Z`.
pub fn readable_time(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

/// The two largest units: `12 ms`, `3.5 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`.
pub fn readable_seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return Number(seconds).to_string();
    }
    if seconds < 0.9995 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    if seconds < 59.95 {
        return format!("{} s", without_zeros(&format!("{seconds:.1}")));
    }
    let seconds = seconds.round() as u64;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match hours {
        0 => format!("{minutes} min {} s", seconds % 60),
        1..48 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} d {} h", hours / 24, hours % 24),
    }
}

/// In powers of 1024: `512 B`, `1.5 MiB`.
pub fn readable_bytes(bytes: i64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size.abs() < 1023.5 {
            let digits = if size.abs() < 9.95 && unit != "B" { 1 } else { 0 };
            return format!("{size:.digits$} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// A resource with the word that people have for it: `27 (epoch)`.
pub fn with_unit(resource: &str, unit: &str) -> String {
    if unit.is_empty() { resource.to_owned() } else { format!("{resource} ({})", visible(unit)) }
}

/// A configuration in one line: `batch=32 lr=0.0012`; other JSON as it is.
pub fn readable_params(value: &serde_json::Value) -> String {
    use serde_json::Value;
    let one = |value: &Value| match value {
        Value::String(text) => visible(text),
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or_else(|| number.to_string(), |number| readable_number(Number(number)))
        }
        other => visible(&other.to_string()),
    };
    match value {
        Value::Object(object) if object.is_empty() => "-".to_owned(),
        Value::Object(object) => {
            object.iter().map(|(name, value)| format!("{}={}", visible(name), one(value))).collect::<Vec<_>>().join(" ")
        }
        Value::Array(values) => values.iter().map(one).collect::<Vec<_>>().join(", "),
        other => one(other),
    }
}

/// A table that fits the screen, each line with its newline. Only texts are broken into lines; where even that is not
/// enough, lines are longer than the screen.
pub(super) fn table(columns: &[&Column], rows: &[Vec<String>], header: bool, screen: Screen) -> String {
    if rows.is_empty() && !header {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    if header {
        table.set_header(columns.iter().map(|column| {
            let field = Field::new(visible(&column.name));
            if screen.bold { field.add_attribute(Attribute::Bold) } else { field }
        }));
    }
    if screen.bold {
        table.enforce_styling();
    }
    table.add_rows(rows);
    let widths = table.column_max_content_widths();
    let narrowest = |word: usize| -> Vec<u16> {
        let one = |(place, (column, width)): (usize, (&&Column, &u16))| match column.kind {
            Kind::Json => (*width).min(longest_word(rows, place, &column.name, word)),
            kind if kind.may_wrap() => (*width).min(longest_word(rows, place, &column.name, WORD)),
            _ => *width,
        };
        columns.iter().zip(&widths).enumerate().map(one).collect()
    };
    let gaps = 2 * (columns.len().saturating_sub(1)) as u16;
    let least = |narrowest: &[u16]| narrowest.iter().sum::<u16>().saturating_add(gaps);
    let mut bounds = narrowest(WORD);
    if screen.width.is_some_and(|width| width < least(&bounds)) {
        bounds = narrowest(SYLLABLE);
    }
    for (place, ((column, bound), shape)) in columns.iter().zip(&bounds).zip(table.column_iter_mut()).enumerate() {
        if column.kind.is_right() || (column.kind == Kind::Any && are_numbers(rows, place)) {
            shape.set_cell_alignment(CellAlignment::Right);
        }
        let gap = if place + 1 == columns.len() { 0 } else { 2 };
        shape.set_padding((0, gap));
        shape.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(bound + gap)));
    }
    if let Some(width) = screen.width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.max(least(&bounds)));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Whether a column whose kind nobody knows holds numbers.
fn are_numbers(rows: &[Vec<String>], place: usize) -> bool {
    let mut known = rows.iter().filter_map(|row| row.get(place)).filter(|value| *value != "-").peekable();
    known.peek().is_some() && known.all(|value| value.parse::<f64>().is_ok())
}

fn longest_word(rows: &[Vec<String>], place: usize, name: &str, most: usize) -> u16 {
    let values = rows.iter().filter_map(|row| row.get(place)).map(String::as_str);
    let longest = values.chain([name]).flat_map(|value| value.split(' ')).map(|word| word.chars().count()).max();
    longest.unwrap_or(0).min(most) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_what_is_compared() {
        let shown = |number| readable_number(Number(number));
        assert_eq!(shown(0.031_249_9), "0.03125");
        assert_eq!(shown(0.5), "0.5");
        assert_eq!(shown(0.0), "0");
        assert_eq!(shown(-0.123_456), "-0.1235");
        assert_eq!(shown(97.777_777), "97.78");
        assert_eq!(shown(1_234_567.0), "1234567");
        assert_eq!(shown(12_345_678.0), "1.235e7");
        assert_eq!(shown(0.000_012_34), "1.234e-5");
        assert_eq!(shown(1e-7), "1e-7");
        assert_eq!(shown(f64::NAN), "NaN");
        assert_eq!(shown(f64::NEG_INFINITY), "-Infinity");
    }

    #[test]
    fn spans_and_sizes_have_units() {
        let spans = [0.0123, 0.9996, 3.0, 59.96, 61.0, 3600.0, 86_400.0 * 3.0];
        assert_eq!(spans.map(readable_seconds), ["12 ms", "1 s", "3 s", "1 min 0 s", "1 min 1 s", "1 h 0 min", "3 d 0 h"]);
        let sizes = [0, 1023, 1024, 1_572_864, 20 << 20, 3 << 40];
        assert_eq!(sizes.map(readable_bytes), ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "20 MiB", "3.0 TiB"]);
    }

    #[test]
    fn nothing_in_a_text_can_steer_the_terminal() {
        assert_eq!(visible("a\x1b[2Jb\n\u{9b}c"), "a\\u{1b}[2Jb\\n\\u{9b}c");
        let params = serde_json::json!({"x\x1b": "y\x07", "lr": 0.000_123_456, "on": true});
        assert_eq!(readable_params(&params), "lr=0.0001235 on=true x\\u{1b}=y\\u{7}");
    }
}
