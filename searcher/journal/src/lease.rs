//! The lease: the right to decide, and to write the searcher's files.
//!
//! Epoch N is the file `searcher/lease/<N>`; the highest number holds. The next holder creates N+1, once, when N was
//! released, or its holder is dead on this host, or nothing about it changed for the takeover time as seen from here.
//! Nothing is stolen or renamed. A holder that slept may wake and act: it asks [`Lease::still_mine`] before what it does
//! is seen, and what it may have done is told apart by its epoch.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bandmaster_record::{Epoch, Host, Nonce};
use serde::{Deserialize, Serialize};

use crate::modes::create_empty;
use crate::watch::Watch;
use crate::{Campaign, Created, FileError, Identity, crash_point, create_once, names, nonce, seal, sync_dir};

/// What came of asking for the lease.
#[derive(Debug)]
pub enum Taken {
    /// It is this process's.
    Mine(Lease),
    /// Another holds it, or may hold it.
    Held(HeldBy),
}

/// Who holds the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBy {
    /// Its number.
    pub epoch: Epoch,
    /// The holder, if its file could be read.
    pub holder: Option<Identity>,
    /// In what time it will be taken over if it does not change until then; nothing where its holder is known to live.
    pub takeover_in: Option<Duration>,
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lease {} is held by ", self.epoch)?;
        match &self.holder {
            Some(Identity { host, pid, .. }) => write!(f, "process {pid} on {}", host.name)?,
            None => f.write_str("a process that cannot be named from here")?,
        }
        match self.takeover_in {
            Some(rest) => write!(f, "; if it stays silent it is taken over in {} s", rest.as_secs_f64().ceil()),
            None => Ok(()),
        }
    }
}

/// The first line of a lease's file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    v: u32,
    host: String,
    boot_id: String,
    pid: u32,
    start_time: u64,
    nonce: Nonce,
}

/// All that the holder wrote is finished.
const RELEASED: &[u8] = b"released\n";
/// The holder lives on and holds no more; what it wrote may be half finished.
const ABANDONED: &[u8] = b"abandoned\n";
/// The holder lives.
const ALIVE: &[u8] = b"alive\n";

impl Line {
    fn of(content: &[u8]) -> Option<Identity> {
        let line: Line = serde_json::from_slice(content.split(|byte| *byte == b'\n').next()?).ok()?;
        let host = Host { name: line.host, boot_id: line.boot_id };
        Some(Identity { host, pid: line.pid, start_time: line.start_time })
    }
}

/// The lease, held until it is released, dropped (after an error, say: then the next holder does not rely on what this
/// one wrote), or this process ends.
#[derive(Debug)]
pub struct Lease {
    dir: PathBuf,
    epoch: Epoch,
    identity: Identity,
    clean: bool,
    /// The line that makes the file this holder's.
    line: Vec<u8>,
    file: File,
    released: bool,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.released {
            // If this fails too, the lease is free when this process ends.
            let _ = self.note(ABANDONED, "abandon the lease");
        }
    }
}

impl Lease {
    /// Takes the lease, if it is free. Never waits.
    ///
    /// `takeover` is how long a holder that cannot be asked (on another host) must stay silent before it is evicted; what
    /// this host saw of it is kept in `searcher/seen/`.
    pub fn take(campaign: &Campaign, takeover: Duration) -> Result<Taken, FileError> {
        let me = Identity::current().map_err(FileError::at("learn who this process is from", Path::new("/proc")))?;
        Self::take_as(campaign, takeover, &me)
    }

