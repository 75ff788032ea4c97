//! A campaign for the tests: its journals are written through the journal crate, as a searcher and its slots write them.
//!
//! The clock is made up, so that every run writes the same bytes.

use std::collections::BTreeMap;

use bandmaster_journal::{Campaign, Cursor, JournalWriter};
use bandmaster_record::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Any record at all, so that kinds from the future can be written too.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Raw(pub(crate) Value);

impl Record for Raw {
    const KINDS: &[&str] = &[];
    fn unknown(kept: Value) -> Self {
        Self(kept)
    }
}

/// A slot and its journal.
pub(crate) struct Slot {
    pub(crate) id: SlotId,
    writer: JournalWriter<Raw>,
    observed: Cursor,
}

/// Who writes a campaign's journals.
pub(crate) struct Pen {
    pub(crate) campaign: Campaign,
    pub(crate) sweep: SweepId,
    pub(crate) slots: Vec<Slot>,
    epoch: Epoch,
    searcher: Option<JournalWriter<Raw>>,
    clock: i64,
}

impl Pen {
    pub(crate) fn new(campaign: Campaign) -> Self {
        campaign.create().unwrap();
        let sweep = "digits-1".parse().unwrap();
        Self { campaign, sweep, slots: Vec::new(), epoch: Epoch(0), searcher: None, clock: 1_790_000_000_000 }
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, milliseconds: i64) -> Timestamp {
        self.clock += milliseconds;
        Timestamp(self.clock)
    }

    /// Another holder of the lease, who seals the journal before.
    pub(crate) fn take_lease(&mut self) {
        let sealed = self.searcher.take().map(|old| Sealed { epoch: self.epoch, length: old.position().offset });
        self.epoch.0 += 1;
        let path = self.campaign.journal(&JournalId::Searcher(self.epoch));
        self.searcher = Some(JournalWriter::create(&path, || Timestamp(0)).unwrap());
        self.decide(&SearcherRecord::LeaseTaken {
            epoch: self.epoch,
            host: host("login1"),
            pid: 4711,
            version: "0.1.0".into(),
            sealed: sealed.into_iter().collect(),
        });
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// A record of the searcher, durable at once.
    pub(crate) fn decide(&mut self, record: &SearcherRecord) {
        self.decide_raw(serde_json::to_value(record).unwrap());
    }

    pub(crate) fn decide_raw(&mut self, record: Value) {
        let at = self.wait(3);
        let writer = self.searcher.as_mut().unwrap();
        writer.append_at(&Raw(record), at).unwrap();
        writer.sync().unwrap();
    }

    /// A slot appears, on a host of its own.
    pub(crate) fn start_slot(&mut self, array: u32, task: u32) -> usize {
        let number = self.slots.len();
        let id: SlotId = format!("{}_{task}.01J{number:05}", 1000 + array).parse().unwrap();
        std::fs::create_dir_all(self.campaign.sweep(&self.sweep).slot(&id)).unwrap();
        let path = self.campaign.journal(&JournalId::Slot(self.sweep.clone(), id.clone()));
        let writer = JournalWriter::create(&path, || Timestamp(0)).unwrap();
        self.slots.push(Slot { id: id.clone(), writer, observed: Cursor::default() });
        self.tell(
            number,
            &SlotRecord::SlotStarted {
                slot: id,
                array: ArrayNo(array),
                job: format!("{}", 1000 + array).parse().unwrap(),
                task,
                host: host(&format!("node{task:02}")),
                pid: 100 + task,
                start_time: 5,
                version: "0.1.0".into(),
            },
        );
        self.tell(
            number,
            &SlotRecord::Surroundings(Box::new(Surroundings {
                git_commit: Some("0a1b2c3d".into()),
                git_dirty: Some(false),
                cpu: "A processor".into(),
                cores: 4,
                gpus: vec!["A GPU".into()],
                memory: 64 << 30,
                versions: [("python".to_owned(), "3.12.1".to_owned())].into(),
                environment: [("OMP_NUM_THREADS".to_owned(), "4".to_owned()), ("API_TOKEN".to_owned(), "(masked)".to_owned())].into(),
            })),
        );
        number
    }

    /// A record of a slot. What is not synced is not there yet.
    pub(crate) fn tell(&mut self, slot: usize, record: &SlotRecord) {
        self.tell_raw(slot, serde_json::to_value(record).unwrap());
    }

    pub(crate) fn tell_raw(&mut self, slot: usize, record: Value) {
        let at = self.wait(11);
        self.slots[slot].writer.append_at(&Raw(record), at).unwrap();
    }

    pub(crate) fn sync(&mut self, slot: usize) {
        self.slots[slot].writer.sync().unwrap();
    }

    /// The searcher reads a slot's journal to its end, and says so.
    pub(crate) fn observe(&mut self, slot: usize) {
        self.sync(slot);
        let Slot { id, writer, observed } = &mut self.slots[slot];
        let cursor = writer.position();
        if *observed == cursor {
            return;
        }
        *observed = cursor;
        let journal = JournalId::Slot(self.sweep.clone(), id.clone());
        self.decide(&SearcherRecord::Observed { journal, through_seq: cursor.seq, offset: cursor.offset });
    }
}

pub(crate) fn host(name: &str) -> Host {
    Host { name: name.to_owned(), boot_id: format!("boot-of-{name}") }
}

pub(crate) fn attempt(trial: u32, rung: u32, grant: u32, attempt: u32) -> AttemptRef {
    AttemptRef { trial: TrialId(trial), rung: RungNo(rung), grant: Grant(grant), attempt: AttemptNo(attempt) }
}

pub(crate) fn metrics(pairs: &[(&str, f64)]) -> BTreeMap<String, Number> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Number(*value))).collect()
}
