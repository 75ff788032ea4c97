//! A mistake in a file, and all of them together: what a person is told, with the place, the reason and the remedy.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};

use super::place::Place;
use crate::failure::{Failure, FailureKind};

/// One mistake, or one warning.
#[derive(Debug, Clone)]
pub struct Mistake {
    /// Whether the file is refused for it.
    pub severity: Severity,
    /// What is wrong, and why.
    pub message: String,
    /// What to write instead.
    pub help: String,
    /// Where; `None` where the file as a whole cannot be read.
    pub place: Option<Place>,
    /// Whether it can be trusted where the text around it is broken.
    pub(crate) nature: Nature,
}

/// What a mistake is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// The text is no TOML here.
    Syntax,
    /// A value that can be read, and is wrong.
    Content,
    /// Something is not there: in a broken text it may stand where nobody could read it.
    Absence,
}

impl Mistake {
    /// A mistake of a file that could not be read.
    pub(crate) fn of_file(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), help: help.into(), place: None, nature: Nature::Content }
    }

    /// Whether the file is refused for it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

impl Diagnostic for Mistake {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.help.is_empty()).then(|| Box::new(&self.help) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| &place.source as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(place.range()))))
    }
}

/// Words of the file stand in messages; none of them may move a terminal's cursor.
fn printable(text: String) -> String {
    if text.chars().any(char::is_control) {
        return text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect();
    }
    text
}

/// More is no sweep with mistakes but another file.
const MOST: usize = 200;

/// Where the reading of a file puts what it finds wrong.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    found: RefCell<Vec<Mistake>>,
    untold: Cell<usize>,
    broken: Cell<bool>,
}

impl Mistakes {
    fn put(&self, severity: Severity, nature: Nature, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        if self.found.borrow().len() >= MOST {
            self.untold.set(self.untold.get() + 1);
            return;
        }
        let mistake =
            Mistake { severity, message: printable(message.into()), help: printable(help.into()), place: Some(place.clone()), nature };
        self.found.borrow_mut().push(mistake);
    }

    /// Something is wrong here.
    pub(crate) fn wrong(&self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.put(Severity::Error, Nature::Content, place, message, help);
    }

    /// Something that must be there is not.
    pub(crate) fn absent(&self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.put(Severity::Error, Nature::Absence, place, message, help);
    }

    /// It can be done as it is written, and is perhaps not what was meant.
    pub(crate) fn warn(&self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.put(Severity::Warning, Nature::Absence, place, message, help);
    }

    /// The text is no TOML.
    pub(crate) fn syntax(&self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.broken.set(true);
        self.put(Severity::Error, Nature::Syntax, place, message, help);
    }

    /// Whether the file is refused.
    pub(crate) fn any(&self) -> bool {
        self.untold.get() > 0 || self.found.borrow().iter().any(Mistake::is_error)
    }

    /// All of them, in the order of the file.
    ///
    /// Where the text is no TOML, what could still be read was checked too; but what is said to be missing may stand
    /// in the part that could not be read, and a second mistake on a broken line would only repeat the first.
    pub(crate) fn in_order(self) -> Vec<Mistake> {
        let mut found = self.found.into_inner();
        let start = |mistake: &Mistake| mistake.place.as_ref().map_or(0, |place| place.range().start);
        found.sort_by_key(start);
        found.dedup_by(|a, b| a.message == b.message && start(a) == start(b));
        if self.broken.get() {
            let line = |mistake: &Mistake| mistake.place.as_ref().map_or(0, |place| place.line_and_column().0);
            let broken: BTreeSet<usize> = found.iter().filter(|mistake| mistake.nature == Nature::Syntax).map(line).collect();
            let mut told = BTreeSet::new();
            found.retain(|mistake| match mistake.nature {
                Nature::Syntax => told.insert(line(mistake)),
                Nature::Content => !broken.contains(&line(mistake)),
                Nature::Absence => false,
            });
        }
        if self.untold.get() > 0 {
            let message = format!("{} more mistakes are not shown", self.untold.get());
            found.push(Mistake::of_file(message, "mend these first, or look whether it is the right file"));
        }
        found
    }
}

/// A file that is refused, with all its mistakes; its warnings are told with them.
#[derive(Debug, Clone)]
pub struct WrongFile {
    /// The file as the user named it.
    pub file: String,
    /// What is wrong, in the order of the file.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for WrongFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.mistakes.iter().filter(|mistake| mistake.is_error()).count();
        write!(f, "{} has {}", self.file, if count == 1 { "a mistake".to_owned() } else { format!("{count} mistakes") })
    }
}

impl std::error::Error for WrongFile {}

impl Diagnostic for WrongFile {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.mistakes.iter().map(|mistake| mistake as &dyn Diagnostic)))
    }
}

impl From<WrongFile> for Failure {
    fn from(wrong: WrongFile) -> Self {
        Failure::new(FailureKind::WrongFile, wrong)
    }
}
