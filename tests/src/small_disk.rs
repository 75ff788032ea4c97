//! A disk of a test's own that is full when the test wants it to be: a tmpfs in a mount namespace that ends with the test.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{said, wait_for};

/// Says to the test that it runs in its namespace.
const INSIDE: &str = "BANDMASTER_TEST_NAMESPACE";

/// Runs a test in a mount namespace of its own: the test of that name calls this first, and goes on where it says true.
/// Where this user may not have one, the test says that it is skipped.
pub fn in_a_namespace(test: &str) -> io::Result<bool> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(true);
    }
    let options: &[&str] = if nix::unistd::geteuid().is_root() { &["--mount"] } else { &["--map-root-user", "--mount"] };
    let unshare = |program: &Path| {
        let mut command = Command::new("unshare");
        command.args(options).arg("--").arg(program);
        command
    };
    let there = tempfile::tempdir()?;
    let probe = unshare(Path::new("mount")).args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(there.path()).output()?;
    if !probe.status.success() {
        println!("skipped: this user may not mount a small disk: {}", said(&probe));
        return Ok(false);
    }
    let output = unshare(&std::env::current_exe()?).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output()?;
    let text = said(&output);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    Ok(false)
}

/// A mounted tmpfs. Dropped, it is unmounted.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many bytes there, in a new directory.
    pub fn mount(at: PathBuf, bytes: u64) -> io::Result<Self> {
        std::fs::create_dir(&at)?;
        let disk = Self { at };
        disk.command("mount", &["-t", "tmpfs", "-o", &format!("mode=0700,size={bytes}"), "tmpfs"])?;
        Ok(disk)
    }

    /// Makes it so large.
    pub fn resize(&self, bytes: u64) -> io::Result<()> {
        self.command("mount", &["-o", &format!("remount,size={bytes}")])
    }

    /// Makes it so small that this many pages of 4 KiB are free.
    pub fn leave(&self, pages: u64) -> io::Result<()> {
        wait_for("the small disk to be smaller", || {
            // What others write between the look and the change makes it refuse: the next look sees that.
            let stat = nix::sys::statvfs::statvfs(&self.at).ok()?;
            let used = stat.blocks() - stat.blocks_free();
            self.resize((used + pages).max(1) * stat.fragment_size()).ok()
        })
    }

    fn command(&self, program: &str, args: &[&str]) -> io::Result<()> {
        let output = Command::new(program).args(args).arg(&self.at).output()?;
        if output.status.success() { Ok(()) } else { Err(io::Error::other(format!("{program} {args:?}: {}", said(&output)))) }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What may still have a file open there keeps it until it ends; the name is free at once.
        let _ = self.command("umount", &["--lazy"]);
    }
}
