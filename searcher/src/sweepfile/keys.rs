//! Every key of sweep.toml and campaign.toml, once: the parser refuses what is not here, its messages show the
//! examples, and a test holds docs/sweep.md to it.

/// A key of a section.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// A value that it takes, as it is written.
    pub example: &'static str,
}

const fn key(name: &'static str, example: &'static str) -> Key {
    Key { name, example }
}

/// Outside all sections of sweep.toml.
pub const SWEEP: &[Key] = &[
    key("name", "\"digits\""),
    key("seed", "7"),
    key("objective", "{ metric = \"val_loss\", goal = \"minimize\" }"),
    key("method", "{ kind = \"hyperband\", max_resource = 27 }"),
    key("space", "{ lr = { log_uniform = [1e-4, 1.0] } }"),
    key("trial", "{ command = [\"python3\", \"train.py\", \"--lr\", \"{lr}\"] }"),
    key("checkpoint", "{ interval = \"auto\" }"),
    key("slurm", "{ max_running = 16 }"),
];

/// Outside all sections of campaign.toml.
pub const CAMPAIGN: &[Key] = &[
    key("lease_takeover", "\"120s\""),
    key("lost_after", "\"60s\""),
    key("poll", "\"15s\""),
    key("trial", "{ retries = 2 }"),
    key("checkpoint", "{ interval = \"auto\" }"),
    key("slurm", "{ max_running = 16 }"),
];

/// `[objective]`
pub const OBJECTIVE: &[Key] = &[key("metric", "\"val_loss\""), key("goal", "\"minimize\""), key("from", "{ stdout = 'val_loss=(\\S+)' }")];

/// `from` of `[objective]`
pub const FROM: &[Key] = &[key("stdout", "'val_loss=(\\S+)'")];

/// `[method]`
pub const METHOD: &[Key] = &[
    key("kind", "\"hyperband\""),
    key("max_resource", "27"),
    key("min_resource", "1"),
    key("unit", "\"epoch\""),
    key("eta", "3"),
    key("counts", "\"algorithm-1\""),
    key("repetitions", "1"),
    key("trials", "100"),
    key("sampler", "\"random\""),
    key("anchors", "0"),
    key("divisor", "4"),
    key("max_rungs", "5"),
    key("mode", "\"standard\""),
];

/// A parameter of `[space]`
pub const PARAMETER: &[Key] = &[
    key("uniform", "[0.0, 0.99]"),
    key("log_uniform", "[1e-4, 1.0]"),
    key("int", "[1, 3]"),
    key("log_int", "[16, 256]"),
    key("choice", "[16, 32, 64]"),
    key("step", "0.05"),
    key("when", "{ layers = [2, 3] }"),
];

/// `[trial]`
pub const TRIAL: &[Key] = &[
    key("command", "[\"python3\", \"train.py\", \"--lr\", \"{lr}\"]"),
    key("setup", "[\"module load cuda\"]"),
    key("gpus", "0"),
    key("ranks", "1"),
    key("ranks_per_node", "1"),
    key("cpus_per_rank", "1"),
    key("memory_per_rank", "\"2G\""),
    key("time", "\"00:30:00\""),
    key("environment", "{ OMP_NUM_THREADS = \"1\" }"),
    key("retries", "2"),
    key("stop_signal", "\"none\""),
    key("stop_grace", "\"30s\""),
    key("snapshot", "[]"),
    key("container", "\"image.sif\""),
];

/// `[checkpoint]`
pub const CHECKPOINT: &[Key] =
    &[key("interval", "\"auto\""), key("keep_sweep_best", "1"), key("keep_trial_best", "0"), key("keep_trial_latest", "0")];

/// `[slurm]`
pub const SLURM: &[Key] = &[key("partition", "\"preempt\""), key("max_running", "16"), key("extra", "[\"--qos=low\"]")];

/// The sections and the tables in them, by the name under which messages speak of them.
pub const TABLES: &[(&str, &[Key])] = &[
    ("sweep.toml", SWEEP),
    ("campaign.toml", CAMPAIGN),
    ("[objective]", OBJECTIVE),
    ("`from`", FROM),
    ("[method]", METHOD),
    ("[space]", PARAMETER),
    ("[trial]", TRIAL),
    ("[checkpoint]", CHECKPOINT),
    ("[slurm]", SLURM),
];

/// A section that has this key.
pub(crate) fn section_with(name: &str) -> Option<&'static str> {
    TABLES
        .iter()
        .filter(|(table, _)| table.starts_with('['))
        .find(|(_, keys)| keys.iter().any(|key| key.name == name))
        .map(|(table, _)| *table)
}
