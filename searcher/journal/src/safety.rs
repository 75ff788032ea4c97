//! What is refused: a tick executes what lies in the campaign, so that nobody but its owner may have put it there.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::{Campaign, FileError};

/// Refuses what another user owns, or others than its owner may write (exit code 10). Root is no exception: it does not
/// run a campaign for somebody else.
pub fn check_owned(path: &Path) -> Result<(), FileError> {
    let metadata = fs::metadata(path).map_err(FileError::at("look at", path))?;
    check_metadata(path, &metadata)
}

fn check_metadata(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    let me = nix::unistd::geteuid().as_raw();
    if metadata.uid() != me {
        let why = format!("user {} owns it, and this is user {me}: only its owner runs a campaign", metadata.uid());
        return Err(FileError::not_safe(path, why));
    }
    check_writers(path, metadata)
}

fn check_writers(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    if others_may_write(metadata.mode(), metadata.gid(), nix::unistd::geteuid().as_raw()) {
        let mode = metadata.mode() & 0o7777;
        let why = format!("others than its owner may write it (mode {mode:04o}, group {}): chmod go-w it", metadata.gid());
        return Err(FileError::not_safe(path, why));
    }
    Ok(())
}

/// Whether somebody beside `me` may write a file of that mode and group. Where each user has a group of the same number
/// with nobody else in it, and the umask 002 that goes with it, that group is no other user.
fn others_may_write(mode: u32, group: u32, me: u32) -> bool {
    let private_group = group == me && me != 0;
    mode & 0o002 != 0 || (mode & 0o020 != 0 && !private_group)
}

/// Reads a file of which this user is the owner and the only one who may write it; others are refused (exit code 10).
/// What is looked at is what is read: nobody can exchange the file in between.
pub fn read_owned(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut file = File::open(path).map_err(FileError::at("open", path))?;
    check_metadata(path, &file.metadata().map_err(FileError::at("look at", path))?)?;
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(FileError::at("read", path))?;
    Ok(content)
}

/// Refuses a campaign in whose directory, or in one of those above it, another user could exchange what is executed.
///
/// The campaign and its own directories must be this user's. Those above must be root's or this user's, and writable by
/// their owner alone or sticky (as /tmp is): the rule of ssh for `~/.ssh`, with stickiness allowed.
pub fn check_campaign(campaign: &Campaign) -> Result<(), FileError> {
    let root = fs::canonicalize(campaign.root()).map_err(FileError::at("look at", campaign.root()))?;
    check_owned(&root)?;
    let me = nix::unistd::geteuid().as_raw();
    for above in root.ancestors().skip(1) {
        let metadata = fs::metadata(above).map_err(FileError::at("look at", above))?;
        if metadata.uid() != me && metadata.uid() != 0 {
            let why = format!("user {} owns it, and could exchange the campaign below: put the campaign elsewhere", metadata.uid());
            return Err(FileError::not_safe(above, why));
        }
        if metadata.mode() & 0o1000 == 0 {
            check_writers(above, &metadata)?;
        }
    }
    let inside = [campaign.requests(), campaign.wanted(), campaign.bin(), campaign.sweeps(), campaign.root().join("searcher")];
    for dir in inside.into_iter().chain([campaign.lease_dir(), campaign.searcher_journals(), campaign.seen()]) {
        match check_owned(&dir) {
            Err(error) if error.is_missing() => {}
            checked => checked?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    fn campaign() -> (tempfile::TempDir, Campaign) {
        let temp = tempfile::tempdir().unwrap();
        chmod(temp.path(), 0o700);
        let campaign = Campaign::at(temp.path().join("above/campaign"));
        campaign.create().unwrap();
        (temp, campaign)
    }

    fn chmod(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_campaign_that_others_may_read_is_safe() {
        let (_temp, campaign) = campaign();
        check_campaign(&campaign).unwrap();
        chmod(campaign.root(), 0o755);
        check_campaign(&campaign).unwrap();
    }

    #[test]
    fn what_others_may_write_is_refused_and_named() {
        let (_temp, campaign) = campaign();
        for (path, bad) in [(campaign.root().to_owned(), 0o772), (campaign.sweeps(), 0o702), (campaign.seen(), 0o777)] {
            chmod(&path, bad);
            let error = check_campaign(&campaign).unwrap_err();
            assert!(error.is_unsafe() && error.path.ends_with(path.file_name().unwrap()), "{error}");
            chmod(&path, 0o700);
        }
        let file = campaign.config();
        fs::write(&file, "x").unwrap();
        chmod(&file, 0o606);
        assert!(check_owned(&file).unwrap_err().is_unsafe());
        assert!(read_owned(&file).unwrap_err().is_unsafe());
        chmod(&file, 0o644);
        assert_eq!(read_owned(&file).unwrap(), b"x");
    }

    #[test]
    fn a_group_may_write_only_if_it_is_the_users_own() {
        assert!(others_may_write(0o775, 100, 1000) && others_may_write(0o777, 1000, 1000) && others_may_write(0o770, 0, 0));
        assert!(!others_may_write(0o775, 1000, 1000) && !others_may_write(0o755, 100, 1000));
    }

    #[test]
    fn a_directory_above_may_be_sticky_and_not_open() {
        let (temp, campaign) = campaign();
        let above = temp.path().join("above");
        chmod(&above, 0o777);
        let error = check_campaign(&campaign).unwrap_err();
        assert!(error.is_unsafe() && error.path.ends_with("above"), "{error}");
        chmod(&above, 0o1777);
        check_campaign(&campaign).unwrap();
    }

    #[test]
    fn what_another_user_owns_is_refused() {
        if nix::unistd::geteuid().is_root() {
            let (_temp, campaign) = campaign();
            std::os::unix::fs::chown(campaign.sweeps(), Some(12345), None).unwrap();
            assert!(check_campaign(&campaign).unwrap_err().is_unsafe());
            std::os::unix::fs::chown(campaign.sweeps(), Some(0), None).unwrap();
            std::os::unix::fs::chown(campaign.root().parent().unwrap(), Some(12345), None).unwrap();
            assert!(check_campaign(&campaign).unwrap_err().is_unsafe());
        } else {
            assert!(check_owned(Path::new("/proc/1/cmdline")).unwrap_err().is_unsafe());
        }
    }

    #[test]
    fn a_missing_campaign_is_missing_and_not_unsafe() {
        let error = check_campaign(&Campaign::at("/nowhere/campaign")).unwrap_err();
        assert!(error.is_missing() && !error.is_unsafe());
    }
}
