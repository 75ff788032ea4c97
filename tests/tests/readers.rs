//! Who may read a campaign reads it, and only its owner drives it.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bandmaster_tests::{World, said};

/// A user and a group that nobody is in.
const READER: u32 = 61_234;

const SWEEP: &str = r#"name = "t"
[objective]
metric = "loss"
goal = "minimize"
[method]
kind = "hyperband"
max_resource = 3
eta = 3
[space]
x = { uniform = [0.0, 1.0] }
[trial]
command = ["sh", "-c", 'echo trained; echo "{{\"resource\": $BANDMASTER_TARGET, \"loss\": $0}}" >> "$BANDMASTER_REPORT"', "{x}"]
"#;

const READING: &[&[&str]] = &[
    &["status"],
    &["status", "t"],
    &["trials"],
    &["rungs"],
    &["best"],
    &["show", "0"],
    &["metrics", "0"],
    &["logs", "0"],
    &["wait", "t"],
    &["ledger", "check"],
    &["ledger", "sql", "SELECT * FROM trials"],
];

const DRIVING: &[&[&str]] = &[
    &["tick"],
    &["serve"],
    &["pause", "t"],
    &["resume", "t"],
    &["cancel", "t"],
    &["ledger", "rebuild"],
    &["run", "sweep.toml"],
    &["submit", "sweep.toml"],
];

/// A finished sweep in a campaign of that mode and of the reader's group, made under the strictest umask.
fn finished(mode: u32) -> World {
    let world = World::new().unwrap();
    fs::set_permissions(world.path(), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(world.campaign()).unwrap();
    chown(world.campaign(), None, Some(READER)).unwrap();
    // What is made in it takes over its group.
    fs::set_permissions(world.campaign(), Permissions::from_mode(0o2000 | mode)).unwrap();
    world.write("sweep.toml", SWEEP).unwrap();
    let run = world.begin("run", "sweep.toml", &[]);
    let mut strict = Command::new("sh");
    strict.args(["-c", "umask 077; exec \"$0\" \"$@\""]).arg(run.get_program()).args(run.get_args()).current_dir(world.path());
    strict.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = strict.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    world
}

/// The program where every user may start it.
fn installed(world: &World) -> PathBuf {
    let program = world.path().join("bandmaster");
    fs::copy(world.bandmaster(&[]).get_program(), &program).unwrap();
    fs::write(world.path().join("bandmaster-launch"), "").unwrap();
    program
}

fn as_reader(program: &Path, world: &World, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.uid(READER).gid(READER).args(arguments).current_dir(world.path()).env("BANDMASTER_CAMPAIGN", world.campaign());
    command.output().unwrap()
}

#[test]
fn another_user_reads_what_the_modes_allow_and_drives_nothing() {
    if fs::metadata("/proc/self").map(|me| std::os::unix::fs::MetadataExt::uid(&me)).unwrap() != 0 {
        // Nobody else can become another user.
        return;
    }
    let open = finished(0o750);
    let program = installed(&open);
    for arguments in READING {
        let output = as_reader(&program, &open, arguments);
        assert!(output.status.success() && output.stderr.is_empty() != (arguments[0] == "wait"), "{arguments:?}: {}", said(&output));
    }
    let closed = finished(0o700);
    let elsewhere = installed(&closed);
    for arguments in READING {
        let output = as_reader(&elsewhere, &closed, arguments);
        assert_eq!(output.status.code(), Some(11), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains("you may not read"), "{}", said(&output));
    }
    for arguments in DRIVING {
        for (program, world) in [(&program, &open), (&elsewhere, &closed)] {
            let output = as_reader(program, world, arguments);
            assert_eq!(output.status.code(), Some(10), "{arguments:?}: {}", said(&output));
            assert!(said(&output).contains("only its owner runs a campaign"), "{}", said(&output));
        }
    }
}
