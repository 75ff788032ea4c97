//! One sweep on a real Slurm cluster in which each trial ends in its own bad way: the ledger tells the causes apart, what
//! is free of charge costs nothing, what is the trial's own fault costs its retries, and `explain` says all of it.
#![expect(clippy::unwrap_used, reason = "a test")]

mod on_slurm {
    //! As much of a cluster as this test needs: `tests/cluster`, called.

    use std::os::unix::fs::chown;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};

    use bandmaster_tests::{World, said};

    /// ada, of whom only the cluster knows.
    const ADA: u32 = 20001;

    /// A cluster and a directory of ada's on it. What is not shared with other tests goes with this value.
    pub(crate) struct Cluster {
        name: String,
        is_own: bool,
        directory: tempfile::TempDir,
    }

    impl Cluster {
        /// The one that `BANDMASTER_TEST_CLUSTER` names, else one of this test's own.
        pub(crate) fn new() -> Self {
            let shared = std::env::var("BANDMASTER_TEST_CLUSTER").ok().filter(|name| !name.is_empty());
            let (name, is_own) = (shared.clone().unwrap_or_else(|| format!("causes{}", std::process::id())), shared.is_none());
            if is_own {
                run(script(&["up", &name, "--node-timeout", "10"]));
            }
            let root = std::env::var_os("BANDMASTER_CLUSTER_ROOT").map_or_else(|| "/var/tmp/bandmaster-clusters".into(), PathBuf::from);
            let directory = tempfile::tempdir_in(root.join(&name).join("shared/ada")).unwrap();
            let cluster = Self { name, is_own, directory };
            let world = World::new().unwrap();
            for program in ["bandmaster", "bandmaster-launch"] {
                std::fs::copy(world.program(program), cluster.path().join(program)).unwrap();
            }
            std::fs::create_dir(cluster.path().join("campaign")).unwrap();
            for path in ["", "campaign", "bandmaster", "bandmaster-launch"] {
                chown(cluster.path().join(path), Some(ADA), Some(ADA)).unwrap();
            }
            run(cluster.command("login", &["chmod", "700", "campaign"]));
            cluster
        }

        pub(crate) fn path(&self) -> &Path {
            self.directory.path()
        }

        pub(crate) fn write(&self, name: &str, text: &str) {
            let path = self.path().join(name);
            std::fs::write(&path, text).unwrap();
            chown(path, Some(ADA), Some(ADA)).unwrap();
        }

        /// What is in a file, once it is whole: its last character is a line's end.
        pub(crate) fn read(&self, name: &str) -> Option<String> {
            let text = std::fs::read_to_string(self.path().join(name)).ok()?;
            Some(text.strip_suffix('\n')?.to_owned())
        }

        fn command(&self, host: &str, argv: &[&str]) -> Command {
            let mut command = script(&["on", &self.name, host, "--cd"]);
            command.arg(self.path()).arg("--").args(argv);
            command
        }

        /// What a command on a host prints, as ada. It must succeed.
        pub(crate) fn on(&self, host: &str, argv: &[&str]) -> String {
            run(self.command(host, argv))
        }

        /// What `bandmaster` prints on the login host.
        pub(crate) fn bandmaster(&self, arguments: &[&str]) -> String {
            self.on("login", &[&["./bandmaster"], arguments].concat())
        }

        /// Starts `bandmaster run sweep.toml`.
        pub(crate) fn sweep(&self) -> Child {
            let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path().join("run.log")).unwrap();
            self.command("login", &["./bandmaster", "run", "sweep.toml"]).stderr(log).spawn().unwrap()
        }

        pub(crate) fn fault(&self, verb: &str, words: &[&str]) {
            let mut command = script(&[verb, &self.name]);
            command.args(words);
            run(command);
        }
    }

    impl Drop for Cluster {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("{}", std::fs::read_to_string(self.path().join("run.log")).unwrap_or_default());
                for sql in [
                    "SELECT name, cause, detail, started_at, ended_at, slot FROM attempts ORDER BY trial, attempt",
                    "SELECT decided_at, sentence FROM decisions WHERE kind NOT IN ('lease_taken', 'trial_created') ORDER BY epoch, seq",
                ] {
                    let _ = self.command("login", &["./bandmaster", "ledger", "sql", "--format", "csv", sql]).status();
                }
            }
            let ended = if self.is_own { script(&["down", &self.name]) } else { self.command("login", &["scancel", "--user=ada"]) };
            let _ = { ended }.status();
        }
    }

    fn script(arguments: &[&str]) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/cluster"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn run(mut command: Command) -> String {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

