//! A campaign for tests: journals as a real sweep leaves them, decided by the real search, folded by the real ledger.
//!
//! Only what trials do is made up, and the clock: so every number, time and name is the same each time.

use std::path::Path;

use bandmaster_journal::{Campaign, JournalWriter, make_dir};
use bandmaster_record::{
    ArrayNo, AttemptRef, Cause, ClusterKind, Epoch, Execution, Host, JobId, JournalId, Nonce, Number, Param, PassedOver, RECORD_VERSION,
    Resource, SearcherRecord, Seconds, Segment, SlotId, SlotRecord, Submission, Surroundings, SweepId, Timestamp, Usage,
};
use bandmaster_search::{Site, decide};

use crate::campaignfile::Defaults;
use crate::live::Sweeps;
use crate::sweepfile::SweepFile;

/// 17 trials: 9, 3 and 1 of them at 1, 3 and 9 epochs; 5 and 1 at 3 and 9; 3 at 9.
const SWEEP: &str = r#"
name = "digits"
seed = 7
[objective]
metric = "val_loss"
goal = "minimize"
[method]
kind = "hyperband"
max_resource = 9
unit = "epoch"
eta = 3
[space]
lr = { log_uniform = [1e-4, 1.0] }
hidden = { log_int = [16, 256] }
[trial]
command = ["./train", "--lr", "{lr}", "--hidden", "{hidden}", ["--resume", "{resume_from}"], "--epochs", "{target}"]
environment = { OMP_NUM_THREADS = "1" }
retries = 1
"#;

/// 2026-11-23T22:00:00Z.
const BEGIN: i64 = 1_795_471_200_000;

/// Writing is over when this is dropped.
pub(crate) struct Fixture {
    temp: tempfile::TempDir,
    pub(crate) campaign: Campaign,
}

impl Fixture {
    /// A campaign in which nothing was submitted.
    pub(crate) fn empty() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let campaign = Campaign::at(temp.path().join("campaign"));
        campaign.create().unwrap();
        Self { temp, campaign }
    }

    /// `digits-1` is finished: trial 4 failed, trial 6 reported NaN, trial 2 needed two attempts at its first rung, and
    /// trial 14 was resumed after its time limit. The ledger is not published.
    pub(crate) fn finished() -> Self {
        Self::empty().with_sweep("digits-1", None)
    }

    /// `digits-1` has settled that many segments and runs one more, of which the searcher has observed nothing.
    pub(crate) fn running(segments: usize) -> Self {
        Self::empty().with_sweep("digits-1", Some(segments))
    }

    pub(crate) fn with_sweep(self, sweep: &str, stop_after: Option<usize>) -> Self {
        submit(&self.campaign, sweep);
        Story::begin(&self.campaign, sweep.parse().unwrap()).tell(stop_after.unwrap_or(usize::MAX));
        self
    }

    /// Submits a sweep that no tick has taken in.
    pub(crate) fn submit(&self, sweep: &str) {
        submit(&self.campaign, sweep);
    }

    /// Publishes the ledger as it is now.
    pub(crate) fn publish(self) -> Self {
        let work = self.campaign.work_db(Epoch(1));
        let (ledger, _) = bandmaster_ledger::rebuild(&self.campaign, &work, &mut ()).unwrap();
        ledger.publish(&self.campaign.ledger().with_extension("1.stage"), &self.campaign.ledger()).unwrap();
        std::fs::remove_file(work).unwrap();
        self
    }

    /// The text without what differs each time: the campaign's place.
    pub(crate) fn stable(&self, text: &[u8]) -> String {
        String::from_utf8(text.to_vec()).unwrap().replace(&self.temp.path().display().to_string(), "/work")
    }
}

/// Reads arguments as the command line would.
pub(crate) fn parse<A: clap::Args>(arguments: &[&str]) -> A {
    try_parse(arguments).unwrap()
}

pub(crate) fn try_parse<A: clap::Args>(arguments: &[&str]) -> Result<A, clap::Error> {
    #[derive(clap::Parser)]
    struct Only<A: clap::Args> {
        #[command(flatten)]
        args: A,
    }
    let Only { args } = clap::Parser::try_parse_from(std::iter::once(&"bandmaster").chain(arguments))?;
    Ok(args)
}

