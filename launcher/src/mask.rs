//! Masks what looks like a secret before an environment is written down. The campaign is read by others, and a ledger
//! is copied and published: a token in it is a token lost. Masking too much costs a word of provenance.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// Words that make a variable's name that of a secret.
const NAMES: &[&str] =
    &["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "APIKEY", "PRIVATE", "SIGNATURE", "COOKIE", "SESSION_ID"];

/// Words that do so only as a whole part of the name, between underscores: `KEY` is in `WANDB_API_KEY` and in `KEYBOARD`.
const PARTS: &[&str] = &["KEY", "KEYS", "PWD", "PASS", "AUTH", "CREDS", "DSN", "SAS", "PAT", "JWT", "WEBHOOK"];

/// Values that give themselves away, whatever they are called.
static VALUES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let patterns = concat!(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{20,}|sk-[\w-]{20,}|xox[abprs]-[\w-]{10,})",
        r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,}|\bya29\.[\w-]{20,}",
        r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
        r"|-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"|[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@",
    );
    // Without Unicode's tables it is a hundredth of the size.
    RegexBuilder::new(patterns).unicode(false).build().ok()
});

/// Whether a variable of this name is taken for a secret.
fn secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    // The shell's own working directories.
    if matches!(name.as_str(), "PWD" | "OLDPWD") {
        return false;
    }
    NAMES.iter().any(|word| name.contains(word)) || name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| PARTS.contains(&part))
}

/// The variable's value, or [`MASK`] where it looks like a secret. A value in which only a part does is masked wholly.
pub fn masked<'a>(name: &str, value: &'a str) -> &'a str {
    if value.is_empty() {
        return value;
    }
    let telling = VALUES.as_ref().is_none_or(|values| values.is_match(value.as_bytes()));
    if telling || secret_name(name) { MASK } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_masked() {
        for name in [
            "HF_TOKEN",
            "WANDB_API_KEY",
            "aws_secret_access_key",
            "PGPASSWORD",
            "MY_PASS",
            "SSH_AUTH_SOCK",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "SENTRY_DSN",
        ] {
            assert_eq!(masked(name, "value"), MASK, "{name}");
        }
    }

    #[test]
    fn values_that_give_themselves_away_are_masked_under_any_name() {
        for value in [
            "ghp_0123456789abcdefghijABCDEFGHIJ012345",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
            "postgres://me:hunter2@db.example.org/x",
            "a http://:pw@proxy:3128 b",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            assert_eq!(masked("X", value), MASK, "{value}");
        }
    }

    #[test]
    fn what_explains_a_result_stays_readable() {
        for (name, value) in [
            ("PATH", "/usr/bin:/bin"),
            ("PWD", "/home/me"),
            ("OMP_NUM_THREADS", "4"),
            ("CUDA_VISIBLE_DEVICES", "0,1"),
            ("SLURM_JOB_ID", "17"),
            ("KEYBOARD", "us"),
            ("URL", "https://example.org:8080/x@y"),
            ("WANDB_API_KEY", ""),
        ] {
            assert_eq!(masked(name, value), value, "{name}");
        }
    }
}
