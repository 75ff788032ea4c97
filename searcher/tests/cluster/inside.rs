//! Takes this test program into a real Slurm cluster and runs it there, as one of the cluster's users.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::bench::programs;

/// Names a cluster that is up already. Without it one is started and ended.
const NAME: &str = "BANDMASTER_TEST_CLUSTER";

/// The exit code of tests/cluster where a machine cannot have a cluster.
const CANNOT: i32 = 12;

/// A cluster that is up, as long as this value is there.
pub(crate) struct TestCluster {
    name: String,
    is_mine: bool,
}

impl TestCluster {
    /// The one that the environment names, or a new one. Where this machine cannot have one, the test says that it is
    /// skipped.
    pub(crate) fn ready() -> Option<Self> {
        if let Ok(name) = std::env::var(NAME) {
            return Some(Self { name, is_mine: false });
        }
        let name = format!("rules{}", std::process::id());
        let up = control(&["up", &name, "--hosts", "2"]);
        if up.status.code() == Some(CANNOT) {
            println!("skipped: {}", said(&up));
            return None;
        }
        assert!(up.status.success(), "{}", said(&up));
        Some(Self { name, is_mine: true })
    }

    /// Runs this test program on the login host, with copies of the programs beside it, and gives what it said.
    pub(crate) fn run_this_program(&self, arguments: &[&str]) -> String {
        let root = std::env::var_os("BANDMASTER_CLUSTER_ROOT").map_or_else(|| "/var/tmp/bandmaster-clusters".into(), PathBuf::from);
        let home = root.join(&self.name).join("shared/ada");
        let user = fs::metadata(&home).unwrap();
        let directory = tempfile::tempdir_in(&home).unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let installed = programs();
        let this = directory.path().join("rules");
        let copies = [(std::env::current_exe().unwrap(), this.clone())];
        let beside = [installed.searcher, installed.launcher].map(|from| (from.clone(), this.with_file_name(from.file_name().unwrap())));
        for (from, to) in copies.into_iter().chain(beside) {
            fs::copy(&from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        }
        let work = directory.path().join("work");
        fs::create_dir(&work).unwrap();
        chown(&work, Some(user.uid()), Some(user.gid())).unwrap();
        let (work, this) = (work.to_str().unwrap(), this.to_str().unwrap());
        said(&control(&[&["on", &self.name, "login", "--cd", work, this], arguments].concat()))
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        if self.is_mine {
            let down = control(&["down", &self.name]);
            assert!(down.status.success() || std::thread::panicking(), "{}", said(&down));
        }
    }
}

fn control(arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cluster");
    Command::new(script).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