/// What a command prints into a pipe, with what it returned.
macro_rules! ran {
    ($command:ident, $fixture:expr, $arguments:expr) => {{
        let fixture = &$fixture;
        let mut args: crate::commands::$command::Args = crate::fixture::parse(&$arguments as &[&str]);
        args.format.screen = crate::output::Screen::PIPE;
        let mut out = Vec::new();
        let exit = crate::commands::$command::run(&args, &fixture.campaign, &mut out);
        exit.map(|exit| (exit, fixture.stable(&out)))
    }};
}

/// What a command prints that ends well.
macro_rules! printed {
    ($command:ident, $fixture:expr, $arguments:expr) => {{
        let (exit, text) = crate::fixture::ran!($command, $fixture, $arguments).unwrap();
        assert_eq!(exit, crate::failure::Exit::Ok);
        text
    }};
}
pub(crate) use {printed, ran};

fn submit(campaign: &Campaign, sweep: &str) {
    let place = campaign.sweep(&sweep.parse().unwrap());
    for directory in [place.root().to_owned(), place.arrays(), place.offers(), place.claims(), place.slots(), place.trials()] {
        make_dir(&directory).unwrap();
    }
    std::fs::write(place.file(), SWEEP).unwrap();
    let spec = SweepFile::parse("sweep.toml", SWEEP.as_bytes(), &Defaults::default()).sweep.unwrap().to_spec_json("/home/ann/digits");
    std::fs::write(crate::submit::spec_file(&place), spec.to_string()).unwrap();
    let sweep: SweepId = sweep.parse().unwrap();
    let submission = Submission {
        v: RECORD_VERSION,
        at: Timestamp(BEGIN + 3_600_000 * i64::from(sweep.number())),
        sweep,
        directory: "/home/ann/digits".into(),
        file: "/home/ann/digits/sweep.toml".into(),
        hash: "ab".repeat(32),
        user: "ann (1000)".into(),
        host: "login1".into(),
        version: "0.1.0".into(),
        git_commit: Some("5f1c0de".into()),
        git_dirty: Some(false),
        cluster: ClusterKind::Local,
        slots: 2,
    };
    std::fs::write(place.submission(), serde_json::to_vec(&submission).unwrap()).unwrap();
}

struct Slot {
    id: SlotId,
    journal: JournalWriter<SlotRecord>,
    /// What the searcher has not observed.
    unseen: Vec<SlotRecord>,
}

struct Story<'a> {
    campaign: &'a Campaign,
    sweep: SweepId,
    sweeps: Sweeps,
    searcher: JournalWriter<SearcherRecord>,
    slots: Vec<Slot>,
    clock: i64,
}

impl<'a> Story<'a> {
    fn begin(campaign: &'a Campaign, sweep: SweepId) -> Self {
        let epoch = (1..).map(Epoch).find(|epoch| !campaign.journal(&JournalId::Searcher(*epoch)).exists()).unwrap();
        let searcher = JournalWriter::create(&campaign.journal(&JournalId::Searcher(epoch)), bandmaster_journal::now).unwrap();
        let place = campaign.sweep(&sweep);
        let submission: Submission = serde_json::from_slice(&std::fs::read(place.submission()).unwrap()).unwrap();
        let spec = serde_json::from_slice(&std::fs::read(crate::submit::spec_file(&place)).unwrap()).unwrap();
        let older = (1..epoch.0).map(Epoch);
        let length = |epoch| std::fs::metadata(campaign.journal(&JournalId::Searcher(epoch))).unwrap().len();
        let sealed = older.map(|epoch| bandmaster_record::Sealed { epoch, length: length(epoch) }).collect();
        let clock = submission.at.0;
        let mut story = Self { campaign, sweep, sweeps: Sweeps::default(), searcher, slots: Vec::new(), clock };
        story.record(SearcherRecord::LeaseTaken { epoch, host: host("login1"), pid: 4711, version: "0.1.0".into(), sealed });
        story.record(SearcherRecord::SweepSubmitted { submission: Box::new(submission), spec });
        story
    }

    fn now(&mut self) -> Timestamp {
        self.clock += 500;
        Timestamp(self.clock)
    }

    fn record(&mut self, record: SearcherRecord) {
        let at = self.now();
        self.sweeps.searcher(&record);
        self.searcher.append_at(&record, at).unwrap();
    }

    fn slot(&mut self, slot: usize, record: SlotRecord) {
        let at = self.now();
        self.slots[slot].journal.append_at(&record, at).unwrap();
        self.slots[slot].unseen.push(record);
    }