use bandmaster_tests::wait_for;
use on_slurm::Cluster;
use serde_json::Value;

/// Trains to 6, checkpoints and reports at each step, and goes on from where it was. What is bad about it, its first
/// argument says: most stay at their first step until something happens to them.
const TRIAL: &str = r#"#!/bin/bash
case=$1 at=0
[ -z "$BANDMASTER_RESUME_FROM" ] || at=$(cat "$BANDMASTER_RESUME_FROM/model")
step() {
  at=$((at + 1))
  mkdir "$BANDMASTER_CHECKPOINTS/tmp" && echo "$at" > "$BANDMASTER_CHECKPOINTS/tmp/model"
  mv "$BANDMASTER_CHECKPOINTS/tmp" "$BANDMASTER_CHECKPOINTS/$at.ready"
  echo "{\"resource\": $at, \"loss\": 0.$at}" >> "$BANDMASTER_REPORT"
  until [ -e "$BANDMASTER_CHECKPOINTS/$at.published" ]; do sleep 0.01; done
}
stay() { until [ -e "$BANDMASTER_STOP" ]; do sleep 0.05; done; }
case $case in
  wrong_exit) echo "no such data"; exit 3 ;;
  out_of_memory) { head -c 900M /dev/zero; while echo; do sleep 0.1; done; } 2> /dev/null | tail -c 900M > /dev/null; exit 1 ;;
  stuck) stay; exit 0 ;;
  preempted | node_failure | lost | time_limit)
    if [ "$at" = 0 ]; then step; hostname > "at.$case"; stay; cat "$BANDMASTER_STOP" > "stop.$case"; exit 0; fi ;;
  cancelled)
    step
    echo "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" > "at.$case"
    while [ ! -e was.cancelled ]; do if [ -e "$BANDMASTER_STOP" ]; then exit 0; fi; sleep 0.05; done ;;
esac
while [ "$at" -lt "$BANDMASTER_TARGET" ]; do step; done
"#;

/// The bad ways, in the order of their trials. A task takes a whole node, so that what happens to one node happens to one
/// trial.
const CASES: [&str; 9] = ["preempted", "node_failure", "lost", "time_limit", "stuck", "wrong_exit", "out_of_memory", "good", "cancelled"];

fn sweep() -> String {
    format!(
        r#"name = "causes"
seed = 1
[objective]
metric = "loss"
goal = "minimize"
[method]
kind = "grid"
max_resource = 6
[space]
case = {{ choice = {CASES:?} }}
[trial]
command = ["bash", "trial.sh", "{{case}}"]
retries = 1
cpus_per_rank = 4
memory_per_rank = "300M"
time = "12s"
stop_grace = "2s"
"#
    )
}

/// What `explain` says of a trial.
fn explained(cluster: &Cluster, case: &str) -> Value {
    let trial = CASES.iter().position(|known| *known == case).unwrap();
    let text = cluster.bandmaster(&["explain", &format!("causes-1/{trial}"), "--format", "json"]);
    serde_json::from_str::<Value>(&text).unwrap()["trial"].take()
}

/// How its attempts ended and what each cost, those left out that only the pause ended.
fn ends(told: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let attempts = told["attempts"].as_array().unwrap().iter();
    attempts.map(|attempt| (word(&attempt["cause"]), word(&attempt["cost"]))).filter(|(cause, _)| cause != "stopped").collect()
}

/// All that is said of it, in one text.
fn all(told: &Value) -> String {
    told.to_string()
}

