//! A campaign with one sweep and one array, made by hand, and real slots that work in it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bandmaster_journal::{Campaign, Cursor, SweepDir, publish, read_from};
use bandmaster_record::{
    ArrayFile, ArrayNo, AttemptNo, AttemptRef, Cause, ClusterKind, Epoch, Grant, JournalId, LineageStep, Nonce, Number, Offers, Param,
    Resource, RungNo, Seconds, Segment, SlotId, SlotRecord, SweepId, TrialId, TrialSettings,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) struct World {
    pub(crate) temp: tempfile::TempDir,
    pub(crate) campaign: Campaign,
    pub(crate) sweep: SweepId,
    pub(crate) array: ArrayFile,
}

/// A slot that was started.
pub(crate) struct Running {
    child: Option<Child>,
    pub(crate) id: SlotId,
}

/// What a slot left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
    pub(crate) records: Vec<SlotRecord>,
}

/// A command that is one bash script; its braces are not placeholders, except what stands in `<…>`.
pub(crate) fn bash(script: &str) -> Vec<String> {
    let escaped = script.replace('{', "{{").replace('}', "}}");
    vec!["bash".into(), "-c".into(), escaped]
}

/// The segment of trial 4 from 0 to 3, in rung 0.
pub(crate) fn segment() -> Segment {
    Segment {
        attempt: AttemptRef { trial: TrialId(4), rung: RungNo(0), grant: Grant(1), attempt: AttemptNo(1) },
        params: [("lr".to_owned(), Param::Float(0.1))].into(),
        seed: 7,
        from: Resource(0),
        target: Resource(3),
        max_resource: Resource(9),
        lineage: Vec::new(),
        predicted: None,
    }
}

/// The next grant of the same segment.
pub(crate) fn again(before: &Segment) -> Segment {
    let AttemptRef { trial, rung, grant, attempt } = before.attempt;
    Segment {
        attempt: AttemptRef { trial, rung, grant: Grant(grant.0 + 1), attempt: AttemptNo(attempt.0 + 1) },
        lineage: vec![LineageStep { rung, up_to: grant }],
        ..before.clone()
    }
}

impl World {
    pub(crate) fn new(command: Vec<String>) -> Self {
        Self::within(tempfile::tempdir().unwrap(), command)
    }

    pub(crate) fn within(temp: tempfile::TempDir, command: Vec<String>) -> Self {
        let campaign = Campaign::at(temp.path().join("campaign"));
        let sweep: SweepId = "digits-1".parse().unwrap();
        let directory = temp.path().join("work");
        fs::create_dir_all(&directory).unwrap();
        let trial: TrialSettings = serde_json::from_value(serde_json::json!({
            "command": command, "directory": directory, "metric": "loss", "stop_grace": 5.0,
        }))
        .unwrap();
        let array = ArrayFile {
            v: 1,
            sweep: sweep.clone(),
            array: ArrayNo(1),
            nonce: Nonce::new("N").unwrap(),
            epoch: Epoch(1),
            cluster: ClusterKind::Local,
            tasks: 1,
            trial,
            searcher: None,
            reserved: Vec::new(),
            idle: Seconds(0.05),
        };
        Self { temp, campaign, sweep, array }
    }

    pub(crate) fn dir(&self) -> SweepDir {
        self.campaign.sweep(&self.sweep)
    }

    /// The trials' working directory.
    pub(crate) fn work(&self) -> PathBuf {
        self.temp.path().join("work")
    }

    /// Writes the campaign's files; `root` is where they are seen, if not where the slots see them.
    pub(crate) fn write(&self, root: Option<&Path>, segments: &[Segment]) {
        let campaign = root.map_or_else(|| self.campaign.clone(), Campaign::at);
        campaign.create().unwrap();
        let dir = campaign.sweep(&self.sweep);
        for path in [dir.arrays(), dir.offers(), dir.claims()] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(dir.array(ArrayNo(1)), serde_json::to_vec(&self.array).unwrap()).unwrap();
        let epoch = 1 + fs::read_dir(dir.offers()).unwrap().count() as u64;
        let offers = serde_json::to_vec(&Offers { v: 1, segments: segments.to_vec() }).unwrap();
        publish(&dir.offer(Epoch(epoch)), &dir.offers().join(format!("{epoch}.new")), &offers).unwrap();
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bandmaster-launch"));
        command.args(["slot", "--sweep", "digits-1", "--array", "1", "--task", "0", "--job", "local-1"]);
        command.arg("--campaign").arg(self.campaign.root());
        command
    }

