//! A Hyperband sweep as it happens on a cluster: R = 9, eta = 3, with retries, preemptions, a time limit, a slot that
//! vanishes, a trial that fails for good, one that diverges, and holders of the lease that follow one another.

use std::collections::BTreeMap;

use bandmaster_journal::Campaign;
use bandmaster_record::*;
use serde_json::json;

use crate::pen::{Pen, attempt, metrics};
use crate::plan::{PLAN, loss, params, seed, spec};

/// What befalls an attempt.
enum Fate {
    Completes(f64),
    Ends(Cause, Option<u64>),
    Vanishes,
}

/// What befalls the trials whose numbers are small; the others complete.
fn fate(attempt: &AttemptRef, target: u64, loss: f64) -> Fate {
    let AttemptRef { trial: TrialId(trial), rung: RungNo(rung), grant: Grant(grant), .. } = *attempt;
    match (trial, rung, grant) {
        (1, 0, 1) => Fate::Ends(Cause::WrongExit, None),
        (2, 0, _) => Fate::Ends(Cause::OutOfMemory, None),
        (3, 0, _) => Fate::Completes(f64::NAN),
        (9, 0, 1) => Fate::Ends(Cause::Preempted, Some(target - 1)),
        (10, 0, 1) => Fate::Vanishes,
        (14, 0, 1) => Fate::Ends(Cause::TimeLimit, Some(target / 2)),
        (15, 0, 1) => Fate::Ends(Cause::Preempted, None),
        (15, 0, 2) => Fate::Ends(Cause::Preempted, Some(4)),
        _ => Fate::Completes(loss),
    }
}

/// The whole sweep, with all that is told in it, in a new campaign.
pub(crate) fn write(campaign: Campaign) -> Pen {
    let mut story =
        Story { pen: Pen::new(campaign), attempts: BTreeMap::new(), grants: BTreeMap::new(), checkpoints: BTreeMap::new(), turn: 0 };
    story.begin();
    for bracket in 0..PLAN.len() {
        story.bracket(bracket as u32);
    }
    story.end();
    story.pen
}

struct Story {
    pen: Pen,
    /// Attempts so far, by trial.
    attempts: BTreeMap<u32, u32>,
    /// Grants so far, by trial and rung.
    grants: BTreeMap<(u32, u32), u32>,
    /// The newest checkpoint of each trial.
    checkpoints: BTreeMap<u32, (u64, String)>,
    turn: usize,
}

impl Story {
    fn begin(&mut self) {
        let pen = &mut self.pen;
        pen.take_lease();
        let sweep = pen.sweep.clone();
        let submission = Submission {
            v: 1,
            sweep: sweep.clone(),
            directory: "/home/ada/digits".into(),
            file: "/home/ada/digits/sweep.toml".into(),
            hash: "abcd".into(),
            user: "ada (1000)".into(),
            host: "login1".into(),
            at: pen.wait(0),
            version: "0.1.0".into(),
            git_commit: Some("0a1b2c3d".into()),
            git_dirty: Some(true),
            cluster: ClusterKind::Slurm,
            slots: 4,
            most_tasks: Some(1000),
        };
        pen.decide(&SearcherRecord::SweepSubmitted { submission: Box::new(submission), spec: Box::new(spec()) });
        let array = ArrayNo(1);
        pen.decide(&SearcherRecord::ArrayIntended {
            sweep: sweep.clone(),
            array,
            nonce: nonce(0),
            tasks: 4,
            reserved: Vec::new(),
            at_once: None,
        });
        pen.decide(&SearcherRecord::ArraySubmitted { sweep: sweep.clone(), array, job: "1001".parse().unwrap() });
        let second = ArrayNo(2);
        pen.decide(&SearcherRecord::ArrayIntended {
            sweep: sweep.clone(),
            array: second,
            nonce: nonce(1),
            tasks: 1,
            reserved: Vec::new(),
            at_once: None,
        });
        pen.decide(&SearcherRecord::ArrayAbandoned { sweep, array: second, why: "sbatch was refused".into() });
        for task in 0..4 {
            pen.start_slot(1, task);
        }
    }