    fn observe(&mut self, slot: usize) {
        let Slot { id, journal, unseen } = &mut self.slots[slot];
        journal.sync().unwrap();
        let position = journal.position();
        let (id, unseen) = (id.clone(), std::mem::take(unseen));
        let journal = JournalId::Slot(self.sweep.clone(), id.clone());
        self.record(SearcherRecord::Observed { journal, through_seq: position.seq, offset: position.offset });
        unseen.iter().for_each(|record| self.sweeps.slot(&self.sweep, &id, record));
    }

    fn start_slot(&mut self, task: u32) {
        let id: SlotId = format!("100_{task}.01JDXXXXXXXXXXXXXXXXXXXXX{task}").parse().unwrap();
        let directory = self.campaign.sweep(&self.sweep).slot(&id);
        make_dir(&directory).unwrap();
        let path = self.campaign.journal(&JournalId::Slot(self.sweep.clone(), id.clone()));
        let journal = JournalWriter::create(&path, bandmaster_journal::now).unwrap();
        self.slots.push(Slot { id: id.clone(), journal, unseen: Vec::new() });
        let slot = task as usize;
        self.slot(
            slot,
            SlotRecord::SlotStarted {
                slot: id,
                array: ArrayNo(1),
                job: JobId::new("100").unwrap(),
                task,
                host: host("node7"),
                pid: 900 + task,
                start_time: 1,
                version: "0.1.0".into(),
            },
        );
        let surroundings = Surroundings {
            git_commit: Some("5f1c0de".into()),
            git_dirty: Some(true),
            cpu: "Imaginary 9000".into(),
            cores: 2,
            gpus: vec!["H200".into()],
            memory: 8 << 30,
            versions: [("linux".into(), "6.1".into()), ("bandmaster-launch".into(), "0.1.0".into())].into(),
            environment: [("HOME".into(), "/home/ann".into()), ("API_TOKEN".into(), "(masked)".into())].into(),
        };
        self.slot(slot, SlotRecord::Surroundings(Box::new(surroundings)));
        self.observe(slot);
    }

    /// Decides until nothing is left to decide.
    fn decide(&mut self) {
        let nonce = Nonce::new("01JDNNNNNNNNNNNNNNNNNNNNNN").ok();
        let site = Site { slots: 2, ahead: 512, nonce, ..Site::default() };
        loop {
            let decisions = decide(&self.sweeps.get(&self.sweep).unwrap().state, &site);
            if decisions.is_empty() {
                break;
            }
            for decision in decisions {
                let intended = matches!(decision, SearcherRecord::ArrayIntended { .. });
                self.record(decision);
                if intended {
                    let (sweep, job) = (self.sweep.clone(), JobId::new("100").unwrap());
                    self.record(SearcherRecord::ArraySubmitted { sweep, array: ArrayNo(1), job });
                    self.start_slot(0);
                    self.start_slot(1);
                }
            }
        }
        self.searcher.sync().unwrap();
    }

    fn tell(mut self, stop_after: usize) {
        let mut told = 0;
        loop {
            self.decide();
            let state = &self.sweeps.get(&self.sweep).unwrap().state;
            let Some(attempt) = state.open_by_urgency().first().copied() else { break };
            let segment = state.segment(attempt).unwrap();
            let slot = told % 2;
            if told == stop_after {
                self.start_attempt(slot, &segment);
                self.reports(slot, &segment, segment.from.0 + 1, segment.target.0.saturating_sub(1));
                self.slots[slot].journal.sync().unwrap();
                return;
            }
            self.attempt(slot, &segment);
            self.observe(slot);
            told += 1;
        }
        for slot in 0..self.slots.len() {
            self.slot(slot, SlotRecord::SlotEnded { why: "nothing was on offer for 10 s".into() });
            self.observe(slot);
        }
        self.decide();
    }

    /// One attempt from its start to its end.
    fn attempt(&mut self, slot: usize, segment: &Segment) {
        let attempt = segment.attempt;
        self.start_attempt(slot, segment);
        match (attempt.trial.0, attempt.attempt.0) {
            (4, _) | (2, 1) => {
                self.slot(slot, SlotRecord::Note { attempt, text: "line 3 of the report file is no JSON: `oops`".into() });
                return self.end(slot, attempt, Cause::WrongExit, None);
            }
            (14, 1) => {
                self.reports(slot, segment, 1, 5);
                self.checkpoint(slot, segment, 4);
                return self.end(slot, attempt, Cause::TimeLimit, None);
            }
            (14, _) => self.reports(slot, segment, 5, 9),
            _ => self.reports(slot, segment, segment.from.0 + 1, segment.target.0),
        }
        self.checkpoint(slot, segment, segment.target.0);
        self.end(slot, attempt, Cause::Completed, Some(result(segment, segment.target.0)));
    }

