//! Whether two ledgers say the same, row for row.

use rusqlite::types::Value;
use rusqlite::{Connection, Statement};

/// A table in which two ledgers differ.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{table} differs at row {row} in the order of its key: one has {one}, the other {other}")]
pub struct Difference {
    /// The table.
    pub table: String,
    /// Which row is the first that differs, from 1.
    pub row: u64,
    /// That row in the one ledger.
    pub one: String,
    /// That row in the other.
    pub other: String,
}

/// The first difference of each table, none if the ledgers are equal. The states' snapshots are left out: they are not
/// rows, and their bytes may differ where what they mean does not.
pub fn same_rows(one: &Connection, other: &Connection) -> rusqlite::Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for (table, key) in tables(one)? {
        let sql = format!("SELECT * FROM \"{table}\" ORDER BY {key}");
        let (mut left, mut right) = (one.prepare(&sql)?, other.prepare(&sql)?);
        differences.extend(first_difference(&table, &mut left, &mut right)?);
    }
    Ok(differences)
}

/// Each table with the columns of its key.
fn tables(db: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT tables.name, group_concat('\"' || columns.name || '\"', ', ' ORDER BY columns.pk)
        FROM pragma_table_list AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.schema = 'main' AND tables.type = 'table' AND tables.name NOT LIKE 'sqlite%' AND tables.name <> '_state' AND columns.pk > 0
        GROUP BY tables.name ORDER BY tables.name";
    let mut find = db.prepare(sql)?;
    find.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn first_difference(table: &str, one: &mut Statement<'_>, other: &mut Statement<'_>) -> rusqlite::Result<Option<Difference>> {
    let columns = one.column_count();
    let (mut left, mut right) = (one.query([])?, other.query([])?);
    let mut row = 0;
    loop {
        row += 1;
        let values = |found: Option<&rusqlite::Row<'_>>| -> rusqlite::Result<Option<Vec<Value>>> {
            found.map(|found| (0..columns).map(|column| found.get(column)).collect()).transpose()
        };
        let (a, b) = (values(left.next()?)?, values(right.next()?)?);
        if a != b {
            return Ok(Some(Difference { table: table.to_owned(), row, one: shown(a), other: shown(b) }));
        }
        if a.is_none() {
            return Ok(None);
        }
    }
}

fn shown(row: Option<Vec<Value>>) -> String {
    let value = |value: Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    };
    row.map_or_else(|| "no row".to_owned(), |row| row.into_iter().map(value).collect::<Vec<_>>().join("|"))
}
