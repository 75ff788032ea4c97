//! One trial's process: how it is started, asked to stop, killed, and what it leaves.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use bandmaster_journal::crash_point;
use bandmaster_record::{MetricSource, Number, Seconds, Usage};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::memory::Kills;
use super::printed::last_match;
use super::reap;
use super::reports::Reports;
use super::staging::Staging;
use crate::contract::{Home, Private, argv, environment};
use crate::report::{number, sample};
use crate::spawn::as_trial;
use crate::wire::{Exit, FromAgent, Start, StopReason};

/// A trial that runs, or that ended and whose last checkpoints are not answered yet.
#[derive(Debug)]
pub(super) struct Trial {
    start: Box<Start>,
    private: Private,
    pid: Pid,
    began: Instant,
    kills_before: Option<u64>,
    /// Whether a signal was sent to it to make it stop.
    signalled: bool,
    pub(super) reports: Reports,
    pub(super) staging: Staging,
    /// What to tell the slot when all is answered.
    pub(super) ended: Option<FromAgent>,
}

impl Trial {
    /// Starts it. The error is a sentence for people.
    pub(super) fn start(home: &Home, kills: &Kills, start: Box<Start>) -> Result<Self, String> {
        let private = Private::create(home, &start)
            .map_err(|error| format!("the private directory {} cannot be made: {error}", home.path().join(&start.nonce).display()))?;
        let log = OpenOptions::new().append(true).create(true).open(&start.log);
        let log = log.map_err(|error| format!("its log {} cannot be opened: {error}", start.log.display()))?;
        let errors = log.try_clone().map_err(|error| format!("its log cannot be opened twice: {error}"))?;
        let argv = argv(&start);
        let (program, arguments) = argv.split_first().ok_or("its command is empty")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(environment(std::env::vars_os(), &start, &private))
            .current_dir(&start.directory)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        as_trial(&mut command, stop_signal(&start));
        let kills_before = kills.count();
        let began = Instant::now();
        crash_point("launch.trial.spawn");
        let child = command.spawn().map_err(|error| cannot_start(program, &start.directory, &error))?;
        crash_point("launch.trial.spawned");
        Ok(Self {
            reports: Reports::new(private.report()),
            staging: Staging::new(&start),
            pid: Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX)),
            start,
            private,
            began,
            kills_before,
            signalled: false,
            ended: None,
        })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// The directories in which it writes to us.
    pub(super) fn directories(&self) -> [&Path; 2] {
        [self.private.path(), &self.start.staging]
    }

    /// Asks it to stop: the stop file, then the signal that the sweep wants, once. What went wrong, as a sentence.
    pub(super) fn stop(&mut self, reason: StopReason, grace: Seconds) -> Option<String> {
        let written = self.private.write_stop(reason, grace);
        if let (Some(signal), None, false) = (stop_signal(&self.start), &self.ended, self.signalled) {
            self.signalled = true;
            // To the one process: a group's other members were not asked whether they understand it.
            let _ = kill(self.pid, signal);
        }
        written.err().map(|error| format!("the stop file could not be written: {error}"))
    }

    /// Kills its process group.
    pub(super) fn kill(&self) {
        if self.ended.is_none() {
            let _ = killpg(self.pid, Signal::SIGKILL);
        }
    }

    /// Once its process ended: kills and reaps what it left, and reads what it said last. What to tell the slot now;
    /// that it ended is told when its checkpoints are answered.
    pub(super) async fn finish(&mut self, kills: &Kills) -> Vec<FromAgent> {
        let wall = Seconds(self.began.elapsed().as_secs_f64());
        let end = reap::clear(self.pid).await;
        let mut tell = vec![FromAgent::Left];
        let mut note = |text| tell.push(FromAgent::Note { text });
        if !end.killed.is_empty() {
            note(format!("processes that it left running were killed: {}", listed(&end.killed)));
        }
        if !end.remaining.is_empty() {
            note(format!("processes that it left did not go when they were killed: {}", listed(&end.remaining)));
        }
        let (code, signal) = (end.leader.code, end.leader.signal);
        // 137 is how a shell says that its program was killed. A program whose child was killed exits with what it likes.
        let killed = signal == Some(Signal::SIGKILL as i32) || code == Some(137) || (kills.are_ours() && code != Some(0));
        let out_of_memory = if killed { kills.since(self.kills_before) } else { None };
        tell.extend(self.last_words(code));
        self.staging.look();
        let exit = Exit { code, signal, out_of_memory, shell: !self.start.setup.is_empty() };
        self.ended = Some(FromAgent::Ended { exit, usage: Usage { wall, ..end.leader.usage } });
        tell
    }

    /// Reports that were not read yet, what there is to say about them, and the metric in the log.
    fn last_words(&mut self, code: Option<i32>) -> Vec<FromAgent> {
        let mut tell = Vec::new();
        loop {
            let (reports, more) = self.reports.read(true);
            tell.extend(reports.into_iter().map(|report| FromAgent::Report { resource: report.resource, metrics: report.metrics }));
            if !more {
                break;
            }
        }
        tell.extend(self.reports.notes().into_iter().map(|text| FromAgent::Note { text }));
        // A trial that was interrupted, or failed, may have printed what holds for less than the target.
        if let MetricSource::Stdout(expression) = &self.start.source
            && code == Some(0)
            && !self.signalled
        {
            tell.extend(self.printed(expression));
        }
        tell
    }

    fn printed(&self, expression: &str) -> Option<FromAgent> {
        match last_match(&self.start.log, expression) {
            Ok(None) => None,
            Ok(Some(text)) => Some(match number(&text) {
                Some(value) => {
                    FromAgent::Report { resource: self.start.target, metrics: [(self.start.metric.clone(), Number(value))].into() }
                }
                None => {
                    FromAgent::Note { text: format!("`{expression}` found `{}` in its log, which is no number", sample(text.as_bytes())) }
                }
            }),
            Err(error) => Some(FromAgent::Note { text: format!("its log could not be searched for `{expression}`: {error}") }),
        }
    }
}

