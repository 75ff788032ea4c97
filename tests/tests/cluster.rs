//! The cluster that tests run on is what they take it for, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bandmaster_tests::{TestCluster, processes_of, said, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn tasks_of_an_ordinary_user_run_on_every_node_each_with_a_gpu_of_its_own() {
    let cluster = TestCluster::shared().unwrap();
    let place = cluster.place().unwrap();
    place
        .write("job.sh", "#!/bin/bash\necho \"$(id -un) $(hostname) $CUDA_VISIBLE_DEVICES end\"\nwhile [ ! -e go ]; do sleep 0.1; done\n")
        .unwrap();
    let job = place.sbatch(&["--array=0-7", "--gres=gpu:1", "--output=%a", "job.sh"]).unwrap();
    // All at once, or one GPU could serve two of them.
    let said: Vec<String> = (0..8).map(|task| place.wait_for(&task.to_string(), "end").unwrap()).collect();
    assert!(cluster.queued(&job).unwrap().iter().all(|task| task.state == "RUNNING"));
    place.write("go", "").unwrap();
    cluster.wait_until(&job, "COMPLETED").unwrap();
    let found: BTreeSet<&str> = said.iter().map(|line| line.trim_end()).collect();
    let expected: Vec<String> = (1..=4).flat_map(|node| [0, 1].map(|gpu| format!("ada n{node} {gpu} end"))).collect();
    assert_eq!(found, expected.iter().map(String::as_str).collect());
}

#[test]
fn an_urgent_job_preempts_steps_with_term_and_their_tasks_are_requeued_and_run_again() {
    let cluster = TestCluster::shared().unwrap();
    let place = cluster.place().unwrap();
    place.write("job.sh", "#!/bin/bash\necho \"run ${SLURM_RESTART_COUNT:-first}\"\nsrun bash step.sh\necho end\n").unwrap();
    // It hears TERM and stays: one that leaves within the grace is not requeued.
    let step = "if [ -n \"$SLURM_RESTART_COUNT\" ]; then exit 0; fi\ntrap 'echo TERM' TERM\necho ready\nwhile :; do sleep 0.1; done\n";
    place.write("step.sh", step).unwrap();
    let options = ["--array=0-3", "--exclusive", "--requeue", "--open-mode=append", "--output=log.%a", "job.sh"];
    let job = place.sbatch(&options).unwrap();
    for task in 0..4 {
        place.wait_for(&format!("log.{task}"), "ready").unwrap();
    }
    let urgent = place.sbatch(&["--partition=urgent", "--nodes=4", "--exclusive", "--output=urgent", "--wrap=echo ran"]).unwrap();
    place.wait_for("urgent", "ran").unwrap();
    cluster.wait_until(&urgent, "COMPLETED").unwrap();
    cluster.wait_until(&job, "COMPLETED").unwrap();
    for task in 0..4 {
        let log = place.read(&format!("log.{task}"));
        let lines: Vec<&str> = log.lines().filter(|line| ["run", "rea", "TER", "end"].contains(&&line[..line.len().min(3)])).collect();
        assert_eq!(lines[..3], ["run first", "ready", "TERM"], "{log}");
        assert_eq!(lines[lines.len() - 2..], ["run 1", "end"], "{log}");
    }
    let told: Vec<String> = cluster.accounted(&job).unwrap().into_iter().map(|task| task.state).collect();
    assert_eq!(told.iter().filter(|state| *state == "PREEMPTED").count(), 4, "{told:?}");
}

#[test]
fn two_clusters_side_by_side_run_a_job_each() {
    let one = TestCluster::shared().unwrap();
    let other = TestCluster::up(&["--hosts", "1", "--no-accounting"]).unwrap();
    for cluster in [&one, &other] {
        let place = cluster.place().unwrap();
        let job = place.sbatch(&["--nodelist=n1", "--output=log", "--wrap=echo $SLURM_CLUSTER_NAME $SLURMD_NODENAME"]).unwrap();
        cluster.wait_until(&job, "COMPLETED").unwrap();
        assert_eq!(place.read("log"), format!("{} n1\n", cluster.name()));
    }
    other.down().unwrap();
    assert_eq!(one.ask(&["sinfo", "-h", "-p", "preempt", "-o", "%D"]).unwrap(), "4");
}

