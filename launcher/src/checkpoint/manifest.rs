//! The manifest in every published checkpoint: whose it is and what it holds. It binds the checkpoint to its trial and
//! attempt, so that another's can never be resumed by mistake.

use std::fs;
use std::io;
use std::path::Path;

use bandmaster_record::{AttemptRef, Grant, Nonce, Resource, Seconds, SweepId};
use serde::{Deserialize, Serialize};

use super::tree;
use crate::wire::FileEntry;

/// Its name in the checkpoint's directory.
pub const MANIFEST: &str = "bandmaster-manifest.json";

/// The version of the format.
pub const VERSION: u32 = 1;

/// What a checkpoint is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format's version.
    pub v: u32,
    /// The sweep.
    pub sweep: SweepId,
    /// The attempt that took it: its trial, rung and grant too.
    #[serde(flatten)]
    pub attempt: AttemptRef,
    /// The attempt's nonce.
    pub nonce: Nonce,
    /// The resource at which it was taken.
    pub resource: Resource,
    /// Its files, in the order of their paths; the manifest is not among them.
    pub files: Vec<FileEntry>,
    /// From the trial's rename until its files were hashed and on disk.
    pub seconds: Seconds,
}

impl Manifest {
    /// The bytes of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Reads that of a published checkpoint. The error is a reason for people.
    pub fn read(dir: &Path) -> Result<Self, String> {
        let bytes = fs::read(dir.join(MANIFEST)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "it has no manifest".to_owned(),
            _ => format!("its manifest cannot be read: {error}"),
        })?;
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| format!("its manifest is damaged: {error}"))?;
        if manifest.v > VERSION {
            return Err(format!("its manifest has version {}, this launcher knows up to {VERSION}", manifest.v));
        }
        Ok(manifest)
    }

    /// Whether the directory holds exactly the files that the manifest names, byte for byte. The error is a reason.
    pub fn verify(&self, dir: &Path) -> Result<(), String> {
        let (found, _) = tree::walk(dir)?;
        if let Some(extra) = found.iter().find(|f| self.files.binary_search_by(|file| file.path.cmp(&f.path)).is_err()) {
            return Err(format!("`{}` is not in its manifest", extra.path));
        }
        for file in &self.files {
            let Ok(at) = found.binary_search_by(|f| f.path.cmp(&file.path)) else {
                return Err(format!("`{}` is missing", file.path));
            };
            let size = found.get(at).map_or(0, |found| found.size);
            if size != file.size {
                return Err(format!("`{}` has {size} bytes instead of {}", file.path, file.size));
            }
        }
        for file in &self.files {
            let (_, hash) = tree::hash(&dir.join(&file.path), false).map_err(|error| format!("`{}` cannot be read: {error}", file.path))?;
            if hash != file.blake3 {
                return Err(format!("`{}` is damaged: its bytes are not those that were published", file.path));
            }
        }
        Ok(())
    }
}

/// The directory's name of a published checkpoint.
pub fn directory_name(resource: Resource, grant: Grant) -> String {
    format!("{resource}.g{grant}")
}

/// Reads such a name.
pub fn parse_directory_name(name: &str) -> Option<(Resource, Grant)> {
    let (resource, grant) = name.split_once(".g")?;
    let parsed = (Resource(resource.parse().ok()?), grant.parse().ok()?);
    (directory_name(parsed.0, parsed.1) == name).then_some(parsed)
}

/// Takes the name that a trial gave a checkpoint, the part before `.ready`. The error is a reason for people.
pub fn admit(name: &str, from: Resource, target: Resource) -> Result<Resource, String> {
    let resource = name.parse().map(Resource).ok().filter(|resource| resource.to_string() == name);
    let resource = resource.ok_or_else(|| "its name is not the resource as a whole number, as in `3.ready`".to_owned())?;
    if resource <= from || resource > target {
        return Err(format!("its resource {resource} is not in this segment, which goes from {from} to {target}"));
    }
    Ok(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_resource_and_lies_in_the_segment() {
        assert_eq!(admit("3", Resource(1), Resource(3)), Ok(Resource(3)));
        for bad in ["1", "4", "03", "+3", "3.0", "", "epoch-3", "-1", "99999999999999999999999"] {
            assert!(admit(bad, Resource(1), Resource(3)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_directory_says_resource_and_grant_in_one_way_only() {
        assert_eq!(parse_directory_name("27.g2"), Some((Resource(27), Grant(2))));
        for bad in ["27", "27.g", "027.g2", "27.g02", ".27.g2", "27.g2.gone", "x.g1"] {
            assert_eq!(parse_directory_name(bad), None, "{bad}");
        }
    }
}