    /// Takes the lease in the name of `me`.
    fn take_as(campaign: &Campaign, takeover: Duration, me: &Identity) -> Result<Taken, FileError> {
        let dir = campaign.lease_dir();
        let Identity { host, pid, start_time } = me.clone();
        let line = Line { v: 1, host: host.name, boot_id: host.boot_id, pid, start_time, nonce: nonce() };
        let mut line = serde_json::to_vec(&line).map_err(|error| FileError::new("encode a line for", &dir, error.into()))?;
        line.push(b'\n');
        // Each round is lost to somebody who took it: whoever asks goes on, or is told.
        for _ in 0..8 {
            let highest = highest(&dir)?;
            let clean = match highest {
                None => false,
                Some(epoch) => match ask(campaign, epoch, Some(takeover), me)? {
                    Answer::Vanished => continue,
                    Answer::Held(held) => return Ok(Taken::Held(held)),
                    Answer::Released => true,
                    Answer::Dead => false,
                },
            };
            // Without any lease the journals tell how far epochs went.
            let last = match highest {
                Some(epoch) => epoch,
                None => seal::epochs(&campaign.searcher_journals())?.last().copied().unwrap_or_default(),
            };
            if let Some(lease) = Self::create(&dir, Epoch(last.0 + 1), me, &line, clean)? {
                refresh(&campaign.searcher_journals())?;
                return Ok(Taken::Mine(lease));
            }
        }
        let epoch = highest(&dir)?.unwrap_or_default();
        Ok(Taken::Held(HeldBy { epoch, holder: None, takeover_in: None }))
    }

