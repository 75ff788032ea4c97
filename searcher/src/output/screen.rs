//! What is known of the terminal that reads, if one does.

use std::io::stdout;

use crate::look::Look;

/// Where a table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// How many characters fit in a line; nothing where no terminal reads.
    pub width: Option<u16>,
    /// Whether headers are bold.
    pub bold: bool,
}

impl Screen {
    /// A pipe or a file: no width, no colours.
    pub const PIPE: Self = Self { width: None, bold: false };

    /// Standard output.
    pub fn of_stdout() -> Self {
        let width = || terminal_size::terminal_size_of(stdout()).map(|(terminal_size::Width(columns), _)| columns);
        Self::of(Look::of(&stdout()), width)
    }

    /// A terminal whose size is unknown is as wide as a table wants to be.
    fn of(look: Look, width: impl FnOnce() -> Option<u16>) -> Self {
        if !look.terminal {
            return Self::PIPE;
        }
        Self { width: width().filter(|&columns| columns > 0), bold: look.color }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_has_no_width_and_no_bold() {
        assert_eq!(Screen::of(Look::PLAIN, || Some(80)), Screen::PIPE);
    }

    #[test]
    fn a_terminal_without_colours_keeps_its_width() {
        let terminal = |color, width| Screen::of(Look { terminal: true, color }, || width);
        assert_eq!(terminal(false, Some(80)), Screen { width: Some(80), bold: false });
        assert_eq!(terminal(true, Some(80)), Screen { width: Some(80), bold: true });
        assert_eq!(terminal(true, Some(0)), Screen { width: None, bold: true });
    }
}