    fn bracket(&mut self, bracket: u32) {
        let rungs = PLAN[bracket as usize];
        let first: u32 = PLAN.iter().take(bracket as usize).map(|rungs| rungs[0].1).sum();
        let mut members: Vec<u32> = (first..first + rungs[0].1).collect();
        for trial in members.clone() {
            let sweep = self.pen.sweep.clone();
            self.pen.decide(&SearcherRecord::TrialCreated {
                sweep,
                trial: TrialId(trial),
                bracket,
                params: params(trial),
                seed: seed(trial),
            });
        }
        for (rung, (resource, _)) in (0u32..).zip(rungs) {
            let from = if rung == 0 { 0 } else { rungs[rung as usize - 1].0 };
            let mut standings: Vec<Standing> = members
                .iter()
                .map(|trial| Standing { trial: TrialId(*trial), value: self.segment(*trial, rung, from, *resource).map(Number) })
                .collect();
            standings.sort_by(|one, other| rank(Goal::Minimize, one, other));
            let keep = rungs.get(rung as usize + 1).map_or(0, |above| above.1);
            let promoted: Vec<TrialId> = standings.iter().take(keep as usize).map(|standing| standing.trial).collect();
            self.pen.decide(&SearcherRecord::RungDecided {
                sweep: self.pen.sweep.clone(),
                bracket,
                rung: RungNo(rung),
                keep,
                ranking: standings.iter().map(|standing| Ranked { trial: standing.trial, value: standing.value }).collect(),
                promoted: promoted.clone(),
            });
            members = promoted.iter().map(|trial| trial.0).collect();
            self.pen.take_lease();
        }
    }

    /// Runs a segment until it has a result, or fails for good.
    fn segment(&mut self, trial: u32, rung: u32, from: u64, target: u64) -> Option<f64> {
        loop {
            let number = *self.attempts.entry(trial).and_modify(|number| *number += 1).or_insert(1);
            let grant = *self.grants.entry((trial, rung)).and_modify(|grant| *grant += 1).or_insert(1);
            let now = attempt(trial, rung, grant, number);
            let sweep = self.pen.sweep.clone();
            self.pen.decide(&SearcherRecord::Granted { sweep: sweep.clone(), attempt: now });
            self.turn += 1;
            let slot = self.turn % 4;
            let value = match self.run(slot, &now, from, target) {
                Fate::Completes(value) => value,
                Fate::Vanishes => {
                    self.vanish(slot, now);
                    continue;
                }
                Fate::Ends(cause, _) => {
                    self.pen.observe(slot);
                    if cause.is_free() || grant < 3 {
                        continue;
                    }
                    let why = "the last of 3 attempts that count ended with out_of_memory".to_owned();
                    self.pen.decide(&SearcherRecord::SegmentFailed { sweep, attempt: now, cause, why });
                    return None;
                }
            };
            // What other slots have written meanwhile is observed at times.
            if self.turn.is_multiple_of(3) {
                (0..4).for_each(|slot| self.pen.observe(slot));
            }
            self.pen.observe(slot);
            self.pen.decide(&SearcherRecord::Accepted { sweep, attempt: now, value: Number(value) });
            return Some(value);
        }
    }

    fn run(&mut self, slot: usize, now: &AttemptRef, from: u64, target: u64) -> Fate {
        let trial = now.trial.0;
        let resumed = self.checkpoints.get(&trial).cloned();
        let pen = &mut self.pen;
        let begins = resumed.as_ref().map_or(0, |(resource, _)| *resource);
        assert!(begins >= from || from == 0 || resumed.is_some());
        let passed_over =
            (now.grant.0 == 3 && trial == 15).then(|| PassedOver { checkpoint: "9.g2".into(), why: "a file is truncated".into() });
        pen.tell(
            slot,
            &SlotRecord::AttemptStarted {
                attempt: *now,
                nonce: nonce(1000 + self.turn as u32),
                resumed_from: resumed.as_ref().map(|(resource, _)| Resource(*resource)),
                checkpoint: resumed.map(|(_, directory)| directory),
                passed_over: passed_over.into_iter().collect(),
                execution: Box::new(Execution {
                    command: vec!["python3".into(), "train.py".into(), "--epochs".into(), target.to_string()],
                    params: params(trial),
                    seed: seed(trial),
                    directory: "/home/ada/digits".into(),
                }),
            },
        );
        let fate = fate(now, target, loss(trial, target));
        let (reached, checkpointed) = match fate {
            Fate::Completes(_) => (target, Some(target)),
            Fate::Ends(_, checkpointed) => (checkpointed.map_or(begins, |at| at.max(begins) + 1).min(target.max(1) - 1), checkpointed),
            Fate::Vanishes => (1, None),
        };
        for resource in begins + 1..=reached {
            self.pen.wait(60_000);
            let value = match fate {
                Fate::Completes(value) if resource == target => value,
                _ => loss(trial, resource),
            };
            let scale = if trial == 6 && resource == 1 { f64::INFINITY } else { 1.5 };
            self.pen.tell(
                slot,
                &SlotRecord::Report {
                    attempt: *now,
                    resource: Resource(resource),
                    metrics: metrics(&[("val_loss", value), ("grad_scale", scale)]),
                },
            );
            if Some(resource) == checkpointed {
                self.publish(slot, now, resource);
            }
            self.pen.sync(slot);
            if let (Fate::Completes(_), 0) = (&fate, resource % 5) {
                let text = "line 7 of the report is no JSON".to_owned();
                self.pen.tell(slot, &SlotRecord::Note { attempt: *now, text });
            }
            if resource == 6 {
                self.pen.tell(slot, &SlotRecord::CheckpointRefused { attempt: *now, name: "6".into(), why: "the quota is used up".into() });
            }
            if resource == 2 {
                self.pen.tell_raw(slot, json!({"kind": "sang_a_song", "verses": 3}));
            }
            if resource == 3 {
                self.pen.decide_raw(json!({"kind": "thought_about_it", "sweep": "digits-1", "long": true}));
            }
        }
        match fate {
            Fate::Vanishes => self.pen.sync(slot),
            Fate::Completes(value) => self.ended(slot, now, Cause::Completed, Some(value), checkpointed),
            Fate::Ends(cause, _) => self.ended(slot, now, cause, None, checkpointed),
        }
        fate
    }

