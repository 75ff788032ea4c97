//! Where something stands in a file, so that a mistake can be shown there. A sweep is read from two files (its own,
//! and campaign.toml's defaults), so that a place knows its file.

use std::ops::Range;
use std::sync::Arc;

use miette::NamedSource;

/// A range of bytes in a file's text.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file: its name as the user gave it, and its text.
    pub source: Arc<NamedSource<String>>,
    /// The bytes, within the text and at the borders of characters.
    range: Range<usize>,
}

impl Place {
    /// A place in `source`; a range that leaves the text, or cuts a character, is brought within.
    pub fn new(source: &Arc<NamedSource<String>>, range: Range<usize>) -> Self {
        let text = source.inner();
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

    /// Another place in the same file.
    pub fn elsewhere(&self, range: Range<usize>) -> Self {
        Self::new(&self.source, range)
    }

    /// The first place within this one where the text reads `needle`; this one if there is none.
    pub fn within(&self, needle: &str) -> Self {
        let text = self.source.inner().get(self.range()).unwrap_or_default();
        match text.find(needle) {
            Some(at) => self.elsewhere(self.range.start + at..self.range.start + at + needle.len()),
            None => self.clone(),
        }
    }

    /// Line and column of the first character, both from 1; the column counts characters.
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = self.source.inner().get(..self.range.start).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
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
        let source = Arc::new(NamedSource::new("f", "aé\nb".to_owned()));
        assert_eq!(Place::new(&source, 2..2).range(), 1..3);
        assert_eq!(Place::new(&source, 70..90).range(), 5..5);
    }

    #[test]
    fn columns_count_characters_and_lines_begin_at_one() {
        let source = Arc::new(NamedSource::new("f", "é = 1\nnäme = 2".to_owned()));
        assert_eq!(Place::new(&source, 0..1).line_and_column(), (1, 1));
        assert_eq!(Place::new(&source, 0..100).within("2").line_and_column(), (2, 8));
    }
}