/// The signal that the sweep wants beside the stop file.
fn stop_signal(start: &Start) -> Option<Signal> {
    match start.stop_signal.as_deref() {
        Some("USR1") => Some(Signal::SIGUSR1),
        Some("USR2") => Some(Signal::SIGUSR2),
        Some("TERM") => Some(Signal::SIGTERM),
        Some("INT") => Some(Signal::SIGINT),
        _ => None,
    }
}

/// Some names, not more than a person reads.
fn listed(names: &[String]) -> String {
    let some: Vec<&str> = names.iter().take(10).map(String::as_str).collect();
    let more = names.len().saturating_sub(some.len());
    if more > 0 { format!("{} and {more} more", some.join(", ")) } else { some.join(", ") }
}

/// Why a program could not be started, for people: what is missing, and where it was looked for.
fn cannot_start(program: &str, directory: &Path, error: &io::Error) -> String {
    let errno = error.raw_os_error().map_or_else(|| error.to_string(), |raw| Errno::from_raw(raw).to_string());
    if !directory.is_dir() {
        return format!("`{program}` cannot be started: the working directory {} is not there ({errno})", directory.display());
    }
    let path = directory.join(program);
    let why = match error.kind() {
        io::ErrorKind::NotFound if !program.contains('/') => "it is in none of the directories of PATH".to_owned(),
        io::ErrorKind::NotFound if fs::symlink_metadata(&path).is_ok() => {
            format!("{} is there, but not the interpreter that its first line names", path.display())
        }
        io::ErrorKind::NotFound => format!("{} is not there", path.display()),
        io::ErrorKind::PermissionDenied => format!("{} may not be executed: chmod +x it", path.display()),
        _ => format!("in {}", directory.display()),
    };
    format!("`{program}` cannot be started: {why} ({errno})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_with_where_it_was_sought_and_why() {
        let dir = tempfile::tempdir().unwrap();
        let missing = io::Error::from_raw_os_error(Errno::ENOENT as i32);
        let text = cannot_start("nosuch", dir.path(), &missing);
        assert!(text.contains("`nosuch`") && text.contains("PATH") && text.contains("ENOENT"), "{text}");
        let text = cannot_start("./nosuch", dir.path(), &missing);
        assert!(text.contains(&dir.path().join("./nosuch").display().to_string()), "{text}");
        fs::write(dir.path().join("script"), "#!/no/such").unwrap();
        assert!(cannot_start("./script", dir.path(), &missing).contains("interpreter"));
        assert!(cannot_start("x", Path::new("/no/such"), &missing).contains("working directory /no/such"));
    }
}
