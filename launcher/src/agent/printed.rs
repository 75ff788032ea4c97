//! The metric of a trial that knows nothing of us and prints it: the last match in its log.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use regex::bytes::Regex;

/// The log is read backwards in blocks of this size.
const BLOCK: usize = 256 * 1024;

/// The longest line that is looked at, in bytes.
const MAX_LINE: usize = 1024 * 1024;

/// The text of the expression's first group where the log's last match is; lines end at `\n` and `\r`.
pub(super) fn last_match(log: &Path, expression: &str) -> io::Result<Option<String>> {
    let expression = Regex::new(expression).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let file = File::open(log)?;
    let mut at = file.metadata()?.len();
    // The beginning of the line of which the end was read already.
    let mut rest: Vec<u8> = Vec::new();
    while at > 0 {
        let size = usize::try_from(at).unwrap_or(usize::MAX).min(BLOCK);
        at -= size as u64;
        let mut block = vec![0; size];
        file.read_exact_at(&mut block, at)?;
        block.append(&mut rest);
        let mut lines = block.split(|b| matches!(b, b'\n' | b'\r'));
        // The first line of a block begins in the block before.
        let first = if at > 0 { lines.next() } else { None };
        if let Some(found) = lines.rev().find_map(|line| group(&expression, line)) {
            return Ok(Some(found));
        }
        rest = first.map(|line| line.get(..line.len().min(MAX_LINE)).unwrap_or_default().to_vec()).unwrap_or_default();
    }
    Ok(None)
}

/// The first group of the line's last match.
fn group(expression: &Regex, line: &[u8]) -> Option<String> {
    let text = expression.captures_iter(line).last()?.get(1)?;
    Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &[u8], expression: &str) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        last_match(file.path(), expression).unwrap()
    }

    #[test]
    fn the_last_match_of_the_first_group_counts() {
        let expression = r"val_loss=(\S+)";
        assert_eq!(find(b"val_loss=1\nval_loss=2 val_loss=3\nbye\n", expression).unwrap(), "3");
        assert_eq!(find(b"10% val_loss=1\r20% val_loss=nan\r", expression).unwrap(), "nan");
        assert_eq!(find(b"\xff\xfe val_loss=0.5 \xff", expression).unwrap(), "0.5");
        assert_eq!(find(b"nothing\n", expression), None);
        assert_eq!(find(b"", expression), None);
        assert_eq!(find(b"a 1\nb 2\n", r"^a (\d)$").unwrap(), "1");
    }

    #[test]
    fn a_line_that_crosses_blocks_is_found_whole() {
        for before in [BLOCK - 5, BLOCK, 3 * BLOCK - 20] {
            let mut text = vec![b'x'; before];
            text.extend(b"\nval_loss=0.12345\n");
            text.extend(vec![b'y'; BLOCK - 8]);
            assert_eq!(find(&text, r"val_loss=(\S+)").unwrap(), "0.12345");
        }
    }
}
