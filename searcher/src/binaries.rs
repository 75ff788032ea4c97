//! The commands that submitted arrays use, kept in the campaign so that an upgrade changes no running sweep.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bandmaster_journal::{Campaign, FileError, crash_point, sync_dir};

/// Where the two commands of one version lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// `bandmaster`.
    pub searcher: PathBuf,
    /// `bandmaster-launch`.
    pub launcher: PathBuf,
}

impl Binaries {
    /// This executable, and the launcher: `BANDMASTER_LAUNCH` if it is set, else the one beside this executable.
    pub fn installed() -> Result<Self, FileError> {
        let searcher = std::env::current_exe().map_err(|source| FileError::new("find", Path::new("/proc/self/exe"), source))?;
        let launcher = match std::env::var_os("BANDMASTER_LAUNCH") {
            Some(path) => PathBuf::from(path),
            None => searcher.with_file_name("bandmaster-launch"),
        };
        let launcher = launcher.canonicalize().map_err(|source| FileError::new("find the launcher at", &launcher, source))?;
        Ok(Self { searcher, launcher })
    }

    /// The copies of these commands in the campaign's `bin/<hash>/`, made if they are not there yet. Two who make
    /// them at once make the same, and the rename decides.
    pub fn kept_in(&self, campaign: &Campaign) -> Result<Self, FileError> {
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
        std::fs::create_dir_all(&directory).map_err(|source| FileError::new("make", &directory, source))?;
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
