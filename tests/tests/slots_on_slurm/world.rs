//! A campaign with one sweep and one array of one reserved segment, made by hand in the cluster's shared directory, and
//! slots that Slurm starts in it.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use bandmaster_journal::{Campaign, Cursor, SweepDir, read_from};
use bandmaster_record::{
    ArrayFile, ArrayNo, AttemptNo, AttemptRef, Cause, ClusterKind, Epoch, Grant, JournalId, LineageStep, Nonce, Number, Offers, Param,
    Resource, RungNo, Seconds, Segment, SlotRecord, SweepId, TrialId,
};
use bandmaster_tests::{ADA, Place, TestCluster, wait_for};

pub(crate) struct World<'a> {
    pub(crate) cluster: &'a TestCluster,
    place: Place<'a>,
    campaign: Campaign,
    sweep: SweepId,
    pub(crate) array: ArrayFile,
    launcher: PathBuf,
}

/// A slot's journal, as far as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) records: Vec<SlotRecord>,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    pub(crate) attempt: AttemptRef,
    pub(crate) cause: Cause,
    pub(crate) detail: String,
    pub(crate) result: Option<Number>,
    pub(crate) checkpointed: Option<u64>,
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

/// Its next grant.
pub(crate) fn again() -> Segment {
    let before = segment();
    let AttemptRef { trial, rung, grant, .. } = before.attempt;
    Segment {
        attempt: AttemptRef { trial, rung, grant: Grant(2), attempt: AttemptNo(2) },
        lineage: vec![LineageStep { rung, up_to: grant }],
        ..before
    }
}

impl<'a> World<'a> {
    /// A campaign whose trial is this bash script.
    pub(crate) fn new(cluster: &'a TestCluster, script: &str) -> Self {
        let place = cluster.place().unwrap();
        let campaign = Campaign::at(place.path().join("campaign"));
        let sweep: SweepId = "digits-1".parse().unwrap();
        let work = place.path().join("work");
        let escaped = script.replace('{', "{{").replace('}', "}}");
        let trial = serde_json::json!({
            "command": ["bash", "-c", escaped], "directory": work, "metric": "loss", "stop_grace": 20.0, "cpus": 2,
        });
        let array = ArrayFile {
            v: 1,
            sweep: sweep.clone(),
            array: ArrayNo(1),
            nonce: Nonce::new("N").unwrap(),
            epoch: Epoch(1),
            cluster: ClusterKind::Slurm,
            tasks: 1,
            trial: serde_json::from_value(trial).unwrap(),
            searcher: None,
            reserved: vec![segment()],
            idle: Seconds(60.0),
        };
        let launcher = campaign.root().join("bin/build/bandmaster-launch");
        let world = Self { cluster, place, campaign, sweep, array, launcher };
        world.campaign.create().unwrap();
        let dir = world.dir();
        for path in [work, dir.arrays(), dir.offers(), dir.claims(), world.launcher.parent().unwrap().to_owned()] {
            fs::create_dir_all(path).unwrap();
        }
        fs::copy(cluster.program("bandmaster-launch").unwrap(), &world.launcher).unwrap();
        world
    }

    fn dir(&self) -> SweepDir {
        self.campaign.sweep(&self.sweep)
    }

