//! A journal on a disk that becomes full, and has room again: nothing is lost, nothing is written twice, nothing is
//! left half written. Real disks: a small tmpfs in a mount namespace of its own, and the limit of a file's size.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, which may fail where they stand")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bandmaster_journal::{Batch, Cursor, FileError, JournalWriter, create_once, now, publish, read_from, write_new};
use bandmaster_record::SlotRecord;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};

/// Runs the test of that name in another process, below `launcher`, with an empty directory that it may fill.
fn elsewhere(launcher: &[&str], test: &str) {
    let temp = tempfile::tempdir().unwrap();
    let mut argv: Vec<String> = launcher.iter().map(|word| (*word).to_owned()).collect();
    if !argv.is_empty() {
        argv.push(temp.path().to_str().unwrap().to_owned());
    }
    argv.extend([std::env::current_exe().unwrap().to_str().unwrap().to_owned(), "--exact".into(), test.into(), "--nocapture".into()]);
    let output = Command::new(&argv[0]).args(&argv[1..]).env("BANDMASTER_TEST_DISK", temp.path()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count() == 0, !launcher.is_empty(), "the small disk is still there");
}

fn disk() -> Option<PathBuf> {
    std::env::var_os("BANDMASTER_TEST_DISK").map(PathBuf::from)
}

fn note(n: u64) -> SlotRecord {
    SlotRecord::SlotEnded { why: format!("{n} {}", "x".repeat((n as usize * 37) % 300)) }
}

fn read(path: &Path) -> Batch<SlotRecord> {
    let batch = read_from::<SlotRecord>(path, Cursor::default(), None).unwrap();
    assert_eq!((batch.torn, &batch.damage), (false, &None));
    for (frame, n) in batch.frames.iter().zip(1..) {
        assert_eq!((frame.seq, &frame.record), (n, &note(n)));
    }
    batch
}

/// Appends until the disk is full, goes on appending, makes room, and finds everything.
fn fill(path: &Path, make_room: impl Fn()) {
    let mut writer = JournalWriter::create(path, now).unwrap();
    let mut last = 0;
    let mut more = |writer: &mut JournalWriter<SlotRecord>, count| {
        for _ in 0..count {
            last += 1;
            assert_eq!(writer.append(&note(last)).unwrap(), last);
        }
        last
    };
    let error: FileError = loop {
        more(&mut writer, 70);
        if let Err(error) = writer.sync() {
            break error;
        }
    };
    assert!(error.is_full() && error.path == path, "{error}");
    let durable = writer.position();
    let there = read(path).cursor;
    assert!(there >= durable, "{there:?} {durable:?}");
    assert_eq!(fs::metadata(path).unwrap().len(), there.offset, "a torn frame is left");
    let all = more(&mut writer, 3);
    assert!(writer.sync().unwrap_err().is_full());
    assert_eq!(writer.position(), durable);
    assert_eq!(read(path).cursor, there);
    make_room();
    writer.sync().unwrap();
    let batch = read(path);
    assert_eq!((batch.cursor, batch.cursor.seq), (writer.position(), all));
    let all = more(&mut writer, 1);
    writer.sync().unwrap();
    assert_eq!(read(path).cursor.seq, all);
}

/// Not a test by itself: runs where a small tmpfs is mounted.
#[test]
fn on_a_small_disk() {
    let Some(disk) = disk() else { return };
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![0; 40 << 10]).unwrap();
    let (stage, published) = (disk.join("stage"), disk.join("published"));
    publish(&published, &stage, b"old").unwrap();
    fill(&disk.join("j.jrn"), || {
        let names = || {
            let mut names: Vec<_> = fs::read_dir(&disk).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        // The journal was cut back: the last free block goes to another file.
        let mut rest = 4096;
        while fs::write(disk.join(format!("rest{rest}")), vec![0; 4096]).is_ok() {
            rest += 1;
        }
        let before = names();
        let content = vec![1; 9000];
        for error in [
            publish(&published, &stage, &content).unwrap_err(),
            create_once(&disk.join("once"), &content).unwrap_err(),
            write_new(&disk.join("new"), &content).unwrap_err(),
        ] {
            assert!(error.is_full() && error.to_string().contains("make room"), "{error}");
        }
        assert_eq!((names(), fs::read(&published).unwrap()), (before, b"old".to_vec()));
        fs::remove_file(&ballast).unwrap();
    });
}

#[test]
fn a_full_disk_costs_no_record() {
    let namespace: &[&str] =
        if nix::unistd::geteuid().is_root() { &["unshare", "--mount"] } else { &["unshare", "--map-root-user", "--mount"] };
    let mount = |size: &str| format!("mount -t tmpfs -o size={size} tmpfs \"$0\"");
    let probe = tempfile::tempdir().unwrap();
    let can = Command::new(namespace[0]).args(&namespace[1..]).args(["sh", "-c", &mount("64k")]).arg(probe.path()).output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!("skipped: this user may not mount a small disk (the limit of a file's size stands in for it)");
        return;
    }
    let script = format!("{} && exec \"$@\"", mount("128k"));
    elsewhere(&[namespace, &["sh", "-c", &script]].concat(), "on_a_small_disk");
}

/// Not a test by itself: runs in a process of its own, whose files it limits.
#[test]
fn below_a_limit() {
    let Some(disk) = disk() else { return };
    let mut signal = SigSet::empty();
    signal.add(Signal::SIGXFSZ);
    signal.thread_block().unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, 30_001, hard).unwrap();
    fill(&disk.join("j.jrn"), || setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap());
}

#[test]
fn a_write_that_is_cut_short_costs_no_record() {
    elsewhere(&[], "below_a_limit");
}
