//! A trial that the kernel kills for its memory, in a small control group. Making one takes root and a writable hierarchy.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bandmaster_record::Cause;

use crate::world::{End, Running, World, bash, segment};

const PROGRAM: &str = "python3 -c 'x = bytearray(500_000_000)'";

/// A control group of 64 MiB, removed at the end.
struct Group(PathBuf);

impl Group {
    fn create(name: &str) -> Option<Self> {
        let name = format!("bandmaster-test-{name}-{}", std::process::id());
        for (root, limit) in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")] {
            let path = PathBuf::from(root).join(&name);
            if fs::create_dir(&path).is_ok() {
                let group = Self(path);
                if fs::write(group.0.join(limit), "67108864").is_ok() {
                    return Some(group);
                }
            }
        }
        None
    }

    /// Runs a slot with one trial in it.
    fn run(&self, script: &str) -> End {
        let world = World::new(bash(script));
        world.write(None, &[segment()]);
        let slot = world.command();
        let mut command = Command::new("bash");
        command.args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""]).arg(&self.0).arg(slot.get_program()).args(slot.get_args());
        let ended = Running::spawn(&mut command).wait(&world);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.end()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_trial_that_is_killed_for_its_memory_says_so() {
    let Some(group) = Group::create("own") else {
        eprintln!("not tested: no control group can be made here");
        return;
    };
    for script in [format!("exec {PROGRAM}"), format!("{PROGRAM}; exit $?"), format!("{PROGRAM}; exit 3")] {
        let end = group.run(&script);
        assert_eq!(end.cause, Cause::OutOfMemory, "{end:?}");
        assert!(end.detail.contains("oom_kill"), "{}", end.detail);
    }
}

#[test]
fn a_neighbour_that_is_killed_for_its_memory_does_not_make_a_trial_a_victim() {
    let Some(group) = Group::create("shared") else {
        eprintln!("not tested: no control group can be made here");
        return;
    };
    // Whose child was killed is not known where another process is in the group.
    let mut neighbour = Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(group.0.join("cgroup.procs"), neighbour.id().to_string()).unwrap();
    let ends = [format!("exec {PROGRAM}"), format!("{PROGRAM}; exit 3")].map(|script| group.run(&script).cause);
    neighbour.kill().unwrap();
    neighbour.wait().unwrap();
    assert_eq!(ends, [Cause::OutOfMemory, Cause::WrongExit]);
}
