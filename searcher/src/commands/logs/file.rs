//! Reading a log that may still grow.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// So many bytes at a time.
const BLOCK: usize = 64 * 1024;

/// Where the last `lines` lines begin, in bytes. A last line without its newline is a line.
pub(super) fn last_lines(file: &mut File, lines: u64) -> io::Result<u64> {
    let end = file.seek(SeekFrom::End(0))?;
    if lines == 0 {
        return Ok(end);
    }
    let mut block = vec![0; BLOCK];
    let (mut at, mut found) = (end, 0);
    while at > 0 {
        let length = at.min(BLOCK as u64);
        at -= length;
        file.seek(SeekFrom::Start(at))?;
        let bytes = block.get_mut(..length as usize).unwrap_or_default();
        file.read_exact(bytes)?;
        for (place, byte) in bytes.iter().enumerate().rev() {
            let place = at + place as u64;
            // The newline that ends the last line does not begin another one.
            if *byte == b'\n' && place + 1 < end {
                found += 1;
                if found == lines {
                    return Ok(place + 1);
                }
            }
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn tail(content: &str, lines: u64) -> String {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let from = last_lines(&mut file, lines).unwrap();
        content[from as usize..].to_owned()
    }

    #[test]
    fn the_last_lines_are_whole_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(tail("a\nb\nc", 2), "b\nc");
        assert_eq!(tail("a\nb\n", 9), "a\nb\n");
        assert_eq!(tail("a\nb\n", 0), "");
        assert_eq!(tail("\n\n\n", 2), "\n\n");
        assert_eq!(tail("", 3), "");
    }

    #[test]
    fn they_are_found_over_the_border_of_a_block() {
        let content = format!("first\n{}\nlast\n", "x".repeat(3 * BLOCK));
        assert_eq!(tail(&content, 1), "last\n");
        assert_eq!(tail(&content, 2).len(), content.len() - 6);
        assert_eq!(tail(&content, 3), content);
    }
}
