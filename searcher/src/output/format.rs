//! The flags that every listing has, as users of squeue and sacct expect them; and those of a page.

use super::{Column, Screen};
use crate::failure::{Failure, FailureKind};

/// How rows are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// For people: rounded, as wide as the terminal
    #[default]
    Table,
    /// One JSON object, with its schema_version
    Json,
    /// One JSON object a row
    Jsonl,
    /// Comma-separated, quoted where needed
    Csv,
    /// Fields between bars, as -P
    #[value(skip)]
    Bars,
}

/// The flags.
#[derive(Debug, Clone, clap::Args)]
#[command(disable_help_flag = true, next_help_heading = "Output")]
pub struct Format {
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Layout,
    /// Print fields between `|`, in full precision, for scripts
    #[arg(short = 'P', long, visible_alias = "parsable2", conflicts_with = "format")]
    parsable: bool,
    /// Print no header
    #[arg(short = 'H', long, visible_short_alias = 'h', visible_alias = "noheader")]
    no_header: bool,
    /// Print these columns, in this order
    #[arg(short = 'o', long, value_delimiter = ',', value_name = "COLUMNS")]
    columns: Vec<String>,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// What is known of the terminal.
    #[arg(skip = Screen::of_stdout())]
    pub screen: Screen,
}

impl Format {
    /// How rows are printed.
    pub fn layout(&self) -> Layout {
        if self.parsable { Layout::Bars } else { self.format }
    }

    /// Whether a table begins with its columns' names.
    pub fn header(&self) -> bool {
        !self.no_header
    }

    /// Whether a person reads, who did not ask for certain columns: then a command may show more than a table.
    pub fn is_free(&self) -> bool {
        self.layout() == Layout::Table && !self.has_columns()
    }

    /// Whether certain columns are asked for.
    pub fn has_columns(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Which of these columns are printed, by their places.
    ///
    /// # Errors
    /// Usage: a column that there is not, with the nearest that there are.
    pub fn choose(&self, columns: &[Column]) -> Result<Vec<usize>, Failure> {
        if self.columns.is_empty() {
            let shown = |column: &Column| match self.layout() {
                Layout::Table => column.shown.table,
                Layout::Json | Layout::Jsonl => column.shown.json,
                Layout::Csv | Layout::Bars => column.shown.flat,
            };
            return Ok((0..).zip(columns).filter(|(_, column)| shown(column)).map(|(place, _)| place).collect());
        }
        let find = |name: &String| {
            let name = name.trim();
            columns.iter().position(|column| column.name == name).ok_or_else(|| unknown(name, columns))
        };
        self.columns.iter().map(find).collect()
    }
}

/// How a page is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct PageFormat {
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = PageLayout::Table)]
    pub format: PageLayout,
    /// What is known of the terminal.
    #[arg(skip = Screen::of_stdout())]
    pub screen: Screen,
}

/// For whom a page is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PageLayout {
    /// For people
    Table,
    /// One JSON object, with its schema_version and everything there is
    Json,
}

fn unknown(name: &str, columns: &[Column]) -> Failure {
    let mut near: Vec<(f64, &str)> = columns.iter().map(|column| (strsim::jaro_winkler(&column.name, name), &*column.name)).collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let near: Vec<String> = near.into_iter().filter(|(likeness, _)| *likeness > 0.7).take(3).map(|(_, name)| format!("`{name}`")).collect();
    let all = columns.iter().map(|column| &*column.name).collect::<Vec<_>>().join(", ");
    let help = if near.is_empty() { format!("there are {all}") } else { format!("did you mean {}? There are {all}", near.join(" or ")) };
    Failure::say(FailureKind::Usage, format!("there is no column `{name}`"), help)
}

/// The flags as they are given on a command line of their own, for a pipe.
#[cfg(test)]
pub(crate) fn given(flags: &[&str]) -> Format {
    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        format: Format,
    }
    let Only { format } = clap::Parser::parse_from(std::iter::once(&"list").chain(flags));
    Format { screen: Screen::PIPE, ..format }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Shown};
    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("name", Kind::Text),
            Column::new("value", Kind::Number),
            Column::new("params", Kind::Json).shown(Shown::WHOLE),
            Column::new("p.lr", Kind::Number).shown(Shown::FLAT),
            Column::new("seed", Kind::Integer).shown(Shown::PROGRAMS),
        ]
    }

    fn chosen(flags: &[&str]) -> Vec<usize> {
        given(flags).choose(&columns()).unwrap()
    }

    #[test]
    fn h_means_no_header_as_squeue_users_expect() {
        for flags in [["-h"], ["-H"], ["--no-header"], ["--noheader"]] {
            assert!(!given(&flags).header());
        }
        assert!(given(&[]).header());
    }

    #[test]
    fn help_is_asked_for_by_its_long_name() {
        let error = crate::fixture::try_parse::<Format>(&["--help"]).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp);
        assert!(error.to_string().contains("-H, --no-header"), "{error}");
    }

    #[test]
    fn two_formats_at_once_are_a_wrong_command_line() {
        assert_eq!(crate::fixture::try_parse::<Format>(&["-P", "--format", "csv"]).unwrap_err().exit_code(), 2);
        assert_eq!(crate::fixture::try_parse::<Format>(&["--format", "bars"]).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn each_format_has_the_columns_that_it_can_show() {
        assert_eq!(chosen(&[]), [0, 1, 2]);
        assert_eq!(chosen(&["--format", "json"]), [0, 1, 2, 4]);
        assert_eq!(chosen(&["--format=jsonl"]), [0, 1, 2, 4]);
        assert_eq!(chosen(&["--format", "csv"]), [0, 1, 3, 4]);
        assert_eq!(chosen(&["-P"]), [0, 1, 3, 4]);
    }

    #[test]
    fn columns_that_are_asked_for_come_in_the_order_of_asking() {
        assert_eq!(chosen(&["-o", "seed,name"]), [4, 0]);
        assert_eq!(chosen(&["-P", "-o", "params, p.lr"]), [2, 3]);
    }

    #[test]
    fn an_unknown_column_is_a_wrong_command_line_and_the_nearest_is_named() {
        let failure = given(&["-o", "vlaue"]).choose(&columns()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Usage);
        let help = failure.report.help().unwrap().to_string();
        assert!(help.starts_with("did you mean `value`?") && help.ends_with("name, value, params, p.lr, seed"), "{help}");
        let failure = given(&["-o", "zzz"]).choose(&columns()).unwrap_err();
        assert!(failure.report.help().unwrap().to_string().starts_with("there are name, "));
    }
}
