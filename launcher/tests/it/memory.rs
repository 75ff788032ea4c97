//! A trial that the kernel kills for its memory, in a small control group. Making one takes root and a writable hierarchy.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bandmaster_record::Cause;

use crate::world::{Running, World, bash, segment};

/// A control group of 64 MiB, removed at the end.
struct Group(PathBuf);

impl Group {
    fn create() -> Option<Self> {
        let name = format!("bandmaster-test-{}", std::process::id());
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
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_trial_that_is_killed_for_its_memory_says_so() {
    let Some(group) = Group::create() else {
        eprintln!("not tested: no control group can be made here");
        return;
    };
    let program = "python3 -c 'x = bytearray(500_000_000)'";
    for script in [format!("exec {program}"), format!("{program}; exit $?")] {
        let world = World::new(bash(&script));
        world.write(None, &[segment()]);
        let slot = world.command();
        let mut command = Command::new("bash");
        command.args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""]).arg(&group.0).arg(slot.get_program()).args(slot.get_args());
        let ended = Running::spawn(&mut command).wait(&world);
        assert_eq!((ended.code, ended.end().cause), (Some(0), Cause::OutOfMemory), "{:?}", ended.end());
        assert!(ended.end().detail.contains("oom_kill"), "{}", ended.end().detail);
    }
}
