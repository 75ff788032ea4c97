//! A ledger on a disk that is full: what was committed stays, what was published stays, and nothing half-written is left.
//! A real disk: a small tmpfs in a mount namespace of its own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bandmaster_ledger::Ledger;
use rusqlite::Connection;

const DISK: &str = "BANDMASTER_TEST_DISK";

fn sweep() -> bandmaster_record::SweepId {
    "digits-1".parse().unwrap()
}

fn state(path: &Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row("SELECT length(snapshot) FROM _state", [], |row| row.get(0)).unwrap()
}

fn names(disk: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = fs::read_dir(disk).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// Not a test by itself: runs where a small tmpfs is mounted.
#[test]
fn on_a_small_disk() {
    let Some(disk) = std::env::var_os(DISK).map(PathBuf::from) else { return };
    let (work, stage, published) = (disk.join("work.1.db"), disk.join("stage"), disk.join("ledger.db"));
    let mut ledger = Ledger::create(&work).unwrap();
    let put = |ledger: &mut Ledger, bytes: usize| {
        let mut transaction = ledger.begin()?;
        transaction.put_state(&sweep(), &vec![7; bytes])?;
        transaction.commit()
    };
    put(&mut ledger, 1000).unwrap();
    ledger.publish(&stage, &published).unwrap();
    fs::write(disk.join("ballast"), vec![0; 900 << 10]).unwrap();
    let before = names(&disk);

    let error = put(&mut ledger, 2 << 20).unwrap_err();
    assert!(error.is_full() && error.to_string().contains("make room"), "{error}");
    // The last free blocks go to another file, so that there is no room for a copy.
    while fs::OpenOptions::new()
        .append(true)
        .open(disk.join("ballast"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, &[0; 4096]))
        .is_ok()
    {}
    let error = ledger.publish(&stage, &published).unwrap_err();
    assert!(error.is_full(), "{error}");
    drop(ledger);
    assert_eq!(names(&disk).iter().filter(|name| !before.contains(name)).count(), 0, "{:?}", names(&disk));
    assert_eq!(state(&published), 1000);

    fs::remove_file(disk.join("ballast")).unwrap();
    let mut ledger = Ledger::open(&work).unwrap();
    assert_eq!(ledger.begin().unwrap().state(&sweep()).unwrap().map(|state| state.len()), Some(1000));
    put(&mut ledger, 2000).unwrap();
    ledger.publish(&stage, &published).unwrap();
    assert_eq!(state(&published), 2000);
}

#[test]
fn a_full_disk_costs_nothing_that_was_committed_or_published() {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let namespace: &[&str] = if is_root { &["unshare", "--mount"] } else { &["unshare", "--map-root-user", "--mount"] };
    let temp = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=2m tmpfs \"$0\"";
    let run = |script: String| {
        let mut command = Command::new(namespace[0]);
        command.args(&namespace[1..]).args(["sh", "-c", &script]).arg(temp.path());
        command
    };
    if !run(mount.to_owned()).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: this user may not mount a small disk");
        return;
    }
    let output = run(format!("{mount} && exec \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "disk::on_a_small_disk", "--nocapture"])
        .env(DISK, temp.path())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
