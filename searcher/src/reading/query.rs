//! Rows of a query as cells, by what their columns hold.

use bandmaster_record::Number;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row};

use crate::failure::{Failure, FailureKind};
use crate::output::{Cell, Column, Kind};

/// Hands over each row of the query: one value for each of the columns, in their order.
///
/// # Errors
/// The ledger cannot be read; what `row` returns.
pub fn each(
    db: &Connection,
    sql: &str,
    params: impl Params,
    columns: &[Column],
    mut row: impl FnMut(Vec<Cell>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut statement = db.prepare(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    while let Some(found) = rows.next().map_err(failed)? {
        row(cells(found, columns).map_err(failed)?)?;
    }
    Ok(())
}

/// All rows of the query.
pub fn all(db: &Connection, sql: &str, params: impl Params, columns: &[Column]) -> Result<Vec<Vec<Cell>>, Failure> {
    let mut found = Vec::new();
    each(db, sql, params, columns, |row| {
        found.push(row);
        Ok(())
    })?;
    Ok(found)
}

/// The first row of the query.
pub fn first(db: &Connection, sql: &str, params: impl Params, columns: &[Column]) -> Result<Option<Vec<Cell>>, Failure> {
    Ok(all(db, sql, params, columns)?.into_iter().next())
}

fn cells(row: &Row<'_>, columns: &[Column]) -> rusqlite::Result<Vec<Cell>> {
    columns.iter().enumerate().map(|(place, column)| Ok(value(row.get_ref(place)?, column.kind))).collect()
}

/// A value as its column's kind has it. One of another type than expected is shown as what it is.
pub(crate) fn value(value: ValueRef<'_>, kind: Kind) -> Cell {
    match (value, kind) {
        (ValueRef::Null, _) => Cell::Empty,
        (ValueRef::Integer(number), Kind::Flag) => Cell::Flag(number != 0),
        (ValueRef::Integer(number), Kind::Bytes) => Cell::Bytes(number),
        (ValueRef::Integer(number), Kind::Number) => Cell::Number(Number(number as f64)),
        (ValueRef::Integer(number), Kind::Duration) => Cell::Seconds(number as f64),
        (ValueRef::Integer(number), _) => Cell::Int(number),
        (ValueRef::Real(number), Kind::Duration) => Cell::Seconds(number),
        (ValueRef::Real(number), _) => Cell::Number(Number(number)),
        (ValueRef::Text(text), kind) => written(&String::from_utf8_lossy(text), kind),
        (ValueRef::Blob(bytes), _) => Cell::Text(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

fn written(text: &str, kind: Kind) -> Cell {
    let cell = match kind {
        Kind::Time => Some(Cell::Time(text.to_owned())),
        Kind::Number => Number::from_words(text).map(Cell::Number),
        Kind::Json => serde_json::from_str(text).ok().map(Cell::Json),
        _ => None,
    };
    cell.unwrap_or_else(|| text.into())
}

/// The ledger could not answer a question of ours.
pub(crate) fn failed(error: rusqlite::Error) -> Failure {
    Failure::say(
        FailureKind::Ledger,
        format!("the ledger cannot be read: {error}"),
        "see what is wrong with `bandmaster ledger check`, and make it anew from the journals with `bandmaster ledger rebuild`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_finite_comes_back_from_its_word() {
        let db = Connection::open_in_memory().unwrap();
        let columns = [Column::new("value", Kind::Number)];
        let rows = all(&db, "VALUES (0.5), ('NaN'), ('-Infinity'), (3), (NULL)", [], &columns).unwrap();
        let shown: Vec<String> = rows.iter().map(|row| row[0].plain().into_owned()).collect();
        assert_eq!(shown, ["0.5", "NaN", "-Infinity", "3.0", ""]);
    }

    #[test]
    fn what_is_not_as_expected_is_shown_as_it_is() {
        assert_eq!(value(ValueRef::Text(b"{broken"), Kind::Json), "{broken".into());
        assert_eq!(value(ValueRef::Blob(&[0, 255]), Kind::Any), "00ff".into());
        assert_eq!(value(ValueRef::Integer(1), Kind::Flag), Cell::Flag(true));
    }
}
