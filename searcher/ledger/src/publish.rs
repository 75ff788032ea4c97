//! How the ledger comes to its readers: a complete, consistent copy, renamed over the one before.
//!
//! A reader that has the older copy open keeps it: its file lives as long as somebody holds it open (over NFS, as long as
//! the reader's own host does).

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use bandmaster_journal::{FileError, crash_point, rename, write_stage};

use crate::{Ledger, LedgerError};

/// The crash points of this crate. See [`crash_point`].
pub const CRASH_POINTS: &[&str] = &["ledger.commit", "ledger.committed", "ledger.stage.fsync", "ledger.stage.fsynced"];

/// A copy that is complete and durable, and that nobody reads yet. Dropped, it is removed.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
}

impl Ledger {
    /// Writes a complete copy to `stage`, a name that nobody else uses, in the directory where it is to be published.
    /// Between this and [`Staged::publish`] a holder of the lease asks whether it still holds.
    pub fn stage(&self, stage: &Path) -> Result<Staged, LedgerError> {
        // An empty file takes the copy: it is there already with the mode that it must have.
        write_stage(stage, &[])?;
        let staged = Staged { path: stage.to_owned() };
        self.connection.execute("VACUUM INTO ?1", [&*stage.to_string_lossy()]).map_err(LedgerError::at("copy", stage))?;
        crash_point("ledger.stage.fsync");
        File::open(stage).and_then(|file| file.sync_all()).map_err(FileError::at("make durable", stage))?;
        crash_point("ledger.stage.fsynced");
        Ok(staged)
    }

    /// Publishes the ledger at `to`, by way of `stage`: whoever opens it sees all of the old or all of the new.
    pub fn publish(&self, stage: &Path, to: &Path) -> Result<(), LedgerError> {
        self.stage(stage)?.publish(to)
    }
}

impl Staged {
    /// Renames the copy to where readers look for it.
    pub fn publish(self, to: &Path) -> Result<(), LedgerError> {
        rename(&self.path, to)?;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Published, it has gone from here; otherwise nobody wants it. What stays behind is unlinked by the next holder.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn readers_of_the_older_copy_keep_it_and_new_ones_see_the_new() {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let (work, stage, to) = (temp.path().join("work.1.db"), temp.path().join("ledger.db.1"), temp.path().join("ledger.db"));
        let mut ledger = Ledger::create(&work).unwrap();
        ledger.publish(&stage, &to).unwrap();
        let sweep = "digits-1".parse().unwrap();
        let read = |connection: &rusqlite::Connection| {
            connection.query_row("SELECT count(*) FROM _state", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        let old = rusqlite::Connection::open_with_flags(&to, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        assert_eq!(read(&old), 0);
        let mut transaction = ledger.begin().unwrap();
        transaction.put_state(&sweep, b"state").unwrap();
        transaction.commit().unwrap();
        ledger.publish(&stage, &to).unwrap();
        assert_eq!(read(&old), 0);
        let new = Ledger::begin_anew(&to, &temp.path().join("work.2.db")).unwrap();
        assert_eq!(read(new.connection()), 1);
        assert!(!stage.exists());
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_copy_that_is_not_published_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(&temp.path().join("work.1.db")).unwrap();
        let stage = temp.path().join("ledger.db.1");
        let staged = ledger.stage(&stage).unwrap();
        assert!(stage.exists());
        drop(staged);
        assert!(!stage.exists());
    }

    #[test]
    fn the_list_of_crash_points_is_complete() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        assert_eq!(bandmaster_journal::crash_points_in(&sources).unwrap(), CRASH_POINTS);
    }
}
