//! The program as a trial: its side of the contract, against a launcher of this test's own that keeps the other side.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What one attempt is given.
struct Attempt {
    private: tempfile::TempDir,
    child: Child,
}

/// How the launcher answers to checkpoints.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Publish,
    Refuse,
}

const PARAMS: &str = r#"{"lr": 0.05, "momentum": 0.8, "hidden": 40, "layers": 2, "batch": 32, "dropout": 0.15, "warmup": 2}"#;
/// Slow enough that it can be hit in the middle: half a second or more.
const SLOW: &str = r#"{"lr": 0.05, "momentum": 0.8, "hidden": 96, "layers": 3, "batch": 16, "dropout": 0.15, "warmup": 2}"#;
const MAX_RESOURCE: u64 = 27;

impl Attempt {
    fn start(params: &str, target: u64, resume_from: Option<&Path>, more: &[(&str, &str)]) -> Self {
        let private = tempfile::tempdir().unwrap();
        let path = |name| private.path().join(name);
        fs::write(path("params.json"), params).unwrap();
        fs::create_dir(path("checkpoints")).unwrap();
        fs::create_dir(path("published")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_digits"));
        command
            .arg("--print-parameters-hash")
            .env_clear()
            .env("BANDMASTER_TRIAL", "digits-1/0")
            .env("BANDMASTER_PARAMS", path("params.json"))
            .env("BANDMASTER_SEED", "12345")
            .env("BANDMASTER_TARGET", target.to_string())
            .env("BANDMASTER_MAX_RESOURCE", MAX_RESOURCE.to_string())
            .env("BANDMASTER_REPORT", path("report.jsonl"))
            .env("BANDMASTER_CHECKPOINTS", path("checkpoints"))
            .env("BANDMASTER_STOP", path("stop"))
            .envs(more.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(directory) = resume_from {
            command.env("BANDMASTER_RESUME_FROM", directory);
        }
        Self { child: command.spawn().unwrap(), private }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.private.path().join(name)
    }

    /// Answers until the trial ends.
    fn finish(mut self, how: Answer) -> Ended {
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            answer(self.private.path(), how);
            assert!(begun.elapsed() < Duration::from_secs(120), "the trial does not end");
            thread::sleep(Duration::from_millis(2));
        }
        self.ended(how)
    }

    /// Takes what a trial that is killed had made ready, too.
    fn ended(self, how: Answer) -> Ended {
        let output = self.child.wait_with_output().unwrap();
        answer(self.private.path(), how);
        Ended { private: self.private, output }
    }
}

/// Takes what is ready, as a launcher does.
fn answer(private: &Path, how: Answer) {
    for path in fs::read_dir(private.join("checkpoints")).unwrap().flatten().map(|entry| entry.path()) {
        let reply = path.with_extension(if how == Answer::Publish { "published" } else { "refused" });
        if path.extension().is_none_or(|extension| extension != "ready") || reply.exists() {
            continue;
        }
        if how == Answer::Publish {
            fs::rename(&path, private.join("published").join(path.file_stem().unwrap())).unwrap();
        }
        let staged = path.with_extension("reply");
        fs::write(&staged, "the quota is used up\n").unwrap();
        fs::rename(staged, reply).unwrap();
    }
}

/// What an attempt left.
struct Ended {
    private: tempfile::TempDir,
    output: Output,
}

impl Ended {
    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    fn reports(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.private.path().join("report.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn last_report(&self) -> serde_json::Value {
        self.reports().pop().unwrap()
    }

    fn published(&self) -> Vec<u64> {
        let entries = fs::read_dir(self.private.path().join("published")).unwrap().flatten();
        let mut epochs: Vec<u64> = entries.map(|entry| entry.file_name().to_str().unwrap().parse().unwrap()).collect();
        epochs.sort_unstable();
        epochs
    }

    fn checkpoint(&self, epoch: u64) -> PathBuf {
        self.private.path().join("published").join(epoch.to_string())
    }

    fn newest(&self) -> Option<PathBuf> {
        self.published().last().map(|epoch| self.checkpoint(*epoch))
    }

    fn parameters(&self) -> String {
        let text = String::from_utf8_lossy(&self.output.stdout).into_owned();
        text.lines().find_map(|line| line.strip_prefix("parameters ").map(str::to_owned)).unwrap()
    }
}

fn through(params: &str) -> Ended {
    let ended = Attempt::start(params, MAX_RESOURCE, None, &[]).finish(Answer::Publish);
    assert!(ended.output.status.success(), "{}", ended.stderr());
    ended
}

/// All files of two checkpoints are equal, byte for byte.
fn assert_same_checkpoint(left: &Path, right: &Path) {
    let mut names: Vec<_> = fs::read_dir(left).unwrap().flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(names, ["state.json", "tensors.safetensors"]);
    for name in names {
        assert!(fs::read(left.join(&name)).unwrap() == fs::read(right.join(&name)).unwrap(), "{name:?} differs");
    }
}

#[test]
fn stopping_at_every_rung_comes_to_the_same_bits() {
    let expected = through(PARAMS);
    let mut last: Option<Ended> = None;
    for target in [1, 3, 9, 27] {
        let from = last.as_ref().and_then(Ended::newest);
        let ended = Attempt::start(PARAMS, target, from.as_deref(), &[]).finish(Answer::Publish);
        assert!(ended.output.status.success(), "{}", ended.stderr());
        assert_eq!((ended.published(), ended.last_report()["resource"].as_u64()), (vec![target], Some(target)));
        last = Some(ended);
    }
    let last = last.unwrap();
    assert_eq!(last.parameters(), expected.parameters());
    assert_eq!(last.last_report(), expected.last_report());
    assert_same_checkpoint(&last.checkpoint(27), &expected.checkpoint(27));
}

#[test]
fn kill_9_at_any_moment_comes_to_the_same_bits() {
    let expected = through(SLOW);
    let mut newest: Option<(tempfile::TempDir, PathBuf)> = None;
    // What a delay hits differs from run to run. No attempt but the last has the time to end.
    for kills in 0_u64.. {
        let delay = Duration::from_millis(37 * kills * kills % 400 + 20 * kills);
        let from = newest.as_ref().map(|(_, path)| path.as_path());
        let mut attempt = Attempt::start(SLOW, MAX_RESOURCE, from, &[("BANDMASTER_CHECKPOINT_INTERVAL", "0")]);
        let begun = Instant::now();
        while begun.elapsed() < delay && attempt.child.try_wait().unwrap().is_none() {
            answer(attempt.private.path(), Answer::Publish);
            thread::sleep(Duration::from_millis(1));
        }
        attempt.child.kill().unwrap();
        let ended = attempt.ended(Answer::Publish);
        if ended.output.status.success() {
            assert_eq!(ended.parameters(), expected.parameters());
            assert_eq!(ended.last_report(), expected.last_report());
            assert!(kills >= 3, "killed {kills} times only: make SLOW slower");
            return;
        }
        assert!(ended.output.status.code().is_none(), "{}", ended.stderr());
        if let Some(path) = ended.newest() {
            newest = Some((ended.private, path));
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}

#[test]
fn a_stop_keeps_the_last_whole_epoch_and_resumes_to_the_same_bits() {
    let expected = through(SLOW);
    let attempt = Attempt::start(SLOW, MAX_RESOURCE, None, &[]);
    while fs::read_to_string(attempt.path("report.jsonl")).unwrap_or_default().lines().count() < 3 {
        thread::sleep(Duration::from_millis(1));
    }
    fs::write(attempt.path("stop"), "").unwrap();
    let stopped = attempt.finish(Answer::Publish);
    assert!(stopped.output.status.success(), "{}", stopped.stderr());
    let reached = stopped.last_report()["resource"].as_u64().unwrap();
    assert!(reached < MAX_RESOURCE);
    assert_eq!(stopped.published(), [reached]);
    let resumed = Attempt::start(SLOW, MAX_RESOURCE, stopped.newest().as_deref(), &[]).finish(Answer::Publish);
    assert_eq!(resumed.reports().first().unwrap()["resource"], reached + 1);
    assert_eq!(resumed.parameters(), expected.parameters());
}

#[test]
fn a_stop_before_the_first_epoch_leaves_no_checkpoint() {
    let attempt = Attempt::start(SLOW, MAX_RESOURCE, None, &[("BANDMASTER_STOP", "/dev/null")]);
    let stopped = attempt.finish(Answer::Publish);
    assert!(stopped.output.status.success());
    assert!(stopped.published().is_empty() && stopped.reports().is_empty());
}

#[test]
fn every_epoch_is_reported_and_the_target_again_after_a_loss() {
    let first = Attempt::start(PARAMS, 3, None, &[]).finish(Answer::Publish);
    let resources: Vec<_> = first.reports().iter().map(|report| report["resource"].as_u64().unwrap()).collect();
    assert_eq!(resources, [1, 2, 3]);
    for metric in ["val_loss", "val_accuracy", "train_loss"] {
        assert!(first.last_report()[metric].is_f64(), "{metric}");
    }
    let again = Attempt::start(PARAMS, 3, first.newest().as_deref(), &[]).finish(Answer::Publish);
    assert_eq!(again.reports(), [first.last_report()]);
    assert!(again.published().is_empty());
}

#[test]
fn checkpoints_come_when_they_are_due() {
    let often = Attempt::start(PARAMS, 4, None, &[("BANDMASTER_CHECKPOINT_INTERVAL", "0")]).finish(Answer::Publish);
    assert_eq!(often.published(), [1, 2, 3, 4]);
    let seldom = Attempt::start(PARAMS, 4, None, &[("BANDMASTER_CHECKPOINT_INTERVAL", "3600.5")]).finish(Answer::Publish);
    assert_eq!(seldom.published(), [4]);
}

#[test]
fn a_refused_checkpoint_is_told_and_ends_no_training() {
    let ended = Attempt::start(PARAMS, 2, None, &[("BANDMASTER_CHECKPOINT_INTERVAL", "0")]).finish(Answer::Refuse);
    assert!(ended.output.status.success());
    assert_eq!(ended.last_report()["resource"], 2);
    assert!(ended.stderr().contains("epoch 2 was refused: the quota is used up"), "{}", ended.stderr());
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_reported() {
    let first = Attempt::start(PARAMS, 3, None, &[]).finish(Answer::Publish);
    let from = first.newest();
    for (params, target, more, expected) in [
        (r#"{"rate": 1}"#, 9, ("A", "b"), "unknown field `rate`"),
        (PARAMS, 9, ("BANDMASTER_SEED", "99"), "its seed is 12345, here it is 99"),
        (SLOW, 9, ("A", "b"), "its configuration is"),
        (PARAMS, 1, ("A", "b"), "beyond the target 1"),
        (PARAMS, 9, ("BANDMASTER_RESUME_FROM", "/nowhere"), "cannot read /nowhere/state.json"),
    ] {
        let from = if more.0 == "BANDMASTER_RESUME_FROM" { None } else { from.as_deref() };
        let ended = Attempt::start(params, target, from, &[more]).finish(Answer::Publish);
        assert_eq!(ended.output.status.code(), Some(1), "{expected}");
        assert!(ended.stderr().contains(expected), "{expected}: {}", ended.stderr());
        assert!(ended.reports().is_empty() && ended.published().is_empty());
    }
}

#[test]
fn a_trial_whose_launcher_is_gone_does_not_wait_for_ever() {
    let private = tempfile::tempdir().unwrap();
    // This shell is the launcher, and leaves without an answer.
    let script = format!(
        "'{}' --epochs 1 --trial t --checkpoints \"$0\" 2> \"$0/stderr\" & while ! test -e \"$0/1.ready\"; do sleep 0.01; done",
        env!("CARGO_BIN_EXE_digits")
    );
    let status = Command::new("sh").arg("-c").arg(script).arg(private.path()).env_clear().stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    let begun = Instant::now();
    while !fs::read_to_string(private.path().join("stderr")).unwrap_or_default().contains("the launcher is gone") {
        assert!(begun.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(10));
    }
    assert!(private.path().join("1.ready/state.json").exists());
}

#[test]
fn it_runs_by_hand_with_flags_alone() {
    let private = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_digits"))
        .args(["--epochs", "2", "--max-epochs", "5", "--hidden", "16", "--seed", "4", "--checkpoints"])
        .arg(private.path())
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("epoch 2: val_loss"));
    let state: serde_json::Value = serde_json::from_slice(&fs::read(private.path().join("2.ready/state.json")).unwrap()).unwrap();
    assert_eq!(
        (state["epoch"].as_u64(), state["max_epochs"].as_u64(), state["hyperparameters"]["hidden"].as_u64()),
        (Some(2), Some(5), Some(16))
    );
    assert_eq!(state["sampler"]["position"], 2 * 1437);
}
