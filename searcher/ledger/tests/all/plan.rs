//! The sweep of the story: its plan, its configurations, and what a trial comes to.

use bandmaster_record::{Param, Params};
use serde_json::{Value, json};

/// Algorithm 1 for R = 9, eta = 3: for each bracket its rungs, (resource, trials).
pub(crate) const PLAN: [&[(u64, u32)]; 3] = [&[(1, 9), (3, 3), (9, 1)], &[(3, 5), (9, 1)], &[(9, 3)]];

pub(crate) fn loss(trial: u32, resource: u64) -> f64 {
    let lr = f64::from(trial * 7 % 17 + 1) / 17.0;
    (lr - 0.4).powi(2) + 1.0 / (resource as f64 + 1.0)
}

pub(crate) fn seed(trial: u32) -> u64 {
    1000 + u64::from(trial)
}

pub(crate) fn params(trial: u32) -> Params {
    let lr = f64::from(trial * 7 % 17 + 1) / 17.0;
    [
        ("lr".to_owned(), Param::Float(lr)),
        ("hidden".to_owned(), Param::Int(16 << (trial % 3))),
        ("optimizer".to_owned(), Param::Text(if trial.is_multiple_of(2) { "sgd" } else { "adam" }.to_owned())),
    ]
    .into()
}

pub(crate) fn spec() -> Value {
    let mut first_trial = 0;
    let plan: Vec<Value> = PLAN
        .iter()
        .enumerate()
        .map(|(bracket, rungs)| {
            let first = first_trial;
            first_trial += rungs[0].1;
            let rungs: Vec<Value> = rungs.iter().map(|(resource, trials)| json!({"resource": resource, "trials": trials})).collect();
            json!({"bracket": bracket, "s": 2 - bracket, "repetition": 0, "anchors": false, "first_trial": first, "rungs": rungs})
        })
        .collect();
    json!({
        "name": "digits", "unit": "epoch", "metric": "val_loss", "slurm": {"partition": "preempt"}, "plan": plan,
        "search": {
            "seed": 7, "goal": "minimize", "retries": 2,
            "method": {"kind": "hyperband", "max_resource": 9, "min_resource": 1, "eta": 3, "counts": "algorithm-1", "repetitions": 1, "anchors": 0},
            "space": {"parameters": [{"name": "lr", "domain": {"log_uniform": {"low": 1e-4, "high": 1.0}}}]}
        },
        "trial": {"command": ["python3", "train.py"], "directory": "/home/ada/digits", "metric": "val_loss", "stop_grace": 30.0}
    })
}
