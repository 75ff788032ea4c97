//! A sweep of a few trials that run until they are let go, driven step by step as ticks drive it: what the cluster says is
//! recorded, journals are read, and a rule looks on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::marker::PhantomData;
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant};

use bandmaster::binaries::{Binaries, Programs};
use bandmaster::campaignfile::Defaults;
use bandmaster::cluster::{Cluster, Gone, Survey};
use bandmaster::live::{Live, Sweeps};
use bandmaster::sweepfile::SweepFile;
use bandmaster_journal::{Campaign, Created, Cursor, Identity, boottime, create_once, make_dirs, names, nonce, now, read_from};
use bandmaster_record::{
    ArrayFile, ArrayNo, AttemptRef, Cause, Epoch, Host, JobId, JournalId, Nonce, Offers, Phase, RECORD_VERSION, SearcherRecord, Seconds,
    SlotId, SlotRecord, Submission, SweepId,
};
use bandmaster_search::{Site, SweepState, decide};
use tempfile::TempDir;

use crate::ground::Ground;

/// Nothing that a rule waits for takes longer.
const LONGEST: Duration = Duration::from_secs(120);

/// What the searcher writes into the owner's file of an array that shall never run.
pub(crate) const VOID: &[u8] = b"void";

/// A trial writes down that it runs, and reaches its target when the file `go` is there.
const TRIAL: &str = r#"
echo "$BANDMASTER_TRIAL" >> ran
while [ ! -e go ]; do
  if [ -e "$BANDMASTER_STOP" ]; then exit 0; fi
  [ -e ran ] || exit 1
  sleep 0.05
done
echo '{"resource": 1, "loss": 0.5}' >> "$BANDMASTER_REPORT"
"#;

fn sweep(trials: u32) -> String {
    format!(
        r#"
name = "rules"
seed = 1
[objective]
metric = "loss"
goal = "minimize"
[method]
kind = "random"
trials = {trials}
max_resource = 1
[space]
x = {{ uniform = [0.0, 1.0] }}
[trial]
command = ["sh", "trial.sh", "{{x}}"]
memory_per_rank = "100M"
"#
    )
}

/// The programs, which lie beside this one or, where cargo built them, one directory above.
pub(crate) fn programs() -> Programs {
    let mut directory = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    if directory.ends_with("deps") {
        directory.pop();
    }
    let programs = Programs { searcher: directory.join("bandmaster"), launcher: directory.join("bandmaster-launch") };
    assert!(programs.launcher.exists(), "{} is not there: cargo build --workspace --bins", programs.launcher.display());
    programs
}

/// One sweep on one cluster.
pub(crate) struct Bench<G: Ground> {
    pub(crate) campaign: Campaign,
    pub(crate) cluster: Box<dyn Cluster>,
    pub(crate) sweep: SweepId,
    sweeps: Sweeps,
    here: Host,
    starting: BTreeMap<ArrayNo, u32>,
    adopted: BTreeMap<ArrayNo, JobId>,
    cursors: BTreeMap<SlotId, Cursor>,
    /// All that slots wrote and that was read.
    heard: Vec<(SlotId, SlotRecord)>,
    killed: BTreeSet<SlotId>,
    directory: TempDir,
    ground: PhantomData<G>,
}

