//! What to do next about one sweep: a pure function of its state and of what the site allows.
//!
//! [`decide`] gives the next decisions as records; the caller journals them, applies them, and asks again until
//! nothing is left to decide. One kind of decision at a time, so that each is made with all that came before it.

use std::collections::{BTreeMap, BTreeSet};

use bandmaster_record::{ArrayNo, AttemptRef, Cause, Nonce, Phase, Ranked, Request, RungNo, SearcherRecord, SlotId, Timestamp, TrialId};

use crate::state::{RungState, Stage, SweepState};
use crate::{Budget, FRUITLESS, configuration, promote, trial_seed};

/// How slots come by their segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// Slots take one segment after another from the offers; an array is as many slots as have room.
    #[default]
    Slots,
    /// Each rung is an array, and each task of it is reserved for one of the rung's segments.
    Rungs {
        /// So many tasks at most in one array.
        most_tasks: u32,
    },
}

/// What the site allows, and what was seen there.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// How slots come by their segments.
    pub layout: Layout,
    /// The time, by this host's clock.
    pub now: Timestamp,
    /// At most so many slots of this sweep at once.
    pub slots: u32,
    /// Tasks of arrays that have not begun yet but will.
    pub starting: BTreeMap<ArrayNo, u32>,
    /// How many segments to keep on offer ahead of the slots.
    pub ahead: u32,
    /// Claims found on disk for grants that no observed journal has begun.
    pub claims: Vec<(AttemptRef, SlotId)>,
    /// A nonce for the next array, should there be one.
    pub nonce: Option<Nonce>,
}

/// The next decisions; empty when there are none.
pub fn decide(state: &SweepState, site: &Site) -> Vec<SearcherRecord> {
    if state.phase.is_over() {
        return ended_arrays(state, site);
    }
    let steps: [fn(&SweepState, &Site) -> Vec<SearcherRecord>; 10] =
        [losses, judgements, rungs, creations, grants, finish, cancelled, ended_arrays, barren, arrays];
    steps.iter().map(|step| step(state, site)).find(|decisions| !decisions.is_empty()).unwrap_or_default()
}

/// What a request does to the sweep: the new phase if it changes, and a sentence for the one who asked.
pub fn respond(state: &SweepState, request: &Request) -> (Option<Phase>, String) {
    let (wanted, from, done) = match request {
        Request::Pause { .. } => (Phase::Paused, Phase::Running, "paused: what runs stops at a checkpoint"),
        Request::Resume { .. } => (Phase::Running, Phase::Paused, "resumed"),
        Request::Cancel { .. } => (Phase::Cancelled, state.phase, "cancelled: what runs is stopped"),
    };
    if state.phase.is_over() || state.phase == wanted || state.phase != from {
        return (None, format!("nothing to do: the sweep is {}", state.phase.as_str()));
    }
    (Some(wanted), done.to_owned())
}

/// Attempts that died without a word: those of slots that are gone, and claims whose slot is over.
fn losses(state: &SweepState, site: &Site) -> Vec<SearcherRecord> {
    let lost = |attempt: AttemptRef, cause: Cause, evidence: String| SearcherRecord::AttemptLost {
        sweep: state.sweep.clone(),
        attempt,
        cause,
        evidence,
    };
    let orphans = state.orphans.iter().map(|(attempt, cause, evidence)| lost(*attempt, *cause, evidence.clone()));
    let unheard = site
        .claims
        .iter()
        .filter(|(attempt, slot)| state.is_open(attempt) && !state.slots.contains_key(slot))
        .map(|(attempt, slot)| lost(*attempt, Cause::Lost, format!("slot {slot} claimed it and ended without beginning it")));
    orphans.chain(unheard).collect()
}

/// Results are accepted; segments without a retry left have failed.
fn judgements(state: &SweepState, _: &Site) -> Vec<SearcherRecord> {
    let judge = |attempt: &AttemptRef| {
        let trial = state.trials.get(&attempt.trial)?;
        let Stage::Ended { cause, result } = &trial.stage else { return None };
        let sweep = state.sweep.clone();
        Some(match result {
            Some(value) => SearcherRecord::Accepted { sweep, attempt: *attempt, value: *value },
            None => SearcherRecord::SegmentFailed { sweep, attempt: *attempt, cause: *cause, why: spent(*cause, &trial.budget) },
        })
    };
    state.ended.iter().filter_map(judge).collect()
}

