//! `[objective]`: which number is compared, which way, and where it comes from.

use bandmaster_record::{Goal, MetricSource};
use regex::Regex;

use super::keys;
use super::place::At;
use super::section::Section;

/// `[objective]` as it was read.
pub(crate) struct Objective {
    /// The metric's name in reports.
    pub(crate) metric: Option<String>,
    /// Which values are better.
    pub(crate) goal: Option<Goal>,
    /// Where it comes from.
    pub(crate) source: MetricSource,
    /// Whether the trial only prints: then it knows nothing of us, and must be told everything by its command.
    pub(crate) printed: bool,
}

/// Reads `[objective]`.
pub(crate) fn read(section: &Section<'_>) -> Objective {
    section.must_have("metric");
    section.must_have("goal");
    let metric = section.text_as("metric", |text| {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            Err("must be the name under which the trial reports it, in one line".to_owned())
        } else {
            Ok(text.to_owned())
        }
    });
    let goal = section.word("goal", &[("minimize", Goal::Minimize), ("maximize", Goal::Maximize)]);
    let from = section.section("from", "`from`", keys::FROM);
    if let Some(from) = &from {
        from.must_have("stdout");
    }
    let stdout = from.as_ref().and_then(|from| from.text_as("stdout", expression));
    Objective {
        metric: metric.map(|at| at.value),
        goal: goal.map(|at| at.value),
        printed: from.is_some(),
        source: stdout.map_or(MetricSource::Report, |At { value, .. }| MetricSource::Stdout(value)),
    }
}

fn expression(text: &str) -> Result<String, String> {
    let expression = Regex::new(text).map_err(|error| {
        let told = error.to_string();
        let reason = told.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
        format!("is no regular expression: {reason}")
    })?;
    if expression.captures_len() < 2 {
        return Err("needs a group around the number: (\\S+)".to_owned());
    }
    Ok(text.to_owned())
}
