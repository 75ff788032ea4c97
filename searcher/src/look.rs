//! How diagnostics look: in colour for a person at a terminal, plain for NO_COLOR, a pipe or a file.

use std::io::IsTerminal;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, MietteHandlerOpts, ReportHandler, ThemeCharacters, ThemeStyles};

/// Plain text is wrapped here: it lands in logs and mails.
const PLAIN_WIDTH: usize = 120;

/// How text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether a terminal reads it, so that its width counts.
    pub terminal: bool,
    /// Whether in colour.
    pub color: bool,
}

impl Look {
    /// For pipes and files.
    pub const PLAIN: Self = Self { terminal: false, color: false };

    /// As it becomes the stream; NO_COLOR (set to anything but nothing) and TERM=dumb take the colours away.
    pub fn of(stream: &impl IsTerminal) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = stream.is_terminal();
        Self { terminal, color: terminal && !dumb && !set("NO_COLOR") }
    }

    /// The text of a diagnostic, with the newline at its end.
    pub fn show(self, diagnostic: &dyn Diagnostic) -> String {
        if self.terminal {
            let handler = MietteHandlerOpts::new().color(self.color).build();
            return format!("{:?}", Shown(&handler, diagnostic));
        }
        let theme = GraphicalTheme { characters: ThemeCharacters::ascii(), styles: ThemeStyles::none() };
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(PLAIN_WIDTH);
        let mut text = String::new();
        match handler.render_report(&mut text, diagnostic) {
            Ok(()) => text,
            // Writing to a string does not fail; if the handler does, the message alone is better than nothing.
            Err(_) => format!("{diagnostic}\n"),
        }
    }
}

/// A diagnostic as a handler shows it, which only speaks to formatters.
struct Shown<'a>(&'a dyn ReportHandler, &'a dyn Diagnostic);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.debug(self.1, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure, FailureKind};

    #[test]
    fn plain_text_has_no_escape_in_it() {
        let failure = Failure::say(FailureKind::NotFound, "there is no sweep `digits-9`", "`bandmaster status` lists them");
        let text = Look::PLAIN.show(failure.report.as_ref());
        assert!(text.contains("digits-9") && text.contains("lists them"), "{text}");
        assert!(text.is_ascii() && !text.contains('\x1b'), "{text}");
        let coloured = Look { terminal: true, color: true }.show(failure.report.as_ref());
        assert!(coloured.contains('\x1b'), "{coloured}");
    }
}
