//! The staging directory as the agent sees it: finds what the trial offers, hashes it away from the loop, and gives the
//! trial the slot's answer.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bandmaster_record::{Resource, Seconds};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::checkpoint::{manifest::admit, staging::remove, tree::survey};
use crate::wire::{FileEntry, FromAgent, Staged, Start};

/// The ending that says that a checkpoint is complete.
const READY: &str = ".ready";

/// One trial's staging directory.
#[derive(Debug)]
pub(super) struct Staging {
    dir: PathBuf,
    from: Resource,
    target: Resource,
    /// What was offered and not answered yet, and when it was seen.
    open: BTreeMap<String, Instant>,
    queue: VecDeque<String>,
    hashing: Option<Hashing>,
}

#[derive(Debug)]
struct Hashing {
    name: String,
    resource: Resource,
    task: JoinHandle<Result<Vec<FileEntry>, String>>,
}

impl Staging {
    pub(super) fn new(start: &Start) -> Self {
        Self {
            dir: start.staging.clone(),
            from: start.from,
            target: start.target,
            open: BTreeMap::new(),
            queue: VecDeque::new(),
            hashing: None,
        }
    }

    /// Finds what was offered since the last look.
    pub(super) fn look(&mut self) {
        // Without the directory a newer attempt has taken over, and the slot will say so.
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if let Some(name) = name.to_str().and_then(|name| name.strip_suffix(READY))
                && !self.open.contains_key(name)
            {
                self.open.insert(name.to_owned(), Instant::now());
                self.queue.push_back(name.to_owned());
            }
        }
    }

    /// Whether everything that was offered is answered.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// What to tell the slot about the next offer; never returns while there is none. Nothing is lost when the future is
    /// dropped.
    pub(super) async fn next(&mut self) -> FromAgent {
        loop {
            if let Some(hashing) = &mut self.hashing {
                let files = (&mut hashing.task).await.unwrap_or_else(|error| Err(format!("it could not be hashed: {error}")));
                let (name, resource) = (std::mem::take(&mut hashing.name), hashing.resource);
                self.hashing = None;
                return match files {
                    Ok(files) => {
                        let seconds = self.open.get(&name).map_or(Seconds(0.0), |seen| Seconds(seen.elapsed().as_secs_f64()));
                        FromAgent::Staged(Staged { name, resource, files, seconds })
                    }
                    Err(why) => FromAgent::Unfit { name, why },
                };
            }
            let Some(name) = self.queue.pop_front() else { return std::future::pending().await };
            match admit(&name, self.from, self.target) {
                Ok(resource) => {
                    let ready = self.ready(&name);
                    let task = tokio::task::spawn_blocking(move || survey(&ready));
                    self.hashing = Some(Hashing { name, resource, task });
                }
                Err(why) => return FromAgent::Unfit { name, why },
            }
        }
    }

    /// Tells the trial that a checkpoint is published.
    pub(super) fn published(&mut self, name: &str) {
        self.open.remove(name);
        self.answer(name, "published", "");
        let _ = fs::remove_file(self.dir.join(format!("{name}.refused")));
    }

    /// Removes what is refused, and tells the trial why.
    pub(super) fn refused(&mut self, name: &str, why: &str) {
        self.open.remove(name);
        // What cannot be removed now goes with the whole directory at the attempt's end.
        let ready = self.ready(name);
        let _ = if ready.is_dir() && !ready.is_symlink() { remove(&ready).is_ok() } else { fs::remove_file(&ready).is_ok() };
        self.answer(name, "refused", why);
    }

    fn ready(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}{READY}"))
    }

    /// The trial may be gone and with it the directory: then nobody reads the answer.
    fn answer(&self, name: &str, word: &str, text: &str) {
        let _ = write_answer(&self.dir, &format!("{name}.{word}"), text);
    }
}

/// Makes a small file appear, complete at once.
fn write_answer(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let stage = dir.join(format!("{name}.new"));
    fs::write(&stage, if text.is_empty() { String::new() } else { format!("{text}\n") })?;
    fs::rename(stage, dir.join(name))
}
