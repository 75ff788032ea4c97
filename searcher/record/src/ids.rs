//! Ids are newtypes: a trial is never mistaken for a rung, and each id knows how it is written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An id that is not written as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {why}")]
pub struct IdError {
    /// What was expected: "a sweep's name", "a trial", …
    pub what: &'static str,
    /// What was found.
    pub text: String,
    /// Why it is refused.
    pub why: &'static str,
}

/// Checks a name that becomes a file's name: letters, digits, `-`, `_` and `.`, beginning with a letter or a digit,
/// 1 to 64 bytes. So it can never leave its directory, hide, or be taken for an option.
pub fn checked_name(what: &'static str, text: &str) -> Result<(), IdError> {
    let refuse = |why| Err(IdError { what, text: text.to_owned(), why });
    if text.is_empty() {
        return refuse("it is empty");
    }
    if text.len() > 64 {
        return refuse("it is longer than 64 bytes");
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return refuse("it must begin with a letter or a digit");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return refuse("only letters, digits, `-`, `_` and `.` may stand in it");
    }
    Ok(())
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.parse().map(Self).map_err(|_| IdError { what: stringify!($name), text: text.to_owned(), why: "it must be a whole number" })
            }
        }
    };
}

number_id!(
    /// A trial's number within its sweep, from 0.
    TrialId(u32)
);
number_id!(
    /// A rung's number within its bracket, from 0.
    RungNo(u32)
);
number_id!(
    /// A grant's number, from 1, for each (trial, rung). A higher grant fences the lower ones.
    Grant(u32)
);
number_id!(
    /// An attempt's number within its trial, from 1, given with the grant.
    AttemptNo(u32)
);
number_id!(
    /// A lease's number: it grows with every holder.
    Epoch(u64)
);
number_id!(
    /// An array's number within its sweep, from 1.
    ArrayNo(u32)
);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes `text` if it may be a file's name.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                checked_name($what, &text)?;
                Ok(Self(text))
            }
            /// As it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_id!(
    /// What makes an execution unique: drawn at random, never reused. 26 characters, as a ULID.
    Nonce, "nonce"
);
text_id!(
    /// A job's id as its cluster writes it: an opaque string.
    JobId, "job id"
);
text_id!(
    /// A slot: `<job>_<task>.<nonce>`, the name of its directory.
    SlotId, "slot"
);
text_id!(
    /// A request: the name of its file without the ending; ids in byte order are in the order of asking.
    RequestId, "request"
);

impl SlotId {
    /// What makes this run of its task unique: the part behind the last dot, or all of it.
    pub fn nonce(&self) -> Nonce {
        Nonce(self.0.rsplit_once('.').map_or(self.0.as_str(), |(_, nonce)| nonce).to_owned())
    }
}

/// A sweep: `<name>-<number>`, as in `digits-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SweepId {
    text: String,
    dash: usize,
    number: u32,
}

impl SweepId {
    /// The `number`-th sweep (from 1) of that name.
    pub fn new(name: &str, number: u32) -> Result<Self, IdError> {
        format!("{name}-{number}").parse()
    }
    /// The name in sweep.toml, without the number.
    pub fn name(&self) -> &str {
        self.text.get(..self.dash).unwrap_or_default()
    }
    /// The how many-th sweep of that name, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for SweepId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let refuse = |why| IdError { what: "sweep", text: text.to_owned(), why };
        checked_name("sweep", text)?;
        let (name, number) = text.rsplit_once('-').ok_or_else(|| refuse("it must end in a dash and a number, as in digits-1"))?;
        if name.is_empty() || number.starts_with('0') || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse("it must end in a dash and a number, as in digits-1"));
        }
        let number = number.parse().map_err(|_| refuse("its number is out of range"))?;
        Ok(Self { dash: name.len(), text: text.to_owned(), number })
    }
}

impl TryFrom<String> for SweepId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<SweepId> for String {
    fn from(id: SweepId) -> String {
        id.text
    }
}

impl fmt::Display for SweepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// One attempt, named by what it may do: the segment (trial, rung), the grant it holds, its number in the trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptRef {
    /// The trial.
    pub trial: TrialId,
    /// The rung that its segment ends at.
    pub rung: RungNo,
    /// The grant under which it runs.
    pub grant: Grant,
    /// Its number among the trial's attempts, as in `digits-1/42.2`.
    pub attempt: AttemptNo,
}

impl fmt::Display for AttemptRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.trial, self.attempt)
    }
}

/// A journal, named by its path below the campaign's directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JournalId {
    /// `searcher/journal/<epoch>.jrn`
    Searcher(Epoch),
    /// `sweeps/<sweep>/slots/<slot>/journal.jrn`
    Slot(SweepId, SlotId),
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Searcher(epoch) => write!(f, "searcher/journal/{epoch}.jrn"),
            Self::Slot(sweep, slot) => write!(f, "sweeps/{sweep}/slots/{slot}/journal.jrn"),
        }
    }
}

impl FromStr for JournalId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let refuse = || IdError {
            what: "journal",
            text: text.to_owned(),
            why: "it must be searcher/journal/<epoch>.jrn or sweeps/<sweep>/slots/<slot>/journal.jrn",
        };
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["searcher", "journal", file] => Ok(Self::Searcher(file.strip_suffix(".jrn").ok_or_else(refuse)?.parse()?)),
            ["sweeps", sweep, "slots", slot, "journal.jrn"] => Ok(Self::Slot(sweep.parse()?, slot.parse()?)),
            _ => Err(refuse()),
        }
    }
}

impl Serialize for JournalId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JournalId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_directory() {
        for bad in ["", ".", "..", "../x", "a/b", "-rf", ".hidden", "a b", "a\n", "é", &"x".repeat(65)] {
            assert!(checked_name("name", bad).is_err(), "{bad:?}");
        }
        for good in ["digits", "a", "0", "A_b-c.d", &"x".repeat(64)] {
            assert!(checked_name("name", good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_sweep_is_its_name_and_its_number() {
        let id: SweepId = "two-words-12".parse().unwrap();
        assert_eq!((id.name(), id.number()), ("two-words", 12));
        for bad in ["digits", "digits-", "digits-0", "digits-01", "-1", "digits-x", "digits-99999999999"] {
            assert!(bad.parse::<SweepId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_journal_is_its_path() {
        for text in ["searcher/journal/12.jrn", "sweeps/digits-1/slots/17_0.01ABC/journal.jrn"] {
            assert_eq!(text.parse::<JournalId>().unwrap().to_string(), text);
        }
        assert!("sweeps/../slots/x/journal.jrn".parse::<JournalId>().is_err());
    }
}
