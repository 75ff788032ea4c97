//! What is wrong, or strange, only when two sections are seen together.

use bandmaster_search::{Domain, Ladder};

use super::command::Used;
use super::method::MethodSection;
use super::mistake::Mistakes;
use super::objective::Objective;
use super::place::Place;
use super::section::Section;
use super::space::SpaceSection;
use super::trial::TrialSection;

/// What the method asks of the parameters.
pub(crate) fn method_and_space(method: &MethodSection, section: &Section<'_>, space: &SpaceSection, mistakes: &Mistakes) {
    let understood = || space.space.parameters.iter().filter(|parameter| space.is_understood(&parameter.name));
    match method.kind {
        Some("single") => {
            for parameter in understood().filter(|parameter| !matches!(parameter.domain, Domain::Constant(_))) {
                if let Some(place) = space.place_of(&parameter.name) {
                    let message = format!("the method `single` runs one trial, and `{}` is not constant", parameter.name);
                    mistakes.wrong(place, message, "write one value, or take the method `grid` or `random`");
                }
            }
        }
        Some("grid") => {
            for parameter in understood().filter(|parameter| parameter.domain.points().is_none()) {
                if let Some(place) = space.place_of(&parameter.name) {
                    let message = format!("a grid takes all values, and `{}` has any number of a range", parameter.name);
                    let help = match parameter.domain {
                        Domain::Uniform { .. } => "give it a `step`, or make it a `choice`",
                        _ => "make it a `choice`",
                    };
                    mistakes.wrong(place, message, help);
                }
            }
        }
        Some("random" | "hyperband") if understood().all(|parameter| matches!(parameter.domain, Domain::Constant(_))) => {
            let whole = space.space.parameters.iter().all(|parameter| space.is_understood(&parameter.name));
            if whole {
                let message = "nothing varies: all trials would have the same parameters, and differ by their seeds alone";
                mistakes.warn(&section.place_of("kind"), message, "give a parameter in [space] a range or a `choice`");
            }
        }
        _ => {}
    }
}

/// What can be run as it is written, and is perhaps not what was meant.
pub(crate) fn warn(
    used: &Used,
    command: &Place,
    objective: &Objective,
    ladder: &Ladder,
    space: &SpaceSection,
    trial: &TrialSection,
    mistakes: &Mistakes,
) {
    let several_rungs = ladder.brackets.iter().any(|bracket| bracket.rungs.len() > 1);
    if objective.printed && several_rungs && !used.names.contains("target") {
        let message =
            "a program that only prints its metric is told by its command alone how far to train, and this command has no `{target}`";
        mistakes.warn(command, message, "add an argument with `{target}`; otherwise each rung trains the same");
    }
    let in_setup = || trial.setup.iter().flatten().any(|line| line.contains("BANDMASTER_PARAMS"));
    let uses_parameters = || space.space.parameters.iter().any(|parameter| used.names.contains(&parameter.name));
    // A command without any parameter reads the file of them; one that takes some of them has probably forgotten one.
    if used.mentions_params_file || in_setup() || !(objective.printed || uses_parameters()) {
        return;
    }
    for parameter in &space.space.parameters {
        if matches!(parameter.domain, Domain::Constant(_)) || used.names.contains(&parameter.name) {
            continue;
        }
        if let Some(place) = space.place_of_name(&parameter.name) {
            let message = format!("`{}` varies, and the command has no `{{{}}}`", parameter.name, parameter.name);
            mistakes.warn(place, message, "add it to `command`, unless the trial reads it from the file that BANDMASTER_PARAMS names");
        }
    }
}
