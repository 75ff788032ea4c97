//! A configuration in columns: whole where a value may have parts, one column `p.<name>` a parameter where it may not.

use bandmaster_record::{Number, SweepId};
use rusqlite::Connection;

use super::failed;
use crate::failure::Failure;
use crate::output::{Cell, Column, Kind, Shown};

/// The parameters of a sweep.
#[derive(Debug, Clone)]
pub struct ParamColumns(Vec<String>);

impl ParamColumns {
    /// Those that the sweep's space names, in its order.
    pub fn of(db: &Connection, sweep: &SweepId) -> Result<Self, Failure> {
        let sql = "SELECT json_extract(value, '$.name') FROM sweeps, json_each(sweeps.space, '$.parameters') WHERE sweep = ?1";
        let read = || -> rusqlite::Result<Vec<Option<String>>> {
            db.prepare_cached(sql)?.query_map([sweep.as_str()], |row| row.get(0))?.collect()
        };
        Ok(Self(read().map_err(failed)?.into_iter().flatten().collect()))
    }

    /// `params`, and a column for each.
    pub fn columns(&self) -> Vec<Column> {
        let each = self.0.iter().map(|name| Column::new(format!("p.{name}"), Kind::Any).shown(Shown::FLAT));
        std::iter::once(Column::new("params", Kind::Json).shown(Shown::WHOLE)).chain(each).collect()
    }

    /// The values for these columns.
    pub fn cells(&self, params: Cell) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(self.0.len() + 1);
        let value = if let Cell::Json(value) = &params { Some(value) } else { None };
        let each: Vec<Cell> = self.0.iter().map(|name| value.and_then(|value| value.get(name)).map_or(Cell::Empty, one)).collect();
        cells.push(params);
        cells.extend(each);
        cells
    }
}

fn one(value: &serde_json::Value) -> Cell {
    use serde_json::Value;
    match value {
        Value::Bool(flag) => Cell::Flag(*flag),
        Value::String(text) => Cell::Text(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Cell::Int(whole),
            (None, Some(number)) => Cell::Number(Number(number)),
            (None, None) => Cell::Json(value.clone()),
        },
        other => Cell::Json(other.clone()),
    }
}
