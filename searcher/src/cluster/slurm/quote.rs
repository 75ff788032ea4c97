//! Words for a POSIX shell: what is quoted here is one word there, and nothing of it is executed.

/// One word, in single quotes unless every character is plain.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ',' | ':' | '@' | '%' | '+');
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Several words with spaces between them.
pub fn quote_all<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    /// What a shell makes of the words, each behind a mark.
    fn through_a_shell(shell: &str, words: &[String]) -> Vec<String> {
        let script = format!("printf '%s\\0' {}", quote_all(words.iter().map(String::as_str)));
        let output = Command::new(shell).arg("-c").arg(script).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.strip_suffix('\0').unwrap().split('\0').map(str::to_owned).collect()
    }

    #[test]
    fn a_shell_reads_hostile_words_as_they_are() {
        let hostile = [
            "",
            " ",
            "'",
            "''",
            "\"",
            "\\",
            "\\'",
            "$HOME",
            "$(touch /tmp/x)",
            "`id`",
            "a;b",
            "a&b",
            "a|b",
            "a>b",
            "#",
            "~",
            "*",
            "?",
            "[a]",
            "{a,b}",
            "!!",
            "a\nb",
            "\n",
            "\t",
            "\r",
            "-n",
            "--",
            "=",
            "a=b",
            "ü",
            "\u{7f}",
            "%s",
            "\\0",
            "'; exit 1; '",
        ];
        let words: Vec<String> = hostile.map(str::to_owned).to_vec();
        for shell in ["sh", "bash"] {
            assert_eq!(through_a_shell(shell, &words), words, "{shell}");
        }
    }

    #[test]
    fn plain_words_stay_readable() {
        assert_eq!(
            quote_all(["/scratch/a/bin/bandmaster-launch", "slot", "--task", "a b"]),
            "/scratch/a/bin/bandmaster-launch slot --task 'a b'"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_any_words_as_they_are(words in proptest::collection::vec("[^\0]{0,20}", 1..5)) {
            prop_assert_eq!(through_a_shell("sh", &words), words);
        }
    }
}