fn spent(cause: Cause, &Budget { retries, fruitless }: &Budget) -> String {
    if fruitless > FRUITLESS {
        return format!("{fruitless} attempts in a row ended without any progress, the last one with {}", cause.as_str());
    }
    match retries {
        0 | 1 => format!("the attempt ended with {} and no retries are allowed", cause.as_str()),
        _ => format!("the last of {retries} attempts that count ended with {}", cause.as_str()),
    }
}

/// Rungs whose trials are all in.
fn rungs(state: &SweepState, _: &Site) -> Vec<SearcherRecord> {
    let decide = |&(bracket, rung): &(u32, RungNo)| {
        let RungState::Open { standings, .. } = state.brackets.get(bracket as usize)?.rungs.get(rung.0 as usize)? else { return None };
        let above = state.ladder.brackets.get(bracket as usize)?.rungs.get(rung.0 as usize + 1);
        let keep = above.map_or(0, |above| above.trials);
        let (ranked, promoted) = promote(state.spec.goal, keep, standings.clone());
        let ranking = ranked.into_iter().map(|standing| Ranked { trial: standing.trial, value: standing.value }).collect();
        Some(SearcherRecord::RungDecided { sweep: state.sweep.clone(), bracket, rung, keep, ranking, promoted })
    };
    state.complete.iter().filter_map(decide).collect()
}

/// How many more segments may be put on offer now.
fn room(state: &SweepState, site: &Site) -> usize {
    let ahead = site.ahead.max(site.slots) as usize;
    if state.phase == Phase::Running { ahead.saturating_sub(state.open.len()) } else { 0 }
}

/// New trials, when what is ready does not fill the offers.
fn creations(state: &SweepState, site: &Site) -> Vec<SearcherRecord> {
    let wanted = room(state, site).saturating_sub(state.ready.len());
    let last = state.ladder.trials();
    (state.created..last)
        .take(wanted)
        .filter_map(|number| {
            let trial = TrialId(number);
            Some(SearcherRecord::TrialCreated {
                sweep: state.sweep.clone(),
                trial,
                bracket: state.ladder.bracket_of(trial)?,
                params: configuration(&state.spec, trial),
                seed: trial_seed(state.spec.seed, trial),
            })
        })
        .collect()
}

/// Grants for what is ready, the most urgent first.
fn grants(state: &SweepState, site: &Site) -> Vec<SearcherRecord> {
    let mut ready: Vec<_> = state.ready.iter().filter_map(|trial| Some((*trial, state.trials.get(trial)?))).collect();
    ready.sort_by_key(|(trial, known)| known.urgency(*trial));
    ready
        .into_iter()
        .take(room(state, site))
        .map(|(trial, known)| SearcherRecord::Granted { sweep: state.sweep.clone(), attempt: known.next_grant(trial) })
        .collect()
}

fn finish(state: &SweepState, _: &Site) -> Vec<SearcherRecord> {
    let decided = |rung: &RungState| matches!(rung, RungState::Decided { .. });
    if !state.brackets.iter().all(|bracket| bracket.rungs.iter().all(decided)) {
        return Vec::new();
    }
    let why = match state.failed {
        0 => "every rung is decided".to_owned(),
        1 => "every rung is decided; 1 trial failed".to_owned(),
        failed => format!("every rung is decided; {failed} trials failed"),
    };
    vec![SearcherRecord::PhaseChanged { sweep: state.sweep.clone(), phase: Phase::Finished, why }]
}

/// So many arrays in a row may end of which nothing began.
const BARREN: u32 = 3;

/// Where slots do not even start, more of them would not either: somebody must look.
fn barren(state: &SweepState, site: &Site) -> Vec<SearcherRecord> {
    if state.barren < BARREN || state.phase != Phase::Running {
        return Vec::new();
    }
    let (sweep, last) = (state.sweep.clone(), state.last_array);
    // Where each task is a job's, each has a log of its own.
    let task = if matches!(site.layout, Layout::Rungs { .. }) { "_0" } else { "" };
    let why = format!("paused: no task of the last {BARREN} arrays began a trial; see sweeps/{sweep}/arrays/{last}{task}.log");
    vec![SearcherRecord::PhaseChanged { sweep, phase: Phase::Paused, why }]
}

