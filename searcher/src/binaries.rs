//! The commands that submitted arrays use, kept in the campaign so that an upgrade changes no running sweep.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bandmaster_journal::{Campaign, FileError, crash_point, make_dir, sync_dir};

/// The two commands of one version, shared by all in a process that may need the campaign's copies. They are read and
/// copied when the first array is submitted: most ticks submit none.
#[derive(Debug, Clone)]
pub struct Binaries(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    campaign: Campaign,
    installed: Programs,
    kept: OnceLock<Programs>,
}

/// Where the two commands lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// `bandmaster`.
    pub searcher: PathBuf,
    /// `bandmaster-launch`.
    pub launcher: PathBuf,
}

impl Binaries {
    /// This executable, and the launcher: `BANDMASTER_LAUNCH` if it is set, else the one beside this executable.
    pub fn installed(campaign: &Campaign) -> Result<Self, FileError> {
        let searcher = std::env::current_exe().map_err(|source| FileError::new("find", Path::new("/proc/self/exe"), source))?;
        let launcher = match std::env::var_os("BANDMASTER_LAUNCH") {
            Some(path) => PathBuf::from(path),
            None => searcher.with_file_name("bandmaster-launch"),
        };
        let launcher = launcher.canonicalize().map_err(|source| FileError::new("find the launcher at", &launcher, source))?;
        Ok(Self::of(campaign, Programs { searcher, launcher }))
    }

    /// These programs.
    pub fn of(campaign: &Campaign, installed: Programs) -> Self {
        Self(Arc::new(Inner { campaign: campaign.clone(), installed, kept: OnceLock::new() }))
    }

    /// The copies of these commands in the campaign's `bin/<hash>/`, made if they are not there yet.
    pub fn kept(&self) -> Result<&Programs, FileError> {
        let Inner { campaign, installed, kept } = &*self.0;
        match kept.get() {
            Some(kept) => Ok(kept),
            None => {
                let found = installed.keep_in(campaign)?;
                Ok(kept.get_or_init(|| found))
            }
        }
    }
}

impl Programs {
    /// Two who make the copies at once make the same, and the rename decides.
    fn keep_in(&self, campaign: &Campaign) -> Result<Self, FileError> {
        let mut hasher = blake3::Hasher::new();
        for path in [&self.searcher, &self.launcher] {
            hasher.update_mmap(path).map_err(|source| FileError::new("read", path, source))?;
        }
        let hash = hasher.finalize().to_hex();
        let directory = campaign.bin().join(hash.get(..16).unwrap_or(&hash));
        let kept = Self { searcher: directory.join("bandmaster"), launcher: directory.join("bandmaster-launch") };
        if kept.launcher.exists() && kept.searcher.exists() {
            return Ok(kept);
        }
        make_dir(&directory)?;
        for (from, to) in [(&self.searcher, &kept.searcher), (&self.launcher, &kept.launcher)] {
            let stage = to.with_extension(format!("{}.new", std::process::id()));
            copy(from, &stage).inspect_err(|_| {
                // A part of a program is of no use, and a full disk has no room for it.
                let _ = std::fs::remove_file(&stage);
            })?;
            crash_point("binaries.rename");
            std::fs::rename(&stage, to).map_err(|source| FileError::new("rename", &stage, source))?;
        }
        sync_dir(&directory)?;
        Ok(kept)
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), FileError> {
    std::fs::copy(from, to).map_err(|source| FileError::new("copy to", to, source))?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).map_err(|source| FileError::new("set the mode of", to, source))?;
    let file = std::fs::File::open(to).map_err(|source| FileError::new("open", to, source))?;
    file.sync_all().map_err(|source| FileError::new("fsync", to, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_copied_before_it_is_needed_and_an_upgrade_changes_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let campaign = Campaign::at(temp.path().join("campaign"));
        campaign.create().unwrap();
        let installed = Programs { searcher: temp.path().join("bandmaster"), launcher: temp.path().join("bandmaster-launch") };
        let install = |version: &str| {
            std::fs::write(&installed.searcher, format!("searcher {version}")).unwrap();
            std::fs::write(&installed.launcher, format!("launcher {version}")).unwrap();
        };
        let copies = || std::fs::read_dir(campaign.bin()).unwrap().count();
        install("1");
        let first = Binaries::of(&campaign, installed.clone());
        assert_eq!(copies(), 0);
        let kept = first.clone().kept().unwrap().clone();
        install("2");
        assert_eq!((copies(), first.kept().unwrap()), (1, &kept));
        let second = Binaries::of(&campaign, installed.clone());
        assert_ne!(second.kept().unwrap(), &kept);
        assert_eq!((copies(), std::fs::read_to_string(&kept.launcher).unwrap().as_str()), (2, "launcher 1"));
        install("1");
        assert_eq!(Binaries::of(&campaign, installed).kept().unwrap(), &kept);
    }
}
