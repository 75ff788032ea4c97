//! How programs read rows: JSON, JSON lines, CSV, fields between bars. Written row by row, so that a million of them
//! need no memory.

use std::io::{self, Write};

use serde::ser::{SerializeMap, Serializer};

use super::{Cell, Column};

/// One row as a JSON object, its keys in the order of the columns.
pub(super) fn object(columns: &[&Column], row: &[&Cell], out: &mut impl Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::new(out);
    let mut map = serializer.serialize_map(Some(columns.len()))?;
    for (column, cell) in columns.iter().zip(row) {
        map.serialize_entry(&column.name, cell)?;
    }
    map.end()?;
    Ok(())
}

/// One row of CSV.
pub(super) fn csv<'a>(fields: impl Iterator<Item = std::borrow::Cow<'a, str>>, out: &mut impl Write) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    for field in fields {
        writer.write_field(field.as_bytes())?;
    }
    writer.write_record(None::<&[u8]>)?;
    out.write_all(&writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?)
}

/// One row between bars. A bar, a backslash or a newline in a field has a backslash before it, so that a row stays a
/// line and its fields can be told apart.
pub(super) fn bars<'a>(fields: impl Iterator<Item = std::borrow::Cow<'a, str>>, out: &mut impl Write) -> io::Result<()> {
    for (place, field) in fields.enumerate() {
        if place > 0 {
            out.write_all(b"|")?;
        }
        if field.contains(['|', '\\', '\n', '\r']) {
            let escaped = field.replace('\\', "\\\\").replace('|', "\\|").replace('\n', "\\n").replace('\r', "\\r");
            out.write_all(escaped.as_bytes())?;
        } else {
            out.write_all(field.as_bytes())?;
        }
    }
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn written(write: fn(std::vec::IntoIter<Cow<'static, str>>, &mut Vec<u8>) -> io::Result<()>, fields: &[&'static str]) -> String {
        let mut out = Vec::new();
        let fields: Vec<Cow<'static, str>> = fields.iter().map(|field| Cow::Borrowed(*field)).collect();
        write(fields.into_iter(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_quotes_what_would_break_a_row() {
        assert_eq!(written(csv, &["a", "b,c", "d\"e", "f\ng", ""]), "a,\"b,c\",\"d\"\"e\",\"f\ng\",\n");
    }

    #[test]
    fn a_row_between_bars_is_one_line() {
        assert_eq!(written(bars, &["a", "b|c", "d\ne", "\\"]), "a|b\\|c|d\\ne|\\\\\n");
    }
}
