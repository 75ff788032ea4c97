//! Rows on their way out: programs get each as it comes, people get a table when all have come.

use std::io::{BufWriter, Write};

use super::{Cell, Column, Format, Layout, Screen, machine, people};
use crate::failure::Failure;

/// The version of what the commands print as JSON. It grows when a name goes, or changes its meaning; new names may come
/// at any time.
pub const SCHEMA_VERSION: u32 = 1;

/// A listing that is being printed.
pub struct Listing<'o> {
    columns: Vec<Column>,
    chosen: Vec<usize>,
    layout: Layout,
    header: bool,
    screen: Screen,
    out: BufWriter<&'o mut dyn Write>,
    /// What people will read.
    rows: Vec<Vec<String>>,
    /// How many rows came.
    count: u64,
}

impl<'o> Listing<'o> {
    /// Begins the rows that JSON calls `name`.
    ///
    /// # Errors
    /// An unknown column was asked for; the output cannot be written.
    pub fn begin(name: &str, columns: Vec<Column>, format: &Format, out: &'o mut dyn Write) -> Result<Self, Failure> {
        Self::begin_with(name, &[], columns, format, out)
    }

    /// The same, with what JSON says besides, before the rows.
    pub fn begin_with(
        name: &str,
        besides: &[(&str, serde_json::Value)],
        columns: Vec<Column>,
        format: &Format,
        out: &'o mut dyn Write,
    ) -> Result<Self, Failure> {
        let chosen = format.choose(&columns)?;
        let (layout, header, screen) = (format.layout(), format.header(), format.screen);
        let mut listing = Self { columns, chosen, layout, header, screen, out: BufWriter::new(out), rows: Vec::new(), count: 0 };
        listing.head(name, besides).map_err(Failure::output)?;
        Ok(listing)
    }

    fn head(&mut self, name: &str, besides: &[(&str, serde_json::Value)]) -> std::io::Result<()> {
        let names = self.chosen.iter().filter_map(|place| self.columns.get(*place)).map(|column| column.name.as_ref().into());
        match self.layout {
            Layout::Json => {
                write!(self.out, "{{\"schema_version\":{SCHEMA_VERSION}")?;
                for (key, value) in besides {
                    write!(self.out, ",\n{}:{value}", serde_json::Value::from(*key))?;
                }
                write!(self.out, ",\n{}:[", serde_json::Value::from(name))
            }
            Layout::Csv if self.header => machine::csv(names, &mut self.out),
            Layout::Bars if self.header => machine::bars(names, &mut self.out),
            Layout::Csv | Layout::Bars | Layout::Jsonl | Layout::Table => Ok(()),
        }
    }

    /// Adds a row: one value for each column, those that are not printed too.
    pub fn row(&mut self, cells: &[Cell]) -> Result<(), Failure> {
        let chosen: Vec<&Cell> = self.chosen.iter().map(|place| cells.get(*place).unwrap_or(&Cell::Empty)).collect();
        let columns: Vec<&Column> = self.chosen.iter().filter_map(|place| self.columns.get(*place)).collect();
        let fields = chosen.iter().map(|cell| cell.plain());
        let first = self.count == 0;
        self.count += 1;
        let out = &mut self.out;
        let written = match self.layout {
            Layout::Table => {
                self.rows.push(chosen.iter().map(|cell| cell.readable()).collect());
                Ok(())
            }
            Layout::Json => out.write_all(if first { b"\n" } else { b",\n" }).and_then(|()| machine::object(&columns, &chosen, out)),
            Layout::Jsonl => machine::object(&columns, &chosen, out).and_then(|()| out.write_all(b"\n")),
            Layout::Csv => machine::csv(fields, out),
            Layout::Bars => machine::bars(fields, out),
        };
        written.map_err(Failure::output)
    }

    /// Prints what is left.
    pub fn end(mut self) -> Result<(), Failure> {
        let rest = match self.layout {
            Layout::Table => {
                let columns: Vec<&Column> = self.chosen.iter().filter_map(|place| self.columns.get(*place)).collect();
                people::table(&columns, &self.rows, self.header, self.screen)
            }
            Layout::Json => "]}\n".to_owned(),
            Layout::Jsonl | Layout::Csv | Layout::Bars => String::new(),
        };
        self.out.write_all(rest.as_bytes()).and_then(|()| self.out.flush()).map_err(Failure::output)
    }
}

/// Prints one JSON object that is no listing; `key` names what it holds, beside the version.
pub fn write_json(key: &str, value: &impl serde::Serialize, out: &mut dyn Write) -> Result<(), Failure> {
    let mut text = format!("{{\"schema_version\":{SCHEMA_VERSION},\n{}:", serde_json::Value::from(key)).into_bytes();
    serde_json::to_writer(&mut text, value).map_err(|error| Failure::output(error.into()))?;
    text.extend_from_slice(b"}\n");
    out.write_all(&text).and_then(|()| out.flush()).map_err(Failure::output)
}

