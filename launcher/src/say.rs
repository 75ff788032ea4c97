//! What a slot says to whoever reads its stderr. Nobody may be there: the searcher that started it can be gone, and a
//! slot must not die of a closed pipe or a full disk only because it had something to say.

use std::fmt::Display;
use std::io::Write;

/// Writes one line, if it can be written.
pub fn say(what: impl Display) {
    let _ = writeln!(std::io::stderr(), "bandmaster-launch: {what}");
}

/// Writes one line that is another program's, if it can be written.
pub fn say_as_it_is(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
