//! What a sweep will do at most, before anything of it runs: brackets, rungs, segments, resource, and hours where the
//! time of a segment is limited.

use bandmaster_record::Seconds;
use bandmaster_search::{Bound, Bracket, Counts, Method};
use serde::Serialize;

use crate::sweepfile::SweepFile;

/// The version of the plan's JSON.
const SCHEMA_VERSION: u32 = 1;

/// The plan, as `plan --format json` writes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The version of this format.
    pub schema_version: u32,
    /// The sweep's name.
    pub sweep: String,
    /// The method in a few words.
    pub method: String,
    /// What one of a resource is called.
    pub unit: String,
    /// R: the resource that schedules end at.
    pub max_resource: u64,
    /// All brackets, the deepest first, repetition by repetition; the anchors last.
    pub brackets: Vec<PlannedBracket>,
    /// How many configurations are tried.
    pub trials: u32,
    /// How many times a trial is taken from one rung to the next.
    pub segments: u64,
    /// The resource of all segments together.
    pub resource: TotalResource,
    /// What that costs at most; `None` where `trial.time` says no limit.
    pub cost: Option<Cost>,
}

/// One bracket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedBracket {
    /// How many times its trials are thinned out: the paper's s.
    pub bracket: u32,
    /// Which repetition it belongs to, from 0.
    pub repetition: u32,
    /// Whether its trials are anchors, trained straight to R.
    pub anchors: bool,
    /// Its rungs, the lowest first.
    pub rungs: Vec<PlannedRung>,
}

/// One rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PlannedRung {
    /// Its number in the bracket, from 0.
    pub rung: u32,
    /// The resource that its trials reach.
    pub resource: u64,
    /// How many trials reach it.
    pub trials: u32,
}

/// Resource in the sweep's units and in multiples of R.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TotalResource {
    /// When each segment begins from nothing.
    pub from_scratch: u128,
    /// When each segment goes on from the rung below.
    pub with_resume: u128,
    /// The first in multiples of R.
    pub from_scratch_in_r: f64,
    /// The second in multiples of R.
    pub with_resume_in_r: f64,
}

/// What the segments cost if each takes all its time. Retries are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// The limit of one segment.
    pub seconds_per_segment: f64,
    /// Hours of all cores of the trials.
    pub core_hours: f64,
    /// Hours of all their GPUs.
    pub gpu_hours: f64,
    /// How often a segment that fails may be tried again, each time up to the limit.
    pub retries: u32,
}

impl Plan {
    /// The plan of a sweep.
    pub fn of(sweep: &SweepFile) -> Self {
        let bound = sweep.ladder.bound();
        let max_resource = sweep.search.method.max_resource().0;
        let in_r = |resource: u128| resource as f64 / max_resource as f64;
        Self {
            schema_version: SCHEMA_VERSION,
            sweep: sweep.name.clone(),
            method: in_words(&sweep.search.method),
            unit: sweep.unit.clone(),
            max_resource,
            brackets: sweep.ladder.brackets.iter().map(planned).collect(),
            trials: sweep.ladder.trials(),
            segments: bound.segments,
            resource: TotalResource {
                from_scratch: bound.from_scratch,
                with_resume: bound.with_resume,
                from_scratch_in_r: in_r(bound.from_scratch),
                with_resume_in_r: in_r(bound.with_resume),
            },
            cost: sweep.trial.time.map(|time| cost(sweep, &bound, time)),
        }
    }

    /// The brackets of one repetition, and the anchors.
    pub fn one_repetition(&self) -> impl Iterator<Item = &PlannedBracket> {
        self.brackets.iter().filter(|bracket| bracket.repetition == 0)
    }

    /// How often the outer loop is done.
    pub fn repetitions(&self) -> u32 {
        self.brackets.iter().map(|bracket| bracket.repetition + 1).max().unwrap_or(1)
    }
}

fn in_words(method: &Method) -> String {
    match method {
        Method::Single { .. } => "single".to_owned(),
        Method::Grid { .. } => "grid".to_owned(),
        Method::Random { .. } => "random".to_owned(),
        Method::Hyperband { eta, counts, .. } => {
            let counts = match counts {
                Counts::Algorithm1 => "algorithm-1",
                Counts::Table1 => "table-1",
            };
            format!("hyperband, eta = {eta}, counts = {counts}")
        }
    }
}

fn planned(bracket: &Bracket) -> PlannedBracket {
    let rung =
        |(number, rung): (u32, &bandmaster_search::Rung)| PlannedRung { rung: number, resource: rung.resource.0, trials: rung.trials };
    PlannedBracket {
        bracket: bracket.s,
        repetition: bracket.repetition,
        anchors: bracket.anchors,
        rungs: (0..).zip(&bracket.rungs).map(rung).collect(),
    }
}

fn cost(sweep: &SweepFile, bound: &Bound, Seconds(time): Seconds) -> Cost {
    let hours = bound.segments as f64 * time / 3600.0;
    let resources = &sweep.resources;
    Cost {
        seconds_per_segment: time,
        core_hours: hours * f64::from(resources.ranks) * f64::from(resources.cpus_per_rank),
        gpu_hours: hours * f64::from(resources.gpus),
        retries: sweep.search.retries,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaignfile::Defaults;

    fn plan(method: &str, trial: &str) -> Plan {
        let text = format!(
            "name = 'x'\nobjective = {{ metric = 'm', goal = 'minimize' }}\nmethod = {{ {method} }}\nspace = {{ lr = {{ uniform = [0, 1] }} }}\n[trial]\ncommand = ['t']\n{trial}"
        );
        let checked = SweepFile::parse("sweep.toml", text.as_bytes(), &Defaults::default());
        Plan::of(&checked.sweep.unwrap_or_else(|| panic!("{:?}", checked.mistakes)))
    }

    #[test]
    fn the_papers_example_costs_what_the_tables_say() {
        let algorithm_1 = plan("kind = 'hyperband', max_resource = 81", "");
        assert_eq!((algorithm_1.resource.from_scratch, algorithm_1.resource.with_resume), (1902, 1581));
        assert_eq!(format!("{:.1}", algorithm_1.resource.from_scratch_in_r), "23.5");
        let table_1 = plan("kind = 'hyperband', max_resource = 81, counts = 'table-1'", "");
        assert_eq!((table_1.resource.from_scratch, table_1.resource.with_resume), (1701, 1404));
        let first_rungs: Vec<_> = table_1.brackets.iter().map(|b| (b.bracket, b.rungs[0].trials)).collect();
        assert_eq!(first_rungs, [(4, 81), (3, 27), (2, 9), (1, 6), (0, 5)]);
    }

    #[test]
    fn hours_are_segments_times_the_limit_times_what_a_trial_holds() {
        let method = "kind = 'random', max_resource = 10, trials = 8";
        assert_eq!(plan(method, "").cost, None);
        let cost = plan(method, "time = '00:30:00'\ngpus = 1\ncpus_per_rank = 4").cost.unwrap();
        assert_eq!((cost.gpu_hours, cost.core_hours, cost.retries), (4.0, 16.0, 2));
    }

    #[test]
    fn repetitions_and_anchors_are_told_apart() {
        let plan = plan("kind = 'hyperband', max_resource = 9, repetitions = 2, anchors = 3", "");
        assert_eq!((plan.repetitions(), plan.one_repetition().count(), plan.brackets.len()), (2, 4, 7));
        assert!(plan.brackets.last().unwrap().anchors);
    }
}