#[cfg(test)]
mod tests {
    use super::super::format::given;
    use super::super::{Kind, Shown};
    use super::*;
    use bandmaster_record::Number;
    use serde_json::json;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("name", Kind::Text),
            Column::new("resource", Kind::Integer),
            Column::new("value", Kind::Number),
            Column::new("params", Kind::Json).shown(Shown::WHOLE),
            Column::new("cause", Kind::Text),
            Column::new("ended_at", Kind::Time).shown(Shown::PROGRAMS),
            Column::new("seconds", Kind::Duration),
        ]
    }

    fn rows() -> Vec<Vec<Cell>> {
        let time = |text: &str| Cell::Time(text.to_owned());
        let params = |lr: f64, hidden: i64| Cell::Json(json!({"lr": lr, "hidden": hidden, "optimizer": "sgd"}));
        let number = |number| Cell::Number(Number(number));
        vec![
            vec![
                "digits-1/3".into(),
                27.into(),
                number(0.031_249_87),
                params(0.012_345_678, 128),
                Cell::Empty,
                time("2026-11-23T22:05:01.120Z"),
                Cell::Seconds(61.25),
            ],
            vec!["digits-1/12".into(), 9.into(), number(f64::NAN), params(0.9, 16), Cell::Empty, Cell::Empty, Cell::Seconds(0.031)],
            vec!["digits-1/0".into(), 0.into(), Cell::Empty, params(1e-5, 32), "wrong_exit, \"1\"".into(), Cell::Empty, Cell::Empty],
        ]
    }

    fn printed(format: &Format) -> String {
        let mut out = Vec::new();
        let mut listing = Listing::begin("trials", columns(), format, &mut out).unwrap();
        for row in rows() {
            listing.row(&row).unwrap();
        }
        listing.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn on(width: u16, bold: bool) -> Format {
        let mut format = given(&[]);
        format.screen = Screen { width: Some(width), bold };
        format
    }

    #[test]
    fn a_pipe_gets_the_whole_table() {
        insta::assert_snapshot!(printed(&given(&[])));
    }

    #[test]
    fn a_narrow_terminal_breaks_texts_and_never_numbers() {
        let text = printed(&on(70, false));
        assert!(text.lines().all(|line| line.chars().count() <= 70), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_terminal_that_is_too_narrow_still_gets_every_value_whole() {
        let text = printed(&on(10, false));
        for value in ["digits-1/12", "0.03125", "wrong_exit", "NaN", "1 min 1 s"] {
            assert!(text.contains(value), "{text}");
        }
    }

    #[test]
    fn a_wide_terminal_gets_what_a_pipe_gets() {
        assert_eq!(printed(&on(200, false)), printed(&given(&[])));
    }

    #[test]
    fn only_the_header_is_bold_and_only_where_it_may_be() {
        let text = printed(&on(200, true));
        assert!(text.lines().next().unwrap().contains("\x1b[1m"), "{text:?}");
        assert!(!text.lines().skip(1).any(|line| line.contains("\x1b[1m")), "{text:?}");
        assert!(!printed(&on(200, false)).contains('\x1b'));
    }

    #[test]
    fn json_keeps_full_precision_and_the_columns_order() {
        insta::assert_snapshot!(printed(&given(&["--format", "json"])));
    }

    #[test]
    fn json_lines_are_the_same_rows() {
        let whole: serde_json::Value = serde_json::from_str(&printed(&given(&["--format", "json"]))).unwrap();
        let lines: Vec<serde_json::Value> =
            printed(&given(&["--format", "jsonl"])).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(whole, json!({"schema_version": 1, "trials": lines}));
    }

    #[test]
    fn csv_and_bars_have_a_header_unless_asked_not_to() {
        insta::assert_snapshot!(printed(&given(&["--format", "csv"])));
        insta::assert_snapshot!(printed(&given(&["-P"])));
        let without = printed(&given(&["-Ph"]));
        assert_eq!(without, printed(&given(&["-P"])).split_once('\n').unwrap().1);
        assert!(!printed(&given(&["-h"])).contains("resource"));
    }

    #[test]
    fn an_empty_listing_is_still_valid() {
        let json = "{\"schema_version\":1,\n\"trials\":[]}\n";
        for (flags, text) in [("--format=json", json), ("--format=jsonl", ""), ("-Ph", ""), ("-h", "")] {
            let mut out = Vec::new();
            Listing::begin("trials", columns(), &given(&[flags]), &mut out).unwrap().end().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), text, "{flags}");
        }
    }

    #[test]
    fn a_reader_that_left_is_told_from_a_full_disk() {
        struct Full(std::io::ErrorKind);
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        for (kind, closed) in [(std::io::ErrorKind::BrokenPipe, true), (std::io::ErrorKind::StorageFull, false)] {
            let mut out = Full(kind);
            let failure = Listing::begin("trials", columns(), &given(&[]), &mut out).unwrap().end().unwrap_err();
            assert_eq!(failure.is_closed_pipe(), closed);
        }
    }
}
