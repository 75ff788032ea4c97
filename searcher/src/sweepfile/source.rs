//! From a path to a text and its TOML: what can go wrong before any key is read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use super::mistake::{Mistake, Mistakes};
use super::place::{Place, Source};

/// No sweep that a person writes is larger.
pub const LARGEST_FILE: u64 = 1 << 20;

/// The file's bytes.
///
/// # Errors
/// A mistake that says why it cannot be read: missing, a directory, too large, not permitted.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, Mistake> {
    let name = path.display();
    let refuse = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Mistake::of_file(format!("{name} does not exist"), "`bandmaster new DIR` writes one that runs at once"),
        io::ErrorKind::IsADirectory => is_directory(path),
        _ => Mistake::of_file(format!("cannot read {name}: {error}"), "check its permissions"),
    };
    let file = File::open(path).map_err(refuse)?;
    let kind = file.metadata().map_err(refuse)?.file_type();
    if kind.is_dir() {
        return Err(is_directory(path));
    }
    if !kind.is_file() {
        return Err(Mistake::of_file(format!("{name} is no file but a device, a pipe or a socket"), "name a file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(refuse)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Mistake::of_file(format!("{name} is larger than 1 MiB"), "name a sweep.toml, not data"));
    }
    Ok(bytes)
}

fn is_directory(path: &Path) -> Mistake {
    Mistake::of_file(format!("{} is a directory", path.display()), format!("name the file in it: {}", path.join("sweep.toml").display()))
}

/// The text as a source that mistakes can point into. What is not UTF-8 is shown with replacement characters, and is a
/// mistake.
pub(crate) fn source(name: &str, bytes: &[u8], mistakes: &Mistakes) -> Arc<Source> {
    let make = |text: String| Arc::new(Source::new(name, text));
    match std::str::from_utf8(bytes) {
        Ok(text) => make(text.to_owned()),
        Err(error) => {
            let source = make(String::from_utf8_lossy(bytes).into_owned());
            let at = error.valid_up_to();
            let bad = bytes.get(at).copied().unwrap_or_default();
            let message = format!("the file is not UTF-8: the byte 0x{bad:02x} here belongs to no character");
            mistakes.syntax(
                &Place::new(&source, at..at + 1),
                message,
                "save it as UTF-8: iconv -f ISO-8859-1 -t UTF-8 makes it so if it is Latin-1",
            );
            source
        }
    }
}

/// The text's table; what is no TOML goes to `mistakes`, and what can be read without it is returned.
pub(crate) fn table<'a>(source: &'a Arc<Source>, mistakes: &Mistakes) -> toml::Spanned<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    for error in errors {
        let place = Place::new(source, error.span().unwrap_or(0..0));
        mistakes.syntax(&place, format!("no TOML: {}", error.message()), syntax_help(error.message()));
    }
    table
}

fn syntax_help(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "each key stands once in its table: keep one"
    } else if message.contains("string") || message.contains("quote") {
        "strings stand in quotes: \"text\", or 'text' where a backslash is meant literally"
    } else {
        "write `key = value`, a line each; sections are `[name]`"
    }
}
