//! docs/contract.md tells users what the launcher does: its example must run, and what it lists must be so.

use std::fs;

use bandmaster_record::{Cause, Number};

use crate::world::{World, again, bash, segment};

const CONTRACT: &str = include_str!("../../../docs/contract.md");

const CAUSES: [Cause; 12] = [
    Cause::Completed,
    Cause::NoResult,
    Cause::WrongExit,
    Cause::Signal,
    Cause::OutOfMemory,
    Cause::TimeLimit,
    Cause::Stopped,
    Cause::Preempted,
    Cause::Cancelled,
    Cause::NodeFailure,
    Cause::CannotStart,
    Cause::Lost,
];

/// The last block of that language.
fn block(language: &str) -> &'static str {
    CONTRACT.rsplit_once(&format!("```{language}\n")).unwrap().1.split_once("```").unwrap().0
}

#[test]
fn the_example_runs_and_goes_on_from_its_checkpoint() {
    let world = World::new(vec!["python3".into(), "trial.py".into()]);
    fs::write(world.work().join("trial.py"), block("python")).unwrap();
    let ended = world.run(&[segment()]);
    let expected = 0.9f64.powi(6);
    let close = |result: Option<Number>| (result.unwrap().0 - expected).abs() < 1e-12;
    assert!(ended.end().cause == Cause::Completed && close(ended.end().result), "{:?}", ended.end());
    assert_eq!(ended.end().checkpointed, Some(3));
    // Resumed at its target: it reports and leaves.
    let ended = world.run(&[again(&segment())]);
    assert!(ended.end().cause == Cause::Completed && close(ended.end().result), "{:?}", ended.end());
    assert_eq!((ended.end().checkpointed, ended.notes().len()), (None, 0));
}

#[test]
fn the_lines_for_a_shell_make_a_checkpoint() {
    let world = World::new(bash(&format!("echo > model; echo > optimizer; {}", block("sh"))));
    assert_eq!(world.run(&[segment()]).end().checkpointed, Some(3));
}

#[test]
fn every_variable_and_every_cause_is_listed_as_it_is() {
    let world = World::new(bash("env | grep -o '^BANDMASTER_[A-Z_]*' | sort > names"));
    world.run(&[segment()]);
    let names = fs::read_to_string(world.work().join("names")).unwrap();
    let listed = |name: &str| CONTRACT.contains(&format!("| `{name}` |"));
    assert!(names.lines().count() >= 9 && names.lines().all(listed), "{names}");
    for cause in CAUSES {
        assert!(CONTRACT.contains(&format!("`{}`", cause.as_str())), "{cause:?}");
        let row = CONTRACT.lines().find(|line| line.starts_with("| ") && line.contains(&format!("`{}`", cause.as_str()))).unwrap();
        assert_eq!(row.ends_with("| yes |"), !cause.is_free() && cause != Cause::Completed, "{row}");
    }
}
