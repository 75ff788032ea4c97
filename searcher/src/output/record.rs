//! One thing with its parts, as JSON: fields in their order, with records inside records.

use serde::{Serialize, Serializer};

use super::{Cell, Column};

/// Named values, and named records below them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record(Vec<(String, Field)>);

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Cell(Cell),
    Record(Record),
    List(Vec<Record>),
}

impl Record {
    /// A row's values under the names of its columns.
    pub fn of(columns: &[Column], row: Vec<Cell>) -> Self {
        Self(columns.iter().zip(row).map(|(column, cell)| (column.name.to_string(), Field::Cell(cell))).collect())
    }

    /// Adds a value.
    pub fn set(&mut self, name: &str, cell: impl Into<Cell>) -> &mut Self {
        self.0.push((name.to_owned(), Field::Cell(cell.into())));
        self
    }

    /// Adds a record, or nothing.
    pub fn set_record(&mut self, name: &str, record: Option<Record>) -> &mut Self {
        self.0.push((name.to_owned(), record.map_or(Field::Cell(Cell::Empty), Field::Record)));
        self
    }

    /// Adds a list of records.
    pub fn set_list(&mut self, name: &str, records: Vec<Record>) -> &mut Self {
        self.0.push((name.to_owned(), Field::List(records)));
        self
    }

    /// The value of that name; nothing if there is none.
    pub fn get(&self, name: &str) -> Cell {
        match self.field(name) {
            Some(Field::Cell(cell)) => cell.clone(),
            _ => Cell::Empty,
        }
    }

    /// Replaces a value.
    pub fn put(&mut self, name: &str, cell: impl Into<Cell>) {
        if let Some((_, field)) = self.0.iter_mut().find(|(known, _)| known == name) {
            *field = Field::Cell(cell.into());
        }
    }

    /// Takes a value out.
    pub fn take(&mut self, name: &str) -> Cell {
        let cell = self.get(name);
        self.0.retain(|(known, _)| known != name);
        cell
    }

    /// The values of those names, in that order: a row for a table.
    pub fn row(&self, columns: &[Column]) -> Vec<Cell> {
        columns.iter().map(|column| self.get(&column.name)).collect()
    }

    /// The record of that name.
    pub fn record(&self, name: &str) -> Option<&Record> {
        match self.field(name) {
            Some(Field::Record(record)) => Some(record),
            _ => None,
        }
    }

    /// The records of that name.
    pub fn list(&self, name: &str) -> &[Record] {
        match self.field(name) {
            Some(Field::List(records)) => records,
            _ => &[],
        }
    }

    /// Leaves only some records in a list.
    pub fn keep(&mut self, name: &str, wanted: impl FnMut(&Record) -> bool) {
        if let Some((_, Field::List(records))) = self.0.iter_mut().find(|(known, _)| known == name) {
            records.retain(wanted);
        }
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, field)| field)
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Cell(cell) => cell.serialize(serializer),
            Self::Record(record) => record.serialize(serializer),
            Self::List(records) => records.serialize(serializer),
        }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, field)| (name, field)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn fields_keep_their_order_and_records_nest() {
        let columns = [Column::new("zebra", Kind::Integer), Column::new("ape", Kind::Text)];
        let mut record = Record::of(&columns, vec![1.into(), Cell::Empty]);
        let inner = record.clone();
        record.set_record("none", None).set_record("one", Some(inner.clone())).set_list("many", vec![inner]);
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(json, r#"{"zebra":1,"ape":null,"none":null,"one":{"zebra":1,"ape":null},"many":[{"zebra":1,"ape":null}]}"#);
        assert_eq!(record.record("one").unwrap().get("zebra"), Cell::Int(1));
        assert_eq!(record.list("many")[0].row(&columns[..1]), [Cell::Int(1)]);
    }
}
