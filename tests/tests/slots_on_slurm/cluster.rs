//! A cluster of one test's own, and jobs on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take. Slurm makes a requeued job wait, and the machine may be busy.
const LONGEST: Duration = Duration::from_secs(300);

/// A cluster, removed with this value.
pub(crate) struct Cluster {
    name: String,
    pub(crate) shared: PathBuf,
}

impl Cluster {
    /// Starts one, with these options of tests/cluster. Each test has its own.
    pub(crate) fn up(name: &str, options: &[&str]) -> Self {
        Self::start(name, options).unwrap_or_else(|output| panic!("{}", said(&output)))
    }

    /// The same where control groups keep memory limits; nothing on a machine that has none of v1, which Slurm needs for it.
    pub(crate) fn up_with_control_groups(name: &str, options: &[&str]) -> Option<Self> {
        match Self::start(name, &[options, &["--memory", "cgroup", "--proctrack", "cgroup"]].concat()) {
            Ok(cluster) => Some(cluster),
            Err(output) => {
                let cannot = output.status.code() == Some(12) && said(&output).contains("of cgroup v1, which this machine does not have");
                assert!(cannot, "{}", said(&output));
                None
            }
        }
    }

    fn start(name: &str, options: &[&str]) -> Result<Self, Output> {
        let name = format!("{name}{}", std::process::id());
        let output = script(&["up", &name, "--no-accounting"]).args(options).output().unwrap();
        if !output.status.success() {
            return Err(output);
        }
        let root = std::env::var_os("BANDMASTER_CLUSTER_ROOT").map_or_else(|| "/var/tmp/bandmaster-clusters".into(), PathBuf::from);
        Ok(Self { shared: root.join(&name).join("shared/ada"), name })
    }

    /// A command on a host, as ada.
    pub(crate) fn on(&self, host: &str, command: &[&str]) -> Command {
        let mut all = script(&["on", &self.name, host]);
        all.args(command);
        all
    }

    /// What it prints.
    pub(crate) fn run(&self, command: &[&str]) -> String {
        let output = self.on("login", command).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Submits, and says which job it is.
    pub(crate) fn sbatch(&self, options: &[&str]) -> String {
        self.run(&[&["sbatch", "--parsable"], options].concat())
    }

    /// What Slurm says of a job or of a task.
    pub(crate) fn field(&self, job: &str, name: &str) -> String {
        let all = self.run(&["scontrol", "show", "job", "-o", job]);
        all.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_owned()
    }

    /// Waits until a job is over: its state, and its exit code as Slurm writes it.
    pub(crate) fn ended(&self, job: &str) -> (String, String) {
        wait_for("the job's end", || {
            let state = self.field(job, "JobState");
            (!matches!(state.as_str(), "PENDING" | "RUNNING" | "COMPLETING")).then(|| (state, self.field(job, "ExitCode")))
        })
    }

    /// Stops or starts the controller.
    pub(crate) fn control(&self, verb: &str) {
        assert!(script(&["ctld", &self.name, verb]).status().unwrap().success());
    }

    /// A command on a node, which may fail.
    pub(crate) fn attempt(&self, host: &str, command: &[&str]) -> bool {
        self.on(host, command).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = script(&["down", &self.name]).status();
    }
}

fn script(arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster"));
    command.args(arguments).stdin(Stdio::null());
    command
}

pub(crate) fn said(output: &Output) -> String {
    format!("{} {}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Waits until there is something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < LONGEST, "waited {} s for {what}", LONGEST.as_secs());
        sleep(Duration::from_millis(20));
    }
}