    /// A file in the trials' working directory.
    pub(crate) fn work(&self, file: &str) -> PathBuf {
        self.place.path().join("work").join(file)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.work(file)).unwrap_or_default()
    }

    /// Lets its slots be of the programs that have crash points. `tests/run.sh` builds them and names their directory.
    pub(crate) fn with_crash_points(self) -> Self {
        let programs = std::env::var_os("BANDMASTER_CRASHING").map(PathBuf::from);
        let programs = programs.expect("tests/run.sh builds the programs with crash points and sets BANDMASTER_CRASHING");
        fs::copy(programs.join("bandmaster-launch"), &self.launcher).unwrap();
        self
    }

    /// What its slots said.
    pub(crate) fn log(&self) -> PathBuf {
        self.place.path().join("slurm.log")
    }

    /// Submits the array with these options more, and says which job it is.
    pub(crate) fn submit(&self, options: &[&str]) -> String {
        let number = self.array.array;
        fs::write(self.dir().array(number), serde_json::to_vec(&self.array).unwrap()).unwrap();
        give(self.place.path());
        let command =
            format!("{} slot --campaign {} --sweep digits-1 --array {number}", self.launcher.display(), self.campaign.root().display());
        let text = format!("#!/bin/sh\nexec {command} --task $SLURM_ARRAY_TASK_ID --job $SLURM_ARRAY_JOB_ID\n");
        let script = self.place.write("array.sh", &text).unwrap();
        let log = self.log().display().to_string();
        let fixed =
            ["--array=0", "--job-name=digits-1.1.N", "--ntasks=1", "--cpus-per-task=2", "--requeue", "--open-mode=append", "-o", &log];
        self.place.sbatch(&[&fixed, options, &[script.to_str().unwrap()]].concat()).unwrap()
    }

    /// Submits a job that takes all of a node for a second from the partition preempt.
    pub(crate) fn make_way(&self, host: &str) {
        self.place.sbatch(&["--partition=urgent", "--exclusive", "-w", host, "-o", "/dev/null", "--wrap", "sleep 1"]).unwrap();
    }

    /// What the searcher does when it has seen that the attempt is over; another trial's segment stands before it.
    pub(crate) fn offer(&self, segment: Segment) {
        let mut other = segment.clone();
        other.attempt.trial = TrialId(9);
        let new = self.dir().offers().join("1.new");
        fs::write(&new, serde_json::to_vec(&Offers { v: 1, segments: vec![other, segment] }).unwrap()).unwrap();
        give(&new);
        fs::rename(new, self.dir().offer(Epoch(1))).unwrap();
    }

    /// Makes a file that trials wait for.
    pub(crate) fn touch(&self, file: &str) {
        fs::write(self.work(file), "").unwrap();
    }

    /// The slots in the order in which they began.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        let entries = fs::read_dir(self.dir().slots()).into_iter().flatten().flatten();
        let mut all: Vec<_> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                let path = self.campaign.journal(&JournalId::Slot(self.sweep.clone(), name.parse().unwrap()));
                let batch = read_from::<SlotRecord>(&path, Cursor::default(), None).ok()?;
                assert_eq!(batch.damage, None);
                let first = batch.frames.first()?.at;
                Some((first, Slot { records: batch.frames.into_iter().map(|frame| frame.record).collect() }))
            })
            .collect();
        all.sort_by_key(|(first, _)| *first);
        all.into_iter().map(|(_, slot)| slot).collect()
    }

    /// The how many-th slot, once it fulfils something.
    pub(crate) fn slot(&self, number: usize, what: &str, is: impl Fn(&Slot) -> bool) -> Slot {
        wait_for(&format!("slot {number}: {what}"), || self.slots().into_iter().nth(number).filter(&is)).unwrap()
    }

    /// The how many-th slot, once its journal is closed.
    pub(crate) fn closed(&self, number: usize) -> Slot {
        self.slot(number, "its end", Slot::is_closed)
    }

    /// Waits until the trial is at resource 2 and its checkpoints are published: its process on the node.
    pub(crate) fn waiting(&self) -> String {
        wait_for("the trial at 2", || self.read("waiting").strip_suffix('\n').map(str::to_owned)).unwrap()
    }
}

impl Slot {
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.records.last(), Some(SlotRecord::SlotEnded { .. }))
    }

    /// Its process on the node.
    pub(crate) fn pid(&self) -> u32 {
        self.records.iter().find_map(|record| if let SlotRecord::SlotStarted { pid, .. } = record { Some(*pid) } else { None }).unwrap()
    }

    pub(crate) fn ends(&self) -> Vec<End> {
        let ends = self.records.iter().filter_map(|record| match record {
            SlotRecord::AttemptEnded { attempt, cause, detail, result, checkpointed, .. } => Some(End {
                attempt: *attempt,
                cause: *cause,
                detail: detail.clone(),
                result: *result,
                checkpointed: checkpointed.map(|at| at.0),
            }),
            _ => None,
        });
        ends.collect()
    }

    /// The end of its one attempt.
    pub(crate) fn end(&self) -> End {
        let ends = self.ends();
        assert_eq!(ends.len(), 1, "{self:?}");
        ends.into_iter().next().unwrap()
    }

    /// Why it ended.
    pub(crate) fn why(&self) -> String {
        let Some(SlotRecord::SlotEnded { why }) = self.records.last() else { panic!("{self:?}") };
        why.clone()
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: {}", self.log().display(), fs::read_to_string(self.log()).unwrap_or_default());
        }
    }
}

/// Gives a file, or a directory and all that is in it, to ada.
fn give(path: &Path) {
    chown(path, Some(ADA), Some(ADA)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path());
        }
    }
}
