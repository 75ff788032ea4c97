//! Progress for a person who waits: how many segments are in, the best so far, the time left, and a table of brackets
//! whose rungs fill. Nothing where nobody looks.

use std::io::stderr;

use bandmaster_search::SweepState;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use terminal_size::{Width, terminal_size_of};

mod picture;

use picture::{Picture, picture};

/// How wide the bar is.
const BAR: usize = 16;
const TOTAL: &str = "{bar:16} {msg}";
const LINE: &str = "{msg}";

/// The lines of one sweep.
#[derive(Default)]
pub struct Progress {
    screen: MultiProgress,
    /// How many characters fit in a line, as it was asked last.
    columns: Option<usize>,
    total: Option<ProgressBar>,
    lines: Vec<ProgressBar>,
}

impl Progress {
    /// Nothing is shown yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows where the sweep stands.
    pub fn show(&mut self, state: &SweepState) {
        if let Some((Width(columns), _)) = terminal_size_of(stderr()) {
            self.columns = Some(columns.into());
        }
        let Picture { settled, planned, total, lines } = picture(state);
        let bar = self.total.get_or_insert_with(|| self.screen.add(styled(ProgressBar::new(0), TOTAL)));
        bar.set_length(planned);
        bar.set_position(settled);
        bar.set_message(cut(&total, self.columns.map(|columns| columns.saturating_sub(BAR + 1))));
        for (index, text) in lines.iter().enumerate() {
            if self.lines.len() <= index {
                self.lines.push(self.screen.add(styled(ProgressBar::new_spinner(), LINE)));
            }
            if let Some(line) = self.lines.get(index) {
                line.set_message(cut(text, self.columns));
            }
        }
        for line in self.lines.drain(lines.len().min(self.lines.len())..) {
            self.screen.remove(&line);
        }
    }

    /// A sentence above the lines.
    pub fn say(&self, text: &str) {
        // Only a terminal shows it, and only for a person: that it cannot be shown is no error.
        let _ = self.screen.println(text);
    }

    /// Takes the lines away.
    pub fn clear(&self) {
        let _ = self.screen.clear();
    }
}

/// What fits: lines that wrap could not be drawn over. Nor are they filled with blanks to the terminal's edge, which would
/// wrap when it becomes narrower.
fn cut(text: &str, columns: Option<usize>) -> String {
    text.chars().take(columns.unwrap_or(usize::MAX)).collect()
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    use super::picture::tests::state;
    use super::*;
    use crate::fixture::Fixture;

    /// What a terminal of that size shows, after each of the fixtures in turn.
    fn shown(rows: u16, columns: u16, fixtures: &[Fixture]) -> Vec<String> {
        let terminal = InMemoryTerm::new(rows, columns);
        // Every change is drawn, and not only some a second.
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let mut progress =
            Progress { screen: MultiProgress::with_draw_target(target), columns: Some(columns.into()), ..Progress::default() };
        let mut seen = Vec::new();
        for fixture in fixtures {
            progress.show(&state(fixture));
            progress.say("a sentence");
            seen.push(terminal.contents());
        }
        progress.clear();
        seen.push(terminal.contents());
        seen
    }

    #[test]
    fn a_wide_terminal_shows_all_and_the_sentences_stay_above() {
        insta::assert_snapshot!(shown(24, 80, &[Fixture::running(12)]).join("\n----\n"));
    }

    #[test]
    fn a_narrow_terminal_cuts_lines_and_never_wraps_them() {
        let wide = shown(20, 120, &[Fixture::running(5), Fixture::running(12)]);
        for columns in [60, 40, 20] {
            let narrow = shown(20, columns, &[Fixture::running(5), Fixture::running(12)]);
            for (wide, narrow) in wide.iter().zip(&narrow) {
                assert_eq!(wide.lines().count(), narrow.lines().count(), "{narrow}");
                assert!(narrow.lines().all(|line| line.chars().count() <= columns.into()), "{narrow}");
            }
        }
        insta::assert_snapshot!(shown(20, 40, &[Fixture::running(12)]).join("\n----\n"));
    }

    #[test]
    fn nothing_is_left_of_lines_that_go() {
        let seen = shown(24, 80, &[Fixture::running(3), Fixture::finished()]);
        assert_eq!(seen.last().unwrap().trim(), "a sentence\na sentence");
    }
}
