//! The live sweeps: for each its state, and what its slots are told. Rebuilt from records alone.

use std::collections::BTreeMap;

use bandmaster_record::{ClusterKind, Envelope, SearcherRecord, SlotId, SlotRecord, SweepId, TrialSettings};
use bandmaster_search::{Layout, Spec, SweepState};
use serde::{Deserialize, Serialize};

use crate::sweepfile::{Resources, SlurmSettings};

/// Slurm's default: MaxArraySize is 1001, and the highest index is one less.
const MOST_TASKS: u32 = 1000;

/// One live sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Where the search stands.
    pub state: SweepState,
    /// How its trials run.
    pub settings: TrialSettings,
    /// Where its slots run.
    pub cluster: ClusterKind,
    /// The host that submitted: what runs on one machine runs there.
    pub host: String,
    /// At most so many slots at once.
    pub slots: u32,
    /// What sbatch is told.
    pub slurm: SlurmSettings,
    /// What one trial needs.
    pub resources: Resources,
    /// So many tasks at most in one array, where the cluster has arrays.
    pub most_tasks: Option<u32>,
}

impl Live {
    /// How slots come by their segments.
    pub fn layout(&self) -> Layout {
        match (self.cluster, self.most_tasks) {
            (ClusterKind::Local, _) => Layout::Slots,
            (ClusterKind::Slurm, most_tasks) => Layout::Rungs { most_tasks: most_tasks.unwrap_or(MOST_TASKS) },
        }
    }
}

/// What [`Live`] needs of a `sweep_submitted` record's spec.
#[derive(Deserialize)]
struct Submitted {
    search: Spec,
    trial: TrialSettings,
    slurm: SlurmSettings,
    resources: Resources,
}

/// All live sweeps, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sweeps(BTreeMap<SweepId, Live>);

impl Sweeps {
    /// Takes a snapshot in.
    pub fn insert(&mut self, live: Live) {
        self.0.insert(live.state.sweep.clone(), live);
    }

    /// One of them.
    pub fn get(&self, sweep: &SweepId) -> Option<&Live> {
        self.0.get(sweep)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Live> {
        self.0.values()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their ids.
    pub fn ids(&self) -> Vec<SweepId> {
        self.0.keys().cloned().collect()
    }

    /// Forgets a sweep that is over and at rest.
    pub fn remove(&mut self, sweep: &SweepId) {
        self.0.remove(sweep);
    }

    /// Takes one record of the searcher's journal.
    pub fn searcher(&mut self, record: &SearcherRecord) {
        if let SearcherRecord::SweepSubmitted { submission, spec } = record {
            // A spec of another version that this one cannot read stays in the ledger and is not driven.
            let read = Submitted::deserialize(spec.as_ref()).map_err(|error| error.to_string());
            match read.and_then(|read| Ok((read.search.ladder().map_err(|error| error.to_string())?, read))) {
                Ok((ladder, Submitted { search, trial, slurm, resources })) => self.insert(Live {
                    state: SweepState::new(submission.sweep.clone(), search, ladder),
                    settings: trial,
                    cluster: submission.cluster,
                    host: submission.host.clone(),
                    slots: submission.slots,
                    slurm,
                    resources,
                    most_tasks: submission.most_tasks,
                }),
                Err(error) => tracing::warn!(sweep = %submission.sweep, "its record cannot be read by this version: {error}"),
            }
        } else if let Some(live) = record.sweep().and_then(|sweep| self.0.get_mut(sweep)) {
            live.state.searcher(record);
        }
    }

    /// Takes one record of a slot's journal, when the searcher has observed it.
    pub fn slot(&mut self, sweep: &SweepId, slot: &SlotId, record: &SlotRecord) {
        if let Some(live) = self.0.get_mut(sweep) {
            live.state.slot(slot, record);
        }
    }
}

impl bandmaster_ledger::Listener for Sweeps {
    fn searcher(&mut self, envelope: &Envelope<SearcherRecord>) {
        Sweeps::searcher(self, &envelope.record);
    }

    fn slot(&mut self, sweep: &SweepId, slot: &SlotId, envelope: &Envelope<SlotRecord>) {
        Sweeps::slot(self, sweep, slot, &envelope.record);
    }
}