#[test]
fn a_killed_command_leaves_no_process_on_its_host() {
    let cluster = TestCluster::shared().unwrap();
    let place = cluster.place().unwrap();
    let mut one =
        place.spawn("n1", &["bash", "-c", "trap 'echo heard; exit 3' USR1; echo ready > ready; while :; do sleep 0.1; done"]).unwrap();
    place.wait_for("ready", "ready").unwrap();
    one.signal(Signal::SIGUSR1).unwrap();
    let output = one.wait().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(3), b"heard\n".as_slice()), "{}", said(&output));

    let mut other = place.spawn("n1", &["sleep", "600"]).unwrap();
    let pid = other.pid().unwrap();
    drop(other);
    wait_for("the end of the command", || kill(pid, None).is_err().then_some(())).unwrap();
}

#[test]
fn down_leaves_nothing_when_everything_was_killed() {
    let cluster = TestCluster::up(&["--hosts", "2"]).unwrap();
    let place = cluster.place().unwrap();
    let job = place.sbatch(&["--nodes=2", "--wrap=srun bash -c 'setsid sleep 600 & touch up.$SLURM_PROCID; sleep 600'"]).unwrap();
    wait_for("both tasks", || ["up.0", "up.1"].iter().all(|file| place.path().join(file).exists()).then_some(())).unwrap();
    assert_eq!(cluster.queued(&job).unwrap().len(), 1);
    let state = cluster.state().to_owned();
    let before = Traces::of(&state);
    assert!(before.0.len() > 20, "{before:?}");
    for (pid, _) in &before.0 {
        // Killed hosts take others with them.
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    drop(place);
    cluster.down().unwrap();
    before.assert_gone(&state);
}

#[test]
fn down_leaves_nothing_of_an_up_that_was_killed() {
    let before = Command::new("ip").args(["-o", "link"]).output().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cluster");
    // Its name is one of this process, so that a later test ends it if this one is killed.
    let name = format!("t{}x99", std::process::id());
    let state = root().join(&name);
    for recorded in ["options", "hosts/login/pid", "hosts/n2/pid", "log/slurmctld"] {
        let mut up = Command::new("bash").args([script, "up", &name, "--hosts", "2"]).stdout(Stdio::null()).spawn().unwrap();
        wait_for(recorded, || state.join(recorded).exists().then_some(())).unwrap();
        up.kill().unwrap();
        up.wait().unwrap();
        let traces = Traces::of(&state);
        let down = Command::new("bash").args([script, "down", &name]).output().unwrap();
        assert!(down.status.success(), "killed when there was {recorded}: {}", said(&down));
        traces.assert_gone(&state);
    }
    let after = Command::new("ip").args(["-o", "link"]).output().unwrap();
    let names =
        |output: &[u8]| String::from_utf8_lossy(output).lines().filter_map(|line| Some(line.split(": ").nth(1)?.to_owned())).collect();
    let (before, after): (Vec<String>, Vec<String>) = (names(&before.stdout), names(&after.stdout));
    assert_eq!(before, after);
}

fn root() -> PathBuf {
    std::env::var_os("BANDMASTER_CLUSTER_ROOT").map_or_else(|| PathBuf::from("/var/tmp/bandmaster-clusters"), PathBuf::from)
}

/// The processes of a cluster, through which alone its namespaces live, and with these its links and mounts.
#[derive(Debug)]
struct Traces(Vec<(i32, String)>);

impl Traces {
    fn of(state: &Path) -> Self {
        Self(members(state).into_iter().filter_map(|pid| Some((pid, begun(pid)?))).collect())
    }

    fn assert_gone(&self, state: &Path) {
        assert!(!state.exists(), "{}", state.display());
        let left: Vec<_> = self.0.iter().filter(|(pid, then)| begun(*pid).as_ref() == Some(then)).collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(members(state).is_empty(), "something of {} is mounted", state.display());
        assert_eq!(processes_of(state).unwrap(), Vec::<u32>::new());
        let name = format!("bandmaster.{}.*", state.file_name().unwrap().display());
        let groups = Command::new("find").args(["/sys/fs/cgroup", "-name", &name]).output().unwrap();
        assert!(groups.stdout.is_empty(), "{}", said(&groups));
    }
}

/// The processes that see something of a cluster mounted: all of its hosts, and those that entered them.
fn members(state: &Path) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let path = state.to_str().unwrap();
    pids.filter(|pid| fs::read_to_string(format!("/proc/{pid}/mountinfo")).is_ok_and(|mounts| mounts.contains(path))).collect()
}

/// When a process began: with its number that is no other. Nothing when it has ended, even if nobody asked how.
fn begun(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (!["Z", "X"].contains(fields.first()?)).then(|| fields.get(19).map(|field| (*field).to_owned()))?
}
