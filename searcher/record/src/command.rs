//! A trial's command: an argv with placeholders, never a shell line.

use serde::{Deserialize, Serialize};

/// An argv whose arguments may hold placeholders: `["train", "--lr", "{lr}", ["--resume", "{resume_from}"]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Command(pub Vec<Argument>);

/// One argument, or a group of them that is left out as a whole when one of its placeholders has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Argument {
    /// An argument that always stands.
    One(String),
    /// Arguments that stand or fall together.
    Group(Vec<String>),
}

/// Why a command cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A brace without its other half.
    #[error("`{argument}` has a single `{brace}`: write `{brace}{brace}` for a brace, or `{{name}}` for a value")]
    LoneBrace {
        /// The whole argument.
        argument: String,
        /// `{` or `}`.
        brace: char,
    },
    /// A placeholder outside a group that has no value now.
    #[error("`{{{name}}}` has no value here: put it in a nested array, which is left out then")]
    NoValue {
        /// The placeholder.
        name: String,
    },
}

/// Where placeholders take their values from: `None` for one that has none now.
pub type Placeholders<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A piece of an argument.
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn pieces(argument: &str) -> Result<Vec<Piece<'_>>, CommandError> {
    let lone = |brace| CommandError::LoneBrace { argument: argument.to_owned(), brace };
    let mut found = Vec::new();
    let mut rest = argument;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        found.push(Piece::Text(before));
        if let Some(after) = from.strip_prefix("{{") {
            found.push(Piece::Text("{"));
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            found.push(Piece::Text("}"));
            rest = after;
        } else if let Some(after) = from.strip_prefix('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| lone('{'))?;
            if name.is_empty() || name.contains('{') {
                return Err(lone('{'));
            }
            found.push(Piece::Name(name));
            rest = after;
        } else {
            return Err(lone('}'));
        }
    }
    found.push(Piece::Text(rest));
    Ok(found)
}

/// The argument with its placeholders filled in, or the first name that has no value.
fn fill(argument: &str, values: Placeholders<'_>) -> Result<Result<String, String>, CommandError> {
    let mut filled = String::new();
    for piece in pieces(argument)? {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Name(name) => match values(name) {
                Some(value) => filled.push_str(&value),
                None => return Ok(Err(name.to_owned())),
            },
        }
    }
    Ok(Ok(filled))
}

impl Command {
    /// The names of the placeholders in one argument's text, in order.
    pub fn placeholders(argument: &str) -> Result<Vec<&str>, CommandError> {
        Ok(pieces(argument)?.into_iter().filter_map(|piece| if let Piece::Name(name) = piece { Some(name) } else { None }).collect())
    }

    /// The argv, each placeholder replaced by its value. A group with a placeholder that has none is left out.
    pub fn expand(&self, values: Placeholders<'_>) -> Result<Vec<String>, CommandError> {
        let mut argv = Vec::with_capacity(self.0.len());
        for argument in &self.0 {
            match argument {
                Argument::One(text) => argv.push(fill(text, values)?.map_err(|name| CommandError::NoValue { name })?),
                Argument::Group(group) => {
                    let filled = group.iter().map(|text| fill(text, values)).collect::<Result<Vec<_>, _>>()?;
                    if let Ok(filled) = filled.into_iter().collect::<Result<Vec<_>, _>>() {
                        argv.extend(filled);
                    }
                }
            }
        }
        Ok(argv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(json: &str) -> Command {
        serde_json::from_str(json).unwrap()
    }

    fn values(name: &str) -> Option<String> {
        match name {
            "lr" => Some("0.1; rm -rf /".into()),
            "target" => Some("3".into()),
            _ => None,
        }
    }

    #[test]
    fn values_stay_one_argument() {
        let argv = command(r#"["train", "--lr={lr}", "{{{target}}}"]"#).expand(&values).unwrap();
        assert_eq!(argv, ["train", "--lr=0.1; rm -rf /", "{3}"]);
    }

    #[test]
    fn a_group_without_its_value_is_left_out() {
        let argv = command(r#"["train", ["--resume", "{resume_from}"], ["-t", "{target}"]]"#).expand(&values).unwrap();
        assert_eq!(argv, ["train", "-t", "3"]);
        assert_eq!(command(r#"["{resume_from}"]"#).expand(&values), Err(CommandError::NoValue { name: "resume_from".into() }));
    }

    #[test]
    fn a_lone_brace_is_an_error() {
        for bad in ["{", "}", "a{b", "{}", "{a{b}"] {
            assert!(Command::placeholders(bad).is_err(), "{bad}");
        }
        assert_eq!(Command::placeholders("x{a}y{b}{{c}}").unwrap(), ["a", "b"]);
    }
}