impl<G: Ground> Bench<G> {
    /// A sweep of so many trials, of which so many may run at once. Nothing runs yet.
    pub(crate) fn new(trials: u32, slots: u32) -> Self {
        let directory = G::directory();
        fs::write(directory.path().join("trial.sh"), TRIAL).unwrap();
        let campaign = Campaign::at(directory.path().join("campaign"));
        campaign.create().unwrap();
        let sweep = SweepId::new("rules", 1).unwrap();
        let place = campaign.sweep(&sweep);
        for directory in [place.arrays(), place.offers(), place.claims(), place.slots(), place.trials()] {
            make_dirs(&directory).unwrap();
        }
        let cluster = G::cluster(Binaries::of(&campaign, programs()));
        let here = Identity::current().unwrap().host;
        let mut bench = Self {
            campaign,
            cluster,
            sweep: sweep.clone(),
            sweeps: Sweeps::default(),
            here,
            starting: BTreeMap::new(),
            adopted: BTreeMap::new(),
            cursors: BTreeMap::new(),
            heard: Vec::new(),
            killed: BTreeSet::new(),
            directory,
            ground: PhantomData,
        };
        let working = bench.directory.path().display().to_string();
        let read = SweepFile::parse("sweep.toml", self::sweep(trials).as_bytes(), &Defaults::default()).sweep.unwrap();
        let submission = Submission {
            v: RECORD_VERSION,
            sweep,
            file: format!("{working}/sweep.toml"),
            hash: String::new(),
            user: String::new(),
            host: bench.here.name.clone(),
            at: now(),
            version: String::new(),
            git_commit: None,
            git_dirty: None,
            cluster: G::KIND,
            slots,
            most_tasks: None,
            directory: working.clone(),
        };
        bench.record(SearcherRecord::SweepSubmitted { submission: Box::new(submission), spec: Box::new(read.to_spec_json(&working)) });
        bench
    }

    pub(crate) fn live(&self) -> &Live {
        self.sweeps.get(&self.sweep).unwrap()
    }

    pub(crate) fn state(&self) -> &SweepState {
        &self.live().state
    }

    /// The job that an array is, as far as it is recorded.
    pub(crate) fn job(&self, array: ArrayNo) -> Option<JobId> {
        self.state().arrays.get(&array)?.job.clone()
    }

    pub(crate) fn record(&mut self, record: SearcherRecord) {
        self.sweeps.searcher(&record);
    }

    fn decide(&mut self, nonce: Option<&Nonce>) {
        loop {
            let live = self.live();
            let (layout, slots, starting) = (live.layout(), live.slots, self.starting.clone());
            let site = Site { layout, now: now(), slots, starting, ahead: u32::MAX, claims: Vec::new(), nonce: nonce.cloned() };
            let decisions = decide(&live.state, &site);
            if decisions.is_empty() {
                return;
            }
            decisions.into_iter().for_each(|decision| self.record(decision));
        }
    }

    /// Intends the sweep's array: its file is written, and what is not reserved for its tasks is on offer.
    pub(crate) fn intend(&mut self) -> ArrayNo {
        self.decide(Some(&nonce()));
        let Live { state, settings, cluster, .. } = self.live();
        let (number, place) = (state.last_array, self.campaign.sweep(&self.sweep));
        let array = &state.arrays[&number];
        let segment = |attempt: &AttemptRef| state.segment(*attempt).unwrap();
        let file = ArrayFile {
            v: RECORD_VERSION,
            sweep: self.sweep.clone(),
            array: number,
            nonce: array.nonce.clone(),
            epoch: Epoch(1),
            cluster: *cluster,
            tasks: array.tasks,
            trial: settings.clone(),
            // Nobody ticks but the rule itself.
            searcher: None,
            reserved: array.reserved.iter().map(segment).collect(),
            idle: Seconds(1.0),
        };
        fs::write(place.array(number), serde_json::to_vec(&file).unwrap()).unwrap();
        let open = state.open_by_urgency();
        let segments = open.iter().filter(|attempt| !array.reserved.contains(attempt)).map(segment).collect();
        fs::write(place.offer(Epoch(1)), serde_json::to_vec(&Offers { v: RECORD_VERSION, segments }).unwrap()).unwrap();
        number
    }

    /// Submits an array that was intended. Nothing is recorded.
    pub(crate) fn submit(&mut self, array: ArrayNo) -> JobId {
        let file = fs::read(self.campaign.sweep(&self.sweep).array(array)).unwrap();
        let live = self.sweeps.get(&self.sweep).unwrap();
        self.cluster.submit(&self.campaign, &serde_json::from_slice(&file).unwrap(), live).unwrap()
    }

