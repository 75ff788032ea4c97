//! Where something stands in a file, so that a mistake can be shown there. A sweep is read from two files (its own,
//! and campaign.toml's defaults), so that a place knows its file.

use std::ops::Range;
use std::sync::Arc;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// A longer line is not shown as a whole.
const LONGEST_LINE: usize = 400;

/// A file's name and text. Whoever shows a place in it gets the whole line.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl Source {
    /// A text under the name that the user gave it.
    pub fn new(name: &str, text: String) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.to_owned(), text, lines }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line of a byte, from 0, and where that line begins.
    fn line(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at).saturating_sub(1);
        (line, self.lines.get(line).copied().unwrap_or_default())
    }

    /// Line and column of the character at a byte, both from 1; the column counts characters.
    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let (line, start) = self.line(at);
        (line + 1, self.text.get(start..at).unwrap_or_default().chars().count() + 1)
    }

    fn contents(&self, shown: Range<usize>) -> Option<MietteSpanContents<'_>> {
        let (line, column) = self.line_and_column(shown.start);
        let text = self.text.get(shown.clone())?;
        let name = self.name.clone();
        Some(MietteSpanContents::new_named(name, text.as_bytes(), shown.into(), line - 1, column - 1, text.matches('\n').count() + 1))
    }
}

impl SourceCode for Source {
    /// Without context, the span itself, whose line and column head the message. With context, its lines as a whole and
    /// no others: a mistake is read in its line.
    fn read_span<'a>(&'a self, span: &SourceSpan, before: usize, after: usize) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let span = span.offset()..span.offset() + span.len();
        let rest = self.text.get(span.end..).ok_or(MietteError::OutOfBounds)?;
        let lines = self.line(span.start).1..span.end + rest.find('\n').unwrap_or(rest.len());
        let shown = if (before, after) == (0, 0) || lines.len() > LONGEST_LINE { span } else { lines };
        self.contents(shown).map(|contents| Box::new(contents) as Box<dyn SpanContents<'a>>).ok_or(MietteError::OutOfBounds)
    }
}

/// A range of bytes in a file's text.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// The bytes, within the text and at the borders of characters.
    range: Range<usize>,
}

impl Place {
    /// A place in `source`; a range that leaves the text, or cuts a character, is brought within.
    pub fn new(source: &Arc<Source>, range: Range<usize>) -> Self {
        let text = source.text();
        let mut start = range.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = range.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        Self { source: Arc::clone(source), range: start..end }
    }

    /// The range of bytes.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// What stands there.
    pub fn text(&self) -> &str {
        self.source.text().get(self.range()).unwrap_or_default()
    }

    /// Another place in the same file.
    pub fn elsewhere(&self, range: Range<usize>) -> Self {
        Self::new(&self.source, range)
    }

    /// The first place within this one where the text reads `needle`; this one if there is none.
    pub fn within(&self, needle: &str) -> Self {
        match self.text().find(needle) {
            Some(at) => self.elsewhere(self.range.start + at..self.range.start + at + needle.len()),
            None => self.clone(),
        }
    }

    /// Line and column of the first character, both from 1; the column counts characters.
    pub fn line_and_column(&self) -> (usize, usize) {
        self.source.line_and_column(self.range.start)
    }
}

/// A value with its place.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

impl<T> At<T> {
    /// The value, changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), place: self.place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_never_cuts_a_character_nor_leaves_the_text() {
        let source = Arc::new(Source::new("f", "aé\nb".to_owned()));
        assert_eq!(Place::new(&source, 2..2).range(), 1..3);
        assert_eq!(Place::new(&source, 70..90).range(), 5..5);
    }

    #[test]
    fn columns_count_characters_and_lines_begin_at_one() {
        let source = Arc::new(Source::new("f", "é = 1\nnäme = 2".to_owned()));
        assert_eq!(Place::new(&source, 0..1).line_and_column(), (1, 1));
        assert_eq!(Place::new(&source, 0..100).within("2").line_and_column(), (2, 8));
    }
}