/// What a person took from the cluster is not put there again before a person says so.
fn cancelled(state: &SweepState, _: &Site) -> Vec<SearcherRecord> {
    let Some(evidence) = state.cancelled.as_ref().filter(|_| state.phase == Phase::Running) else { return Vec::new() };
    let sweep = state.sweep.clone();
    let why = format!("paused: {evidence}; `bandmaster resume {sweep}` submits what is left again");
    vec![SearcherRecord::PhaseChanged { sweep, phase: Phase::Paused, why }]
}

/// The next array.
fn arrays(state: &SweepState, site: &Site) -> Vec<SearcherRecord> {
    let Some(nonce) = site.nonce.clone().filter(|_| state.phase == Phase::Running) else { return Vec::new() };
    match site.layout {
        Layout::Slots => slot_array(state, site, nonce),
        Layout::Rungs { most_tasks } => rung_array(state, site, nonce, most_tasks),
    }
}

/// An array for the segments of the most urgent rung that no task is there for.
fn rung_array(state: &SweepState, site: &Site, nonce: Nonce, most_tasks: u32) -> Vec<SearcherRecord> {
    let out = state.tasks_out();
    if let Some(refused) = &state.refused {
        let is_early = site.now < refused.not_before && out >= refused.out;
        // One at a time tells whether there is room again.
        if is_early || state.arrays.values().any(|array| array.job.is_none()) {
            return Vec::new();
        }
    }
    let covered = covered(state);
    let place = |attempt: &AttemptRef| Some((state.trials.get(&attempt.trial)?.bracket, attempt.rung));
    let mut uncovered = state.open_by_urgency().into_iter().filter(|attempt| !covered.contains(&(attempt.trial, attempt.rung))).peekable();
    let Some(first) = uncovered.peek().and_then(place) else { return Vec::new() };
    let most = most_tasks.min(state.most_tasks.unwrap_or(u32::MAX)).max(1);
    let reserved: Vec<_> = uncovered.filter(|attempt| place(attempt) == Some(first)).take(most as usize).collect();
    let tasks = reserved.len() as u32;
    let taken: u32 = state.arrays.values().map(|array| array.out().min(array.at_once.unwrap_or(u32::MAX))).sum();
    let room = site.slots.saturating_sub(taken);
    // An array keeps for its life what it gets: half of all is worth waiting for.
    if room < tasks.min(site.slots.div_ceil(2)).max(1) {
        return Vec::new();
    }
    let at_once = (room < tasks).then_some(room);
    let array = ArrayNo(state.last_array.0 + 1);
    vec![SearcherRecord::ArrayIntended { sweep: state.sweep.clone(), array, nonce, tasks, reserved, at_once }]
}

/// The segments for which a task is there that is not over.
fn covered(state: &SweepState) -> BTreeSet<(TrialId, RungNo)> {
    let tasks = state.arrays.values().flat_map(|array| (0..).zip(&array.reserved).filter(|(task, _)| !array.over.contains(task)));
    tasks.map(|(_, attempt)| (attempt.trial, attempt.rung)).collect()
}

/// An array of slots for what is on offer, as far as the site has room.
fn slot_array(state: &SweepState, site: &Site, nonce: Nonce) -> Vec<SearcherRecord> {
    if state.arrays.values().any(|array| array.job.is_none()) {
        return Vec::new();
    }
    let busy = state.slots.values().filter(|slot| slot.running.is_some()).count();
    let idle = (state.slots.len() - busy) as u32 + site.starting.values().sum::<u32>();
    let wanted = (state.open.len() as u32).saturating_sub(idle);
    let tasks = wanted.min(site.slots.saturating_sub(idle + busy as u32));
    if tasks == 0 {
        return Vec::new();
    }
    let array = ArrayNo(state.last_array.0 + 1);
    vec![SearcherRecord::ArrayIntended { sweep: state.sweep.clone(), array, nonce, tasks, reserved: Vec::new(), at_once: None }]
}

/// Arrays of which nothing runs and nothing will.
fn ended_arrays(state: &SweepState, site: &Site) -> Vec<SearcherRecord> {
    let lives =
        |array: &ArrayNo| site.starting.get(array).is_some_and(|&tasks| tasks > 0) || state.slots.values().any(|slot| slot.array == *array);
    state
        .arrays
        .iter()
        .filter(|(array, known)| known.job.is_some() && known.out() == 0 && !lives(array))
        .map(|(array, _)| SearcherRecord::ArrayEnded { sweep: state.sweep.clone(), array: *array })
        .collect()
}