    fn start_attempt(&mut self, slot: usize, segment: &Segment) {
        let attempt = segment.attempt;
        let below = (segment.from.0 > 0).then(|| {
            let grant = segment.lineage.last().map_or(1, |step| step.up_to.0);
            (segment.from, self.checkpoint_directory(attempt, segment.from.0, grant))
        });
        let resumed = if (attempt.trial.0, attempt.attempt.0) == (14, 2) {
            Some((Resource(4), self.checkpoint_directory(attempt, 4, 1)))
        } else {
            below
        };
        let broken = PassedOver { checkpoint: self.checkpoint_directory(attempt, 5, 1), why: "model.safetensors is 17 bytes short".into() };
        let mut command: Vec<String> = vec!["./train".into()];
        command.extend(segment.params.iter().flat_map(|(name, value)| [format!("--{name}"), value.to_string()]));
        command.extend(["--epochs".into(), segment.target.to_string()]);
        self.slot(
            slot,
            SlotRecord::AttemptStarted {
                attempt,
                nonce: Nonce::new(format!("01JDA{:04}{:04}", attempt.trial, attempt.attempt)).unwrap(),
                resumed_from: resumed.as_ref().map(|(resource, _)| *resource),
                checkpoint: resumed.map(|(_, directory)| directory),
                passed_over: if (attempt.trial.0, attempt.attempt.0) == (14, 2) { vec![broken] } else { Vec::new() },
                execution: Box::new(Execution {
                    command,
                    params: segment.params.clone(),
                    seed: segment.seed,
                    directory: "/home/ann/digits".into(),
                }),
            },
        );
        let log = self.campaign.sweep(&self.sweep).log(&self.slots[slot].id, &attempt);
        let lines: String = (1..=5).map(|line| format!("{attempt} at rung {} says line {line}\n", attempt.rung)).collect();
        std::fs::write(log, lines).unwrap();
    }

    fn reports(&mut self, slot: usize, segment: &Segment, from: u64, through: u64) {
        for epoch in from..=through {
            let accuracy = Number(1.0 - 0.5 / (epoch + 1) as f64);
            let metrics = [("val_loss".to_owned(), result(segment, epoch)), ("accuracy".to_owned(), accuracy)].into();
            self.slot(slot, SlotRecord::Report { attempt: segment.attempt, resource: Resource(epoch), metrics });
        }
    }

    fn checkpoint_directory(&self, attempt: AttemptRef, resource: u64, grant: u32) -> String {
        let path = self.campaign.sweep(&self.sweep).checkpoints(attempt.trial).join(format!("{resource}.g{grant}"));
        path.strip_prefix(self.campaign.root()).unwrap_or(Path::new("?")).display().to_string()
    }

    fn checkpoint(&mut self, slot: usize, segment: &Segment, resource: u64) {
        let attempt = segment.attempt;
        let directory = self.checkpoint_directory(attempt, resource, attempt.grant.0);
        self.slot(
            slot,
            SlotRecord::CheckpointPublished {
                attempt,
                resource: Resource(resource),
                directory,
                files: 2,
                bytes: 123_456,
                manifest: "cd".repeat(32),
                seconds: Seconds(0.012),
            },
        );
    }

    fn end(&mut self, slot: usize, attempt: AttemptRef, cause: Cause, result: Option<Number>) {
        let (exit_code, detail) = match cause {
            Cause::Completed => (Some(0), "reached its target"),
            Cause::WrongExit => (Some(1), "exited with 1; its last line was: out of ideas"),
            _ => (None, "the limit of 30 min was reached; it stopped at a checkpoint"),
        };
        let usage = Usage { wall: Seconds(61.25), cpu: Seconds(118.5), peak_memory: 300 << 20 };
        let detail = detail.to_owned();
        self.slot(slot, SlotRecord::AttemptEnded { attempt, cause, exit_code, signal: None, detail, result, checkpointed: None, usage });
    }
}

fn host(name: &str) -> Host {
    Host { name: name.into(), boot_id: "b007".into() }
}

/// The loss after so many epochs.
fn result(segment: &Segment, epoch: u64) -> Number {
    let lr = match segment.params.get("lr") {
        Some(Param::Float(lr)) => *lr,
        _ => 1.0,
    };
    if segment.attempt.trial.0 == 6 { Number(f64::NAN) } else { Number((lr - 0.05).abs() + 0.5 / epoch as f64) }
}
