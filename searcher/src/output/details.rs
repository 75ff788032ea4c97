//! What a person reads about one thing: names on the left, values on the right, wrapped where the terminal ends.

use std::io::Write;

use super::{Cell, Column, Screen, people};
use crate::failure::Failure;

/// A page of names and values under titles.
#[derive(Debug, Default)]
pub struct Details {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Title(String),
    Pair(&'static str, String),
    Line(String),
    Table(Vec<Column>, Vec<Vec<String>>),
}

/// How deep pairs and tables stand below their title.
const INDENT: usize = 2;

impl Details {
    /// A title; what follows belongs to it.
    pub fn title(&mut self, title: impl Into<String>) -> &mut Self {
        self.parts.push(Part::Title(people::visible(&title.into())));
        self
    }

    /// A name and its value, left out where there is none.
    pub fn pair(&mut self, name: &'static str, value: impl Into<Cell>) -> &mut Self {
        let value = value.into();
        if !value.is_empty() {
            self.parts.push(Part::Pair(name, value.readable()));
        }
        self
    }

    /// A line, however long.
    pub fn line(&mut self, line: impl Into<Cell>) -> &mut Self {
        self.parts.push(Part::Line(line.into().readable()));
        self
    }

    /// Rows of a table.
    pub fn table(&mut self, columns: Vec<Column>, rows: &[Vec<Cell>]) -> &mut Self {
        self.parts.push(Part::Table(columns, rows.iter().map(|row| row.iter().map(Cell::readable).collect()).collect()));
        self
    }

    /// Prints the page, its tables with or without their headers.
    pub fn write(&self, screen: Screen, header: bool, out: &mut dyn Write) -> Result<(), Failure> {
        out.write_all(self.text(screen, header).as_bytes()).and_then(|()| out.flush()).map_err(Failure::output)
    }

    fn text(&self, screen: Screen, header: bool) -> String {
        let inner = Screen { width: screen.width.map(|width| width.saturating_sub(INDENT as u16).max(1)), ..screen };
        let names = self.parts.iter().filter_map(|part| if let Part::Pair(name, _) = part { Some(name.len()) } else { None });
        let left = names.max().unwrap_or(0);
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Title(title) => {
                    let gap = if text.is_empty() { "" } else { "\n" };
                    let (on, off) = if screen.bold { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
                    text.push_str(&format!("{gap}{on}{title}{off}\n"));
                }
                Part::Pair(name, value) => {
                    let room = inner.width.map(|width| usize::from(width).saturating_sub(left + 2).max(16));
                    for (number, line) in wrapped(value, room).into_iter().enumerate() {
                        let name = if number == 0 { name } else { "" };
                        text.push_str(format!("{:INDENT$}{name:left$}  {line}", "").trim_end());
                        text.push('\n');
                    }
                }
                Part::Line(line) => text.push_str(&format!("{:INDENT$}{line}\n", "")),
                Part::Table(columns, rows) => {
                    let columns: Vec<&Column> = columns.iter().collect();
                    for line in people::table(&columns, rows, header, inner).lines() {
                        text.push_str(&format!("{:INDENT$}{line}\n", ""));
                    }
                }
            }
        }
        text
    }
}

/// The text in lines of at most `room` characters, broken between words; a longer word stands alone.
fn wrapped(text: &str, room: Option<usize>) -> Vec<String> {
    let Some(room) = room else { return vec![text.to_owned()] };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn page() -> Details {
        let mut page = Details::default();
        page.title("digits-1/42").pair("state", "finished").pair("cause", Cell::Empty);
        page.pair("command", "./train --lr 0.1 --hidden 128 --epochs 27 --resume /somewhere/far/away").title("segments");
        page.table(vec![Column::new("rung", Kind::Integer), Column::new("state", Kind::Text)], &[vec![0.into(), "accepted".into()]]);
        page
    }

    #[test]
    fn a_page_names_what_is_known_and_leaves_out_what_is_not() {
        insta::assert_snapshot!(page().text(Screen::PIPE, true));
    }

    #[test]
    fn a_page_is_wrapped_between_words() {
        let text = page().text(Screen { width: Some(40), bold: false }, true);
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn titles_are_bold_where_that_is_wanted() {
        assert!(page().text(Screen { width: None, bold: true }, true).starts_with("\x1b[1mdigits-1/42\x1b[0m\n"));
    }
}