    /// Who holds the lease now, for a person who asks; nothing where it is free. Writes nothing, and waits for nobody's
    /// silence: a holder on another host counts as one that lives.
    pub fn holder(campaign: &Campaign) -> Result<Option<HeldBy>, FileError> {
        let me = Identity::current().map_err(FileError::at("learn who this process is from", Path::new("/proc")))?;
        let dir = campaign.lease_dir();
        while let Some(epoch) = highest(&dir)? {
            match ask(campaign, epoch, None, &me)? {
                Answer::Vanished => {}
                Answer::Held(held) => return Ok(Some(held)),
                Answer::Released | Answer::Dead => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Creates that epoch's file; nothing if another was faster.
    fn create(dir: &Path, epoch: Epoch, me: &Identity, line: &[u8], clean: bool) -> Result<Option<Self>, FileError> {
        let path = dir.join(epoch.to_string());
        let created = create_once(&path, line);
        crash_point("journal.lease.taken");
        if let Ok(Created::Theirs(_)) = created {
            return Ok(None);
        }
        // From here on the file, if it is this one's, is abandoned when an error is met.
        let lease = open_mine(&path, line)?.map(|file| Self {
            dir: dir.to_owned(),
            epoch,
            identity: me.clone(),
            clean,
            line: line.to_owned(),
            file,
            released: false,
        });
        match created {
            // Who took a higher one has removed it already.
            Err(error) if error.is_missing() && highest(dir)?.is_some_and(|highest| highest > epoch) => return Ok(None),
            created => created?,
        };
        let Some(lease) = lease else { return Ok(None) };
        // Between the look and the creation this number may have been taken, released and removed by others. Then there
        // is a higher one now, and this file, which nobody took for a lease, is removed like any lower one.
        if !lease.is_highest()? {
            remove(&path)?;
            return Ok(None);
        }
        // Before anything else, so that an evicted holder finds its own file gone, whatever its cache says of others.
        for name in names::<String>(dir, "")? {
            let number = name.strip_prefix('.').and_then(|rest| rest.split('.').next()).unwrap_or(&name).parse::<u64>();
            if number.is_ok_and(|number| number < epoch.0 || (number == epoch.0 && name.starts_with('.'))) {
                remove(&dir.join(name))?;
            }
        }
        crash_point("journal.lease.unlinked");
        sync_dir(dir)?;
        Ok(Some(lease))
    }

    /// The lease's number.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The process that holds it, as others can recognise it.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether the holder before, of the number just below, released it: then it finished what it wrote. False after a
    /// takeover, and when there was none.
    pub fn clean(&self) -> bool {
        self.clean
    }

    /// Whether this process still holds it. Asked after what it will publish was made durable and before it is renamed:
    /// an evicted holder leaves without doing so.
    pub fn still_mine(&self) -> Result<bool, FileError> {
        Ok(open_mine(&self.dir.join(self.epoch.to_string()), &self.line)?.is_some() && self.is_highest()?)
    }

    fn is_highest(&self) -> Result<bool, FileError> {
        Ok(highest(&self.dir)? == Some(self.epoch))
    }

    /// Lets hosts that wait see that the holder lives. Needed by what lasts longer than the takeover time, a rebuild
    /// say.
    pub fn renew(&mut self) -> Result<(), FileError> {
        self.note(ALIVE, "renew the lease")
    }

    /// Gives the lease back: all that this holder wrote is finished and durable. An evicted holder has nothing to give
    /// back, which is no error.
    pub fn release(mut self) -> Result<(), FileError> {
        crash_point("journal.lease.release");
        self.note(RELEASED, "release the lease")?;
        self.released = true;
        crash_point("journal.lease.released");
        Ok(())
    }

    fn note(&mut self, what: &[u8], doing: &'static str) -> Result<(), FileError> {
        // The file itself, not what may now have its name.
        match self.file.write_all(what).and_then(|()| self.file.sync_all()) {
            Err(error) if is_gone(&error) => Ok(()),
            result => result.map_err(FileError::at(doing, &self.dir.join(self.epoch.to_string()))),
        }
    }
}

/// What the highest lease's file and holder say.
enum Answer {
    /// It is gone: there is a higher one.
    Vanished,
    Held(HeldBy),
    Released,
    Dead,
}

/// Without a takeover time, one whose life cannot be told from here is a holder.
fn ask(campaign: &Campaign, epoch: Epoch, takeover: Option<Duration>, me: &Identity) -> Result<Answer, FileError> {
    let path = campaign.lease_dir().join(epoch.to_string());
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) if is_gone(&error) => return Ok(Answer::Vanished),
        Err(error) => return Err(FileError::new("read", path, error)),
    };
    let mut marks = content.split_inclusive(|byte| *byte == b'\n').skip(1);
    match marks.find(|mark| [RELEASED, ABANDONED].contains(mark)) {
        Some(RELEASED) => return Ok(Answer::Released),
        Some(_) => return Ok(Answer::Dead),
        None => {}
    }
    let holder = Line::of(&content);
    // A file that names no process here is judged by its silence, as one from another host.
    let alive = holder.as_ref().filter(|holder| holder.host == me.host);
    match alive.and_then(|holder| Identity::is_alive(&holder.host, holder.pid, holder.start_time)) {
        Some(true) => return Ok(Answer::Held(HeldBy { epoch, holder, takeover_in: None })),
        Some(false) => return Ok(Answer::Dead),
        None => {}
    }
    let Some(takeover) = takeover else { return Ok(Answer::Held(HeldBy { epoch, holder, takeover_in: None })) };
    let silent = Watch::of(campaign, &me.host)?.silent_for(epoch, &content)?;
    match takeover.checked_sub(silent) {
        None | Some(Duration::ZERO) => Ok(Answer::Dead),
        rest => Ok(Answer::Held(HeldBy { epoch, holder, takeover_in: rest })),
    }
}

/// The file at `path`, to be appended to, if it begins with that line.
fn open_mine(path: &Path, line: &[u8]) -> Result<Option<File>, FileError> {
    let mut content = Vec::new();
    let opened = OpenOptions::new().read(true).append(true).open(path).and_then(|mut file| {
        file.read_to_end(&mut content)?;
        Ok(file)
    });
    match opened {
        Ok(file) => Ok(Some(file).filter(|_| content.starts_with(line))),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(FileError::new("open", path, error)),
    }
}

/// Brings this host's view of the directory's names up to date. An NFS client may list what it saw a minute ago until
/// it changes the directory itself; a holder that missed the newest journal would not seal it, and lose it.
fn refresh(dir: &Path) -> Result<(), FileError> {
    let path = dir.join(".refresh");
    create_empty(&path).map_err(FileError::at("create", &path))?;
    remove(&path)
}

/// Whether a file is no more, as seen by its name or by one who has it open over NFS.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::StaleNetworkFileHandle)
}

fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if !is_gone(&error) => Err(FileError::new("remove", path, error)),
        _ => Ok(()),
    }
}

/// The highest lease.
fn highest(dir: &Path) -> Result<Option<Epoch>, FileError> {
    Ok(names(dir, "")?.pop())
}

#[cfg(test)]
mod tests;