#[test]
fn every_cause_is_told_from_the_others_and_costs_what_it_must() {
    let cluster = Cluster::new();
    cluster.write("trial.sh", TRIAL);
    cluster.write("sweep.toml", &sweep());
    cluster.write("campaign/campaign.toml", "poll = \"1s\"\n");
    let mut first = cluster.sweep();
    let at = |case: &str| wait_for(&format!("trial {case}"), || cluster.read(&format!("at.{case}"))).unwrap();

    let host = at("preempted");
    cluster.on("login", &["sbatch", "-p", "urgent", "--exclusive", "-w", &host, "-o", "/dev/null", "--wrap", "true"]);
    let failed = at("node_failure");
    // As when its power fails: nothing of it says that it ends.
    cluster.fault("cut", &[&failed]);
    cluster.fault("kill", &[&failed, "--all"]);
    let host = at("lost");
    let slot = cluster.on(&host, &["pgrep", "-f", "^[^ ]*bandmaster-launch slot"]);
    cluster.on(&host, &["kill", "-KILL", &slot]);
    // What a pause ends did not come to its time limit.
    wait_for("the time limit", || cluster.read("stop.time_limit")).unwrap();
    let task = at("cancelled");
    cluster.on("login", &["scancel", &task]);

    assert_eq!(first.wait().unwrap().code(), Some(5), "it is paused, and not finished");
    let paused = cluster.bandmaster(&["explain", "causes-1"]);
    assert!(paused.contains("1 task was cancelled outside of Bandmaster") && paused.contains("bandmaster resume causes-1"), "{paused}");
    let queued = cluster.on("login", &["squeue", "-h", "-t", "PENDING,RUNNING", "-o", "%j"]);
    assert!(!queued.lines().any(|name| name.starts_with("causes-1.") && !name.ends_with(".tick")), "nothing is submitted again: {queued}");
    cluster.fault("start", &[&failed]);
    cluster.write("was.cancelled", "");
    cluster.bandmaster(&["resume", "causes-1"]);
    assert_eq!(cluster.sweep().wait().unwrap().code(), Some(9), "it is finished, with failed trials");

    // What is not the trial's fault is free, as it advanced, and it goes on to its end.
    for case in ["preempted", "node_failure", "lost", "time_limit"] {
        let told = explained(&cluster, case);
        assert_eq!(ends(&told), [(case, "nothing"), ("completed", "-")].map(|(a, b)| (a.to_owned(), b.to_owned())), "{told}");
        assert_eq!((&told["state"], &told["retries_left"]), (&"finished".into(), &1.into()), "{told}");
        assert!(all(&told).contains("from 1 (resource) to 6"), "it went on from its checkpoint: {told}");
    }
    let told = explained(&cluster, "cancelled");
    assert!(ends(&told).contains(&("cancelled".to_owned(), "nothing".to_owned())), "{told}");
    assert_eq!(told["state"], "finished");
    // What is its fault costs its one retry, and then it has failed.
    for (case, cause, said) in [
        ("stuck", "time_limit", "a retry, since it brought no further checkpoint"),
        ("wrong_exit", "wrong_exit", "it exited with 3"),
        ("out_of_memory", "out_of_memory", "memory"),
    ] {
        let told = explained(&cluster, case);
        assert_eq!(ends(&told), [(cause.to_owned(), "retry".to_owned()), (cause.to_owned(), "retry".to_owned())], "{told}");
        assert_eq!((&told["state"], &told["retries_left"]), (&"failed".into(), &0.into()), "{told}");
        assert!(all(&told).contains(said), "{told}");
    }
    assert_eq!(ends(&explained(&cluster, "good")), [("completed".to_owned(), "-".to_owned())]);

    // `show` and the ledger say the same, and who said so.
    for (trial, words) in [(0, "PreemptTime="), (1, "NODE_FAIL"), (2, "FAILED"), (3, "it had 12 s")] {
        let shown = cluster.bandmaster(&["show", &format!("causes-1/{trial}")]);
        assert!(shown.contains(words), "{words}: {shown}");
    }
    cluster.bandmaster(&["ledger", "check"]);
}
