//! What is to be explained, as it was typed: a trial, an attempt, a rung, or a sweep.

use std::fmt;
use std::str::FromStr;

use crate::reading::TrialName;

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// `digits-1/42`, or one attempt of it, `digits-1/42.2`.
    Trial(TrialName),
    /// `digits-1/b4r0`: the first rung of bracket 4.
    Rung {
        /// The sweep; nothing for the newest.
        sweep: Option<String>,
        /// Hyperband's number of the bracket, as `bandmaster rungs` shows it.
        bracket: u32,
        /// The rung.
        rung: u32,
    },
    /// `digits-1`.
    Sweep(String),
}

/// What was typed names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a trial is written digits-1/42, its second attempt digits-1/42.2, the first rung of bracket 4 digits-1/b4r0, a sweep digits-1")]
pub struct WhatError;

impl FromStr for What {
    type Err = WhatError;

    fn from_str(text: &str) -> Result<Self, WhatError> {
        if let Ok(trial) = text.parse() {
            return Ok(Self::Trial(trial));
        }
        let (sweep, last) = match text.rsplit_once('/') {
            Some(("", _)) => return Err(WhatError),
            Some((sweep, last)) => (Some(sweep.to_owned()), last),
            None => (None, text),
        };
        match (rung(last), sweep) {
            (Some((bracket, rung)), sweep) => Ok(Self::Rung { sweep, bracket, rung }),
            (None, None) if !last.is_empty() => Ok(Self::Sweep(last.to_owned())),
            _ => Err(WhatError),
        }
    }
}

fn rung(text: &str) -> Option<(u32, u32)> {
    let (bracket, rung) = text.strip_prefix('b')?.split_once('r')?;
    let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    Some((number(bracket)?, number(rung)?))
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trial(trial) => trial.fmt(f),
            Self::Rung { sweep, bracket, rung } => {
                let sweep = sweep.as_ref().map_or_else(String::new, |sweep| format!("{sweep}/"));
                write!(f, "{sweep}b{bracket}r{rung}")
            }
            Self::Sweep(sweep) => f.write_str(sweep),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_has_its_name() {
        for text in ["digits-1/42", "42.2", "digits", "digits-1", "digits-1/b4r0", "b4r10", "bor"] {
            assert_eq!(text.parse::<What>().unwrap().to_string(), text);
        }
        assert!(matches!("b4r0".parse(), Ok(What::Rung { sweep: None, bracket: 4, rung: 0 })));
        assert!(matches!("bor".parse(), Ok(What::Sweep(_))));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "/42", "digits-1/", "digits-1/x", "digits-1/b4", "digits-1/b4r", "digits-1/b+4r0"] {
            assert_eq!(text.parse::<What>(), Err(WhatError), "{text}");
        }
    }
}