    /// Starts a slot and waits until it is ready.
    pub(crate) fn start(&self) -> Running {
        Running::spawn(&mut self.command())
    }

    /// Offers the segments and runs a slot until it ends.
    pub(crate) fn run(&self, segments: &[Segment]) -> Ended {
        self.write(None, segments);
        self.start().wait(self)
    }

    /// Whether an attempt's staging directory is left.
    pub(crate) fn has_staging(&self) -> bool {
        fs::read_dir(self.dir().stagings()).is_ok_and(|mut entries| entries.next().is_some())
    }

    pub(crate) fn records(&self, slot: &SlotId) -> Vec<SlotRecord> {
        records(&self.campaign.journal(&JournalId::Slot(self.sweep.clone(), slot.clone())))
    }

    pub(crate) fn log(&self, slot: &SlotId, segment: &Segment) -> String {
        fs::read_to_string(self.dir().log(slot, &segment.attempt)).unwrap()
    }
}

pub(crate) fn records(journal: &Path) -> Vec<SlotRecord> {
    let batch = read_from::<SlotRecord>(journal, Cursor::default(), None).unwrap();
    assert_eq!(batch.damage, None);
    batch.frames.into_iter().map(|frame| frame.record).collect()
}

impl Running {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::try_spawn(command).unwrap()
    }

    /// `None` if it is killed before it is ready.
    pub(crate) fn try_spawn(command: &mut Command) -> Option<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        match line.trim().strip_prefix("ready ") {
            Some(id) => Some(Self { child: Some(child), id: id.parse().unwrap() }),
            None if child.wait().unwrap().code().is_none() => None,
            None => panic!("not ready: {line} {}", stderr(child)),
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.as_ref().unwrap().id() as i32
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// The slot's agent.
    pub(crate) fn agent(&self) -> i32 {
        wait_for("an agent", || children(self.pid()).first().copied())
    }

    pub(crate) fn wait(mut self, world: &World) -> Ended {
        let status = wait_for("the slot's end", || self.child.as_mut().unwrap().try_wait().unwrap());
        let stderr = stderr(self.child.take().unwrap());
        let records = world.records(&self.id);
        Ended { code: status.code(), stderr, records }
    }

    /// Waits without looking at the journal.
    pub(crate) fn wait_code(mut self) -> (Option<i32>, String) {
        let status = wait_for("the slot's end", || self.child.as_mut().unwrap().try_wait().unwrap());
        let stderr = stderr(self.child.take().unwrap());
        (status.code(), stderr)
    }
}

impl Drop for Running {
    /// A test that failed leaves no slot behind.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn stderr(child: Child) -> String {
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr).into_owned()
}

pub(crate) fn children(pid: i32) -> Vec<i32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// Whether a process of that id runs; a zombie does not.
pub(crate) fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Waits until there is something; 20 s at most.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "waited 20 s for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until a file holds something that parses.
pub(crate) fn wait_for_file<T: std::str::FromStr>(path: &Path) -> T {
    wait_for(&path.display().to_string(), || fs::read_to_string(path).ok()?.trim().parse().ok())
}

/// The end of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    pub(crate) cause: Cause,
    pub(crate) code: Option<i32>,
    pub(crate) detail: String,
    pub(crate) result: Option<Number>,
    pub(crate) checkpointed: Option<u64>,
}

impl Ended {
    pub(crate) fn ends(&self) -> Vec<End> {
        let ends = self.records.iter().filter_map(|record| match record {
            SlotRecord::AttemptEnded { cause, exit_code, detail, result, checkpointed, .. } => Some(End {
                cause: *cause,
                code: *exit_code,
                detail: detail.clone(),
                result: *result,
                checkpointed: checkpointed.map(|at| at.0),
            }),
            _ => None,
        });
        ends.collect()
    }

    /// The end of the one attempt.
    pub(crate) fn end(&self) -> End {
        let ends = self.ends();
        assert_eq!(ends.len(), 1, "{self:?}");
        ends[0].clone()
    }

    pub(crate) fn causes(&self) -> Vec<Cause> {
        self.ends().into_iter().map(|end| end.cause).collect()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.records
            .iter()
            .filter_map(|record| if let SlotRecord::Note { text, .. } = record { Some(text.clone()) } else { None })
            .collect()
    }

    pub(crate) fn refusals(&self) -> Vec<(String, String)> {
        let refused = self.records.iter().filter_map(|record| match record {
            SlotRecord::CheckpointRefused { name, why, .. } => Some((name.clone(), why.clone())),
            _ => None,
        });
        refused.collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.records.last(), Some(SlotRecord::SlotEnded { .. }))
    }
}
