//! `bandmaster plan` as a person and as a program see it.

use std::path::PathBuf;

use bandmaster::commands::plan::{self, Args};
use bandmaster::failure::{Exit, FailureKind};
use bandmaster::look::Look;

fn plan(file: &str, json: bool) -> (String, String) {
    let args = Args { file: PathBuf::from(file), campaign: None, json, look: Look::PLAIN };
    let (mut out, mut talk) = (Vec::new(), Vec::new());
    assert_eq!(plan::run(&args, &mut out, &mut talk).unwrap(), Exit::Ok);
    (String::from_utf8(out).unwrap(), String::from_utf8(talk).unwrap())
}

#[test]
fn the_plan_shows_rungs_and_bounds() {
    let (text, talk) = plan("tests/sweepfile/files/design.toml", false);
    assert_eq!(talk, "");
    insta::assert_snapshot!(text);
}

#[test]
fn the_plan_in_json_has_the_shape_that_scripts_know() {
    let (text, _) = plan("tests/sweepfile/files/design.toml", true);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["schema_version"], 1);
    let brackets = json["brackets"].as_array().unwrap();
    assert_eq!(brackets.iter().map(|b| b["bracket"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 2, 1, 0]);
    assert_eq!(brackets[0]["rungs"][1], serde_json::json!({"rung": 1, "resource": 3, "trials": 9}));
    assert_eq!(json["cost"]["core_hours"].as_f64().unwrap(), json["segments"].as_f64().unwrap() / 2.0);
}

#[test]
fn a_wrong_file_has_no_plan() {
    let args = Args { file: PathBuf::from("tests/sweepfile/files/many_mistakes.toml"), campaign: None, json: true, look: Look::PLAIN };
    let (mut out, mut talk) = (Vec::new(), Vec::new());
    let failure = plan::run(&args, &mut out, &mut talk).unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongFile);
    assert!(out.is_empty());
}
