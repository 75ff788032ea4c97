//! `bandmaster check` as a person and as a program see it.

use std::path::{Path, PathBuf};

use bandmaster::commands::check::{self, Args};
use bandmaster::failure::{Exit, FailureKind};
use bandmaster::look::Look;

fn check(files: &[&Path], campaign: Option<&Path>, json: bool) -> (Exit, String) {
    let files = files.iter().map(|path| path.to_path_buf()).collect();
    let mut out = Vec::new();
    let args = Args { files, campaign: campaign.map(Path::to_path_buf), json, look: Look::PLAIN };
    let exit = check::run(&args, &mut out).unwrap();
    (exit, String::from_utf8(out).unwrap())
}

fn file(name: &str) -> PathBuf {
    // Tests of a package run in its directory, so that what is shown is the same on every machine.
    Path::new("tests/sweepfile/files").join(name)
}

const WRONG: Exit = Exit::Because(FailureKind::WrongFile);

#[test]
fn all_mistakes_are_told_at_once_each_at_its_place() {
    let (exit, text) = check(&[&file("many_mistakes.toml")], None, false);
    assert_eq!(exit, WRONG);
    insta::assert_snapshot!(text);
}

#[test]
fn a_program_reads_the_same_mistakes_with_lines_and_columns() {
    let (exit, text) = check(&[&file("many_mistakes.toml"), &file("design.toml")], None, true);
    assert_eq!(exit, WRONG);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert_eq!((json["files"][0]["ok"].clone(), json["files"][1]["ok"].clone()), (false.into(), true.into()));
    let first = &json["files"][0]["mistakes"][0];
    assert_eq!((first["line"].clone(), first["column"].clone(), first["severity"].clone()), (1.into(), 8.into(), "error".into()));
    assert!(first["message"].as_str().unwrap().contains("../digits"), "{first}");
}

#[test]
fn what_cannot_be_read_is_told_without_a_place() {
    let there = tempfile::tempdir().unwrap();
    let large = there.path().join("large.toml");
    std::fs::write(&large, vec![b'#'; (1 << 20) + 1]).unwrap();
    for (path, told) in [
        (there.path().to_path_buf(), "is a directory"),
        (there.path().join("none.toml"), "does not exist"),
        (large, "larger than 1 MiB"),
        (PathBuf::from("/dev/null"), "is no file"),
    ] {
        let (exit, text) = check(&[&path], None, false);
        assert_eq!(exit, WRONG);
        assert!(text.replace('\n', " ").contains(told), "{path:?}: {text}");
    }
}

#[test]
fn the_campaigns_defaults_count_and_its_own_file_can_be_checked() {
    let campaign = tempfile::tempdir().unwrap();
    let config = campaign.path().join("campaign.toml");
    std::fs::write(&config, "lease_takeover = '5s'\n[trial]\ncommand = ['x']\n").unwrap();
    let (exit, text) = check(&[&config], None, false);
    assert_eq!(exit, WRONG);
    assert!(text.contains("belongs to a sweep"), "{text}");
    let args = Args { files: vec![file("design.toml")], campaign: Some(campaign.path().to_path_buf()), json: false, look: Look::PLAIN };
    let failure = check::run(&args, &mut Vec::new()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongFile);
    std::fs::write(&config, "lease_takeover = '5s'\n[trial]\nretries = 9\n").unwrap();
    assert_eq!(check(&[&file("design.toml"), &config], Some(campaign.path()), false).0, Exit::Ok);
}

#[test]
fn the_column_that_a_person_sees_is_that_of_the_program() {
    let there = tempfile::tempdir().unwrap();
    let path = there.path().join("s.toml");
    std::fs::write(&path, "[space]\nx = { choice = ['é', 'ü', 'é'] }\n").unwrap();
    let (_, text) = check(&[&path], None, false);
    assert!(text.contains("s.toml:2:27]"), "{text}");
    let (_, json) = check(&[&path], None, true);
    assert!(json.contains("\"column\": 27"), "{json}");
}