    fn publish(&mut self, slot: usize, now: &AttemptRef, resource: u64) {
        let AttemptRef { trial, grant, .. } = now;
        let directory = format!("sweeps/{}/trials/{trial}/checkpoints/{resource}.g{grant}", self.pen.sweep);
        self.checkpoints.insert(trial.0, (resource, directory.clone()));
        self.pen.tell(
            slot,
            &SlotRecord::CheckpointPublished {
                attempt: *now,
                resource: Resource(resource),
                directory,
                files: 2,
                bytes: 1 << 20,
                manifest: "f00d".into(),
                seconds: Seconds(0.25),
            },
        );
    }

    fn ended(&mut self, slot: usize, now: &AttemptRef, cause: Cause, result: Option<f64>, checkpointed: Option<u64>) {
        self.pen.tell(
            slot,
            &SlotRecord::AttemptEnded {
                attempt: *now,
                cause,
                exit_code: match cause {
                    Cause::Completed => Some(0),
                    Cause::WrongExit => Some(1),
                    _ => None,
                },
                signal: matches!(cause, Cause::OutOfMemory | Cause::Preempted).then_some(9),
                detail: format!("it ended: {}", cause.as_str()),
                result: result.map(Number),
                checkpointed: checkpointed.map(Resource),
                usage: Usage { wall: Seconds(60.5), cpu: Seconds(118.25), peak_memory: 3 << 30 },
            },
        );
    }

    /// The slot's node dies; another slot takes its place.
    fn vanish(&mut self, slot: usize, lost: AttemptRef) {
        let sweep = self.pen.sweep.clone();
        self.pen.observe(slot);
        let evidence = "sacct says NODE_FAIL".to_owned();
        let gone = self.pen.slots[slot].id.clone();
        self.pen.decide(&SearcherRecord::SlotGone {
            sweep: sweep.clone(),
            slot: gone,
            cause: Cause::NodeFailure,
            evidence: evidence.clone(),
        });
        self.pen.decide(&SearcherRecord::AttemptLost { sweep, attempt: lost, cause: Cause::NodeFailure, evidence });
        let new = self.pen.start_slot(1, 9);
        self.pen.slots.swap(slot, new);
    }

    fn end(&mut self) {
        let sweep = self.pen.sweep.clone();
        let asked = self.pen.wait(0);
        self.pen.decide(&SearcherRecord::RequestTaken {
            request: "01JPAUSE".parse().unwrap(),
            asked,
            ask: Some(Request::Pause { sweep: sweep.clone() }),
            outcome: "paused: what runs stops at a checkpoint".into(),
        });
        self.pen.decide(&SearcherRecord::PhaseChanged { sweep: sweep.clone(), phase: Phase::Paused, why: "ada asked".into() });
        self.pen.decide(&SearcherRecord::PhaseChanged { sweep: sweep.clone(), phase: Phase::Running, why: "ada asked".into() });
        for slot in 0..4 {
            self.pen.tell(slot, &SlotRecord::SlotEnded { why: "nothing was offered for 3 s".into() });
            self.pen.observe(slot);
        }
        self.pen.decide(&SearcherRecord::ArrayEnded { sweep: sweep.clone(), array: ArrayNo(1) });
        self.pen.decide(&SearcherRecord::PhaseChanged {
            sweep,
            phase: Phase::Finished,
            why: "every rung is decided; 1 trial failed".into(),
        });
    }
}

fn nonce(number: u32) -> Nonce {
    format!("01J{number:023}").parse().unwrap()
}
