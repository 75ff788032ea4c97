//! What `bandmaster new` writes is right, runs with sh and awk alone, and keeps the trial's contract.

use std::fs;
use std::path::Path;
use std::process::Command;

use bandmaster::commands::{check, new, plan};
use bandmaster::failure::{Exit, FailureKind};
use bandmaster::look::Look;

fn make(directory: &Path) {
    assert_eq!(new::run(&new::Args { directory: directory.to_path_buf() }, &mut Vec::new()).unwrap(), Exit::Ok);
}

/// Trains as a slot would have it trained; gives the reports.
fn train(there: &Path, name: &str, epochs: u32, resume: Option<&Path>, stop: bool) -> String {
    let private = there.join(name);
    fs::create_dir(&private).unwrap();
    if stop {
        fs::write(private.join("stop"), "").unwrap();
    }
    let mut command = Command::new("sh");
    command.arg(there.join("train.sh")).args(["--lr", "0.1", "--momentum", "0.9", "--hidden", "8", "--epochs", &epochs.to_string()]);
    if let Some(resume) = resume {
        command.arg("--resume").arg(resume);
    }
    let contract = [("REPORT", "report"), ("CHECKPOINTS", ""), ("STOP", "stop")];
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("BANDMASTER_SEED", "5");
    command.envs(contract.map(|(variable, file)| (format!("BANDMASTER_{variable}"), private.join(file))));
    assert!(command.status().unwrap().success());
    fs::read_to_string(private.join("report")).unwrap_or_default()
}

#[test]
fn the_sweep_is_right_and_no_warning_is_left_to_its_reader() {
    let there = tempfile::tempdir().unwrap();
    let directory = there.path().join("my-first");
    make(&directory);
    let file = directory.join("sweep.toml");
    let mut out = Vec::new();
    let args = check::Args { files: vec![file.clone()], campaign: None, json: false, look: Look::PLAIN };
    assert_eq!(check::run(&args, &mut out).unwrap(), Exit::Ok);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("the sweep `my-first`") && text.lines().count() == 1, "{text}");
    let args = plan::Args { file, campaign: None, json: false, look: Look::PLAIN };
    assert_eq!(plan::run(&args, &mut Vec::new(), &mut Vec::new()).unwrap(), Exit::Ok);
}

#[test]
fn the_trial_learns_and_a_resumed_one_ends_with_the_same_weights() {
    let there = tempfile::tempdir().unwrap();
    make(there.path());
    let through = train(there.path(), "through", 9, None, false);
    let losses: Vec<f64> =
        through.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["val_loss"].as_f64().unwrap()).collect();
    assert!(losses.len() == 9 && losses[8] < losses[0] / 2.0, "{losses:?}");
    let first = train(there.path(), "first", 3, None, false);
    let second = train(there.path(), "second", 9, Some(&there.path().join("first/3.ready")), false);
    assert_eq!(first + &second, through);
    let weights = |run: &str| fs::read_to_string(there.path().join(run).join("9.ready/weights")).unwrap();
    assert_eq!(weights("second"), weights("through"));
}

#[test]
fn the_trial_checkpoints_and_leaves_when_it_is_asked_to_stop() {
    let there = tempfile::tempdir().unwrap();
    make(there.path());
    train(there.path(), "first", 3, None, false);
    let stopped = train(there.path(), "stopped", 9, Some(&there.path().join("first/3.ready")), true);
    assert_eq!(stopped, "");
    assert!(there.path().join("stopped/3.ready/weights").exists());
}

#[test]
fn nothing_is_overwritten_and_nothing_half_written() {
    let there = tempfile::tempdir().unwrap();
    fs::write(there.path().join("train.sh"), "mine").unwrap();
    let failure = new::run(&new::Args { directory: there.path().to_path_buf() }, &mut Vec::new()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Usage);
    assert_eq!(fs::read_to_string(there.path().join("train.sh")).unwrap(), "mine");
    assert!(!there.path().join("sweep.toml").exists());
}