    pub(crate) fn record_submitted(&mut self, array: ArrayNo, job: &JobId) {
        self.record(SearcherRecord::ArraySubmitted { sweep: self.sweep.clone(), array, job: job.clone() });
    }

    /// Intends, submits and records an array.
    pub(crate) fn start(&mut self) -> (ArrayNo, JobId) {
        let array = self.intend();
        let job = self.submit(array);
        self.record_submitted(array, &job);
        (array, job)
    }

    pub(crate) fn stop(&mut self) {
        let live = self.sweeps.get(&self.sweep).unwrap();
        self.cluster.stop(live).unwrap();
    }

    /// What the cluster says.
    pub(crate) fn survey(&mut self) -> Survey {
        let live = self.sweeps.get(&self.sweep).unwrap();
        self.adopted = self.cluster.look(&[live]).unwrap().remove(&self.sweep).unwrap_or_default();
        self.cluster.survey(&[live]).unwrap().remove(&self.sweep).unwrap_or_default()
    }

    /// Observes and decides as a tick does, and submits nothing. No slot that lives is ever called gone.
    pub(crate) fn look(&mut self) {
        let Survey { starting, gone, seen } = self.survey();
        let adopted = std::mem::take(&mut self.adopted);
        self.starting = starting;
        self.resolve(&adopted);
        for (array, seen) in seen {
            let (sweep, observer, uptime) = (self.sweep.clone(), self.here.clone(), Seconds(boottime().as_secs_f64()));
            self.record(SearcherRecord::ArraySeen { sweep, array, seen, observer, uptime });
        }
        self.read_journals();
        for Gone { slot, cause, evidence } in gone {
            // One that closed its journal meanwhile needs no evidence.
            if self.state().slots.contains_key(&slot) {
                assert!(self.killed.contains(&slot), "{slot} lives: {cause:?}, {evidence}");
                assert!(cause == Cause::Lost && !evidence.is_empty(), "{cause:?}, {evidence}");
                self.record(SearcherRecord::SlotGone { sweep: self.sweep.clone(), slot, cause, evidence });
            }
        }
        self.decide(None);
    }

    fn resolve(&mut self, adopted: &BTreeMap<ArrayNo, JobId>) {
        let unresolved = self.state().arrays.iter().filter(|(_, array)| array.job.is_none()).map(|(number, _)| *number);
        for array in unresolved.collect::<Vec<_>>() {
            let job = adopted.get(&array).cloned().or_else(|| match create_once(&self.owner_file(array), VOID).unwrap() {
                Created::Theirs(job) => Some(String::from_utf8(job).unwrap().parse().unwrap()),
                Created::Mine => None,
            });
            match job {
                Some(job) => self.record_submitted(array, &job),
                None => self.abandon(array),
            }
        }
    }

    pub(crate) fn abandon(&mut self, array: ArrayNo) {
        self.record(SearcherRecord::ArrayAbandoned { sweep: self.sweep.clone(), array, why: "it is void".to_owned() });
    }

    fn read_journals(&mut self) {
        for slot in names::<SlotId>(&self.campaign.sweep(&self.sweep).slots(), "").unwrap() {
            let path = self.campaign.journal(&JournalId::Slot(self.sweep.clone(), slot.clone()));
            let cursor = self.cursors.entry(slot.clone()).or_default();
            let batch = read_from::<SlotRecord>(&path, *cursor, None).unwrap();
            *cursor = batch.cursor;
            for frame in batch.frames {
                self.sweeps.slot(&self.sweep, &slot, &frame.record);
                self.heard.push((slot.clone(), frame.record));
            }
        }
    }

