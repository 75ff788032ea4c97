//! A campaign for tests: journals as a real sweep leaves them, decided by the real search, folded by the real ledger.
//!
//! Only what trials do is made up, and the clock: so every number, time and name is the same each time.

use bandmaster_journal::{Campaign, Cursor, make_dir};
use bandmaster_record::{
    AttemptNo, AttemptRef, ClusterKind, Epoch, Grant, JournalId, RECORD_VERSION, RungNo, SearcherRecord, Submission, SweepId, Timestamp,
    TrialId,
};

use crate::campaignfile::Defaults;
use crate::sweepfile::SweepFile;

// Named by its path, because a test outside of this crate includes this file too.
#[path = "fixture/story.rs"]
mod story;

use story::Story;

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

    /// The same as a sweep that was submitted to Slurm.
    pub(crate) fn on_slurm(self) -> Self {
        let journal = self.campaign.journal(&JournalId::Searcher(Epoch(1)));
        let mut changed = Vec::new();
        for frame in bandmaster_journal::read_from::<SearcherRecord>(&journal, Cursor::default(), None).unwrap().frames {
            let mut record = frame.record;
            if let SearcherRecord::SweepSubmitted { submission, .. } = &mut record {
                submission.cluster = ClusterKind::Slurm;
            }
            bandmaster_record::encode_frame(&bandmaster_record::Envelope { record, ..frame }, &mut changed).unwrap();
        }
        std::fs::write(journal, changed).unwrap();
        self
    }

    /// The first attempt of a trial.
    pub(crate) fn first(trial: u32) -> AttemptRef {
        AttemptRef { trial: TrialId(trial), rung: RungNo(0), grant: Grant(1), attempt: AttemptNo(1) }
    }

    /// Adds a record to a journal, as its writer would.
    pub(crate) fn append<R: bandmaster_record::Record>(&self, journal: &JournalId, record: R) {
        let path = self.campaign.journal(journal);
        let seq = bandmaster_journal::read_from::<R>(&path, Cursor::default(), None).unwrap().cursor.seq + 1;
        let mut line = Vec::new();
        let at = Timestamp(BEGIN + 7_200_000 + seq.cast_signed());
        bandmaster_record::encode_frame(&bandmaster_record::Envelope { v: RECORD_VERSION, seq, at, record }, &mut line).unwrap();
        std::io::Write::write_all(&mut std::fs::OpenOptions::new().append(true).open(path).unwrap(), &line).unwrap();
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
        most_tasks: None,
    };
    std::fs::write(place.submission(), serde_json::to_vec(&submission).unwrap()).unwrap();
}
