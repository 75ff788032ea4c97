//! A campaign on a disk that becomes full while a trial runs: the slot waits, says so once, and loses nothing.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bandmaster_record::{Cause, JournalId, SlotRecord};

use crate::world::{Running, World, bash, records, segment, wait_for};

/// A path as the process of that id sees it, which has mounts of its own.
fn seen_by(pid: u32, path: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root{}", path.display()))
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

#[test]
fn a_slot_waits_for_room_and_loses_nothing() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not tested: only root can mount a small disk");
        return;
    }
    let world = World::new(bash(
        r#"echo > running; until [ -e full ]; do sleep 0.01; done
        mkdir $BANDMASTER_CHECKPOINTS/tmp && touch $BANDMASTER_CHECKPOINTS/tmp/model && mv $BANDMASTER_CHECKPOINTS/tmp $BANDMASTER_CHECKPOINTS/2.ready
        echo '{"resource": 3, "loss": 1}' >> $BANDMASTER_REPORT; echo > over"#,
    ));
    // The campaign's place is a small disk that the slot alone sees; its files are made there before it starts.
    let prepared = world.temp.path().join("prepared");
    world.write(Some(&prepared), &[segment()]);
    let campaign = world.campaign.root();
    fs::create_dir(campaign).unwrap();
    let mount = "mount -t tmpfs -o size=512k,mode=0700 tmpfs \"$1\" && cp -a \"$2/.\" \"$1\" && shift 2 && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", mount, "sh"]).args([campaign, &prepared]);
    let slot_command = world.command();
    command.arg(slot_command.get_program()).args(slot_command.get_args());
    let slot = Running::spawn(&mut command);
    wait_for("the trial", || world.work().join("running").exists().then_some(()));
    let slot_pid = slot.pid() as u32;
    let ballast = seen_by(slot_pid, &campaign.join("ballast"));
    fill(&ballast);
    fs::write(world.work().join("full"), "").unwrap();
    wait_for("the trial's end", || world.work().join("over").exists().then_some(()));
    std::thread::sleep(Duration::from_millis(1500));
    let journal = world.campaign.journal(&JournalId::Slot(world.sweep.clone(), slot.id.clone()));
    let ended = records(&seen_by(slot_pid, &journal)).iter().any(|record| matches!(record, SlotRecord::AttemptEnded { .. }));
    assert!(!ended);
    // A process in the same namespace keeps its disk beyond the slot's end.
    let keeper = Command::new("nsenter").arg(format!("--mount=/proc/{slot_pid}/ns/mnt")).args(["sleep", "60"]).spawn().unwrap();
    let mut keeper = Kept(keeper);
    let journal = seen_by(keeper.0.id(), &journal);
    wait_for("a second view of the disk", || journal.exists().then_some(()));
    fs::remove_file(&ballast).unwrap();
    let (code, stderr) = slot.wait_code();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.matches("No space left").count() <= 2 && stderr.contains("there is room again"), "{stderr}");
    let records = records(&journal);
    let end = records.iter().find_map(|record| match record {
        SlotRecord::AttemptEnded { cause, checkpointed, .. } => Some((*cause, checkpointed.map(|at| at.0))),
        _ => None,
    });
    assert_eq!(end, Some((Cause::Completed, Some(2))), "{records:?}");
    assert!(matches!(records.last(), Some(SlotRecord::SlotEnded { .. })));
    keeper.end();
}

/// A process of the test's own that is ended with it.
struct Kept(std::process::Child);

impl Kept {
    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.end();
    }
}