    /// Looks until it is so.
    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        loop {
            self.look();
            if is_so(self) {
                return;
            }
            assert!(begun.elapsed() < LONGEST, "waited for {what}: slots {:?}, arrays {:?}", self.state().slots, self.state().arrays);
            sleep(G::PAUSE);
        }
    }

    /// Until so many trials run at the same time.
    pub(crate) fn until_running(&mut self, trials: usize) {
        self.until("running trials", |bench| {
            let running = bench.state().slots.values().filter(|slot| slot.running.is_some()).count();
            running == trials && bench.ran().len() >= trials
        });
    }

    /// Lets the trials go.
    pub(crate) fn go(&self) {
        fs::write(self.directory.path().join("go"), b"").unwrap();
    }

    /// Until no slot and no array is out any more.
    pub(crate) fn until_rest(&mut self) {
        self.until("the end of all", |bench| bench.state().slots.is_empty() && bench.state().arrays.is_empty());
    }

    /// Lets the trials go until the sweep is finished, and each of them ran once.
    pub(crate) fn finish(&mut self) {
        self.go();
        self.until_rest();
        assert_eq!(self.state().phase, Phase::Finished);
        self.assert_each_ran_once(self.state().created as usize);
    }

    /// So many trials were executed, none of them twice.
    pub(crate) fn assert_each_ran_once(&self, trials: usize) {
        let ran = self.ran();
        let different: BTreeSet<&String> = ran.iter().collect();
        assert_eq!((ran.len(), different.len()), (trials, trials), "{ran:?}");
    }

    /// The trials that were executed.
    fn ran(&self) -> Vec<String> {
        fs::read_to_string(self.directory.path().join("ran")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// The slots that opened a journal, with what they are.
    pub(crate) fn started(&self) -> Vec<(ArrayNo, JobId, u32)> {
        let started = |(_, record): &(SlotId, SlotRecord)| match record {
            SlotRecord::SlotStarted { array, job, task, .. } => Some((*array, job.clone(), *task)),
            _ => None,
        };
        self.heard.iter().filter_map(started).collect()
    }

    /// How attempts ended.
    pub(crate) fn ended(&self) -> Vec<Cause> {
        let ended = |(_, record): &(SlotId, SlotRecord)| match record {
            SlotRecord::AttemptEnded { cause, .. } => Some(*cause),
            _ => None,
        };
        self.heard.iter().filter_map(ended).collect()
    }

    /// Slots that closed their journals.
    pub(crate) fn closed(&self) -> usize {
        self.heard.iter().filter(|(_, record)| matches!(record, SlotRecord::SlotEnded { .. })).count()
    }

    /// Tasks that came to see whose their array is.
    pub(crate) fn came(&self) -> usize {
        self.started().len() + self.logs().lines().filter(|line| line.ends_with(": nothing to do")).count()
    }

    fn logs(&self) -> String {
        let entries = fs::read_dir(self.campaign.sweep(&self.sweep).arrays()).unwrap().flatten();
        let logs = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    /// Kills one slot.
    pub(crate) fn kill(&mut self, id: &SlotId) {
        let slot = &self.state().slots[id];
        let job = self.job(slot.array).unwrap();
        G::kill(&job, slot);
        self.killed.insert(id.clone());
    }

    pub(crate) fn owner_file(&self, array: ArrayNo) -> std::path::PathBuf {
        self.campaign.sweep(&self.sweep).owner(array)
    }
}

impl<G: Ground> Drop for Bench<G> {
    /// A rule that fails leaves nothing running either.
    fn drop(&mut self) {
        if !panicking() {
            return;
        }
        println!("the slots' logs:\n{}", self.logs());
        self.go();
        let live = self.sweeps.get(&self.sweep).unwrap();
        let _ = self.cluster.stop(live);
        let begun = Instant::now();
        while self.closed() + self.killed.len() < self.started().len() && begun.elapsed() < LONGEST / 4 {
            sleep(G::PAUSE);
            self.read_journals();
        }
    }
}
