//! A real training through whole sweeps: however it was cut into segments, resumed and killed, it comes to the same bits.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use bandmaster_tests::{World, assert_sound, kill_all, said, through_kills, wait_for};

/// The sweep of `examples/digits`, with these settings of its method and of its trials.
fn sweep(world: &World, method: &str, space: &str, checkpoint: &str, arguments: &[&str]) {
    let program = world.program("digits").display().to_string();
    let command: Vec<&str> = [program.as_str()].into_iter().chain(arguments.iter().copied()).collect();
    let text = format!(
        r#"name = "digits"
seed = 7
[objective]
metric = "val_loss"
goal = "minimize"
[method]
{method}
[trial]
command = {command:?}
# Whoever dies is drawn, and a trial may be drawn more often than it may fail by itself.
retries = 20
[checkpoint]
{checkpoint}
[space]
{space}
"#
    );
    world.write("sweep.toml", &text).unwrap();
}

const SPACE: &str = "
lr           = { log_uniform = [1e-3, 1.0] }
momentum     = { uniform = [0.0, 0.99] }
weight_decay = { log_uniform = [1e-6, 3e-3] }
hidden       = { log_int = [16, 256] }
layers       = { int = [1, 3] }
batch        = { choice = [16, 32, 64] }
dropout      = { uniform = [0.0, 0.5], step = 0.05, when = { layers = [2, 3] } }
warmup       = 2
";

fn hyperband(max_resource: u32) -> String {
    format!("kind = \"hyperband\"\nmax_resource = {max_resource}\neta = 3")
}

/// So often that a training that is killed has a checkpoint after nearly every epoch.
const OFTEN: &str = r#"interval = "1ms""#;

/// The files of a checkpoint, which depend on the training's state alone: all parameters, the momentum, the schedule.
type Files = BTreeMap<String, Vec<u8>>;

/// The checkpoints that were published at that resource, by trial. Where several attempts came there, all have the same bits.
fn checkpoints(world: &World, resource: u32) -> BTreeMap<u32, Files> {
    let query = format!("SELECT trial, directory FROM checkpoints WHERE resource = {resource}");
    let mut found = BTreeMap::new();
    for line in world.sql(&query).unwrap().lines() {
        let (trial, directory) = line.split_once('|').unwrap();
        let read = |name: &str| (name.to_owned(), fs::read(world.campaign().join(directory).join(name)).unwrap());
        let files = Files::from(["state.json", "tensors.safetensors"].map(read));
        let before = found.insert(trial.parse().unwrap(), files.clone());
        assert!(before.is_none_or(|before| before == files), "trial {trial} has two checkpoints at {resource} that differ");
    }
    found
}

/// The hash of the parameters that a checkpoint speaks of.
fn parameters(files: &Files) -> String {
    let state: serde_json::Value = serde_json::from_slice(&files["state.json"]).unwrap();
    state.get("parameters").unwrap().as_str().unwrap().to_owned()
}

/// The trials that were trained by that, of which there must be some.
fn trained(world: &World, resource: u32) -> BTreeSet<u32> {
    let query = format!("SELECT trial FROM segments WHERE target_resource = {resource} AND state = 'accepted'");
    let trials: BTreeSet<u32> = world.sql(&query).unwrap().lines().map(|trial| trial.parse().unwrap()).collect();
    assert!(trials.len() >= 3, "{trials:?}");
    trials
}

/// Writes the sweep of one trial, trained in one go, with the configuration and the seed that the trial has in `from`.
fn one_of(world: &World, from: &World, trial: u32, max_resource: u32, checkpoint: &str) {
    let row = from.sql(&format!("SELECT seed, params FROM trials WHERE trial = {trial}")).unwrap();
    let (seed, params) = row.split_once('|').unwrap();
    let params: serde_json::Map<String, serde_json::Value> = serde_json::from_str(params).unwrap();
    let space: Vec<String> = params.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let method = format!("kind = \"single\"\nmax_resource = {max_resource}");
    sweep(world, &method, &space.join("\n"), checkpoint, &["--seed", seed]);
}

#[test]
fn a_training_that_was_stopped_at_every_rung_or_killed_has_the_bits_of_one_that_ran_through() {
    let rungs = World::new().unwrap();
    sweep(&rungs, &hyperband(27), SPACE, "", &[]);
    let output = rungs.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_sound(&rungs).unwrap();
    let accuracy = "SELECT value FROM metrics WHERE metric = 'val_accuracy' AND resource = 27 AND trial = (SELECT trial FROM best LIMIT 1)";
    let accuracy: f64 = rungs.sql(accuracy).unwrap().parse().unwrap();
    assert!(accuracy > 0.97, "the best trial reads {accuracy} of the images right");

    let by_rungs = checkpoints(&rungs, 27);
    let trials = trained(&rungs, 27);
    assert_eq!(by_rungs.keys().copied().collect::<BTreeSet<_>>(), trials);
    let distinct: BTreeSet<String> = by_rungs.values().map(parameters).collect();
    assert_eq!(distinct.len(), trials.len(), "different trainings, different bits: {distinct:?}");
    // Those of the last bracket ran through here too.
    let stopped = "SELECT trial FROM attempts WHERE target_resource = 27 AND resumed_from_resource > 0 ORDER BY trial";
    let stopped: Vec<u32> = rungs.sql(stopped).unwrap().lines().map(|trial| trial.parse().unwrap()).collect();
    assert!(stopped.len() >= 3, "{stopped:?}");

    for trial in stopped {
        let through = World::new().unwrap();
        one_of(&through, &rungs, trial, 27, r#"interval = "1h""#);
        let output = through.sweep(&[]).unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert_eq!(through.sql("SELECT count(*), sum(resumed_from_resource IS NOT NULL) FROM attempts").unwrap(), "1|0");
        assert!(checkpoints(&through, 27).get(&0) == by_rungs.get(&trial), "trial {trial} in one go has other bits");
    }

    let best: u32 = rungs.sql("SELECT trial FROM best LIMIT 1").unwrap().parse().unwrap();
    let killed = World::new().unwrap();
    one_of(&killed, &rungs, best, 27, OFTEN);
    // Once all of it dies where there is a checkpoint to go on from; after that whoever is drawn, at random moments.
    let mut run = killed.begin("run", "sweep.toml", &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let published = killed.campaign().join("sweeps/digits-1/trials/0/checkpoints");
    wait_for("a checkpoint", || fs::read_dir(&published).ok()?.next()).unwrap().unwrap();
    kill_all(&killed).unwrap();
    assert_eq!(run.wait().unwrap().code(), None);
    let mut random = fastrand::Rng::new();
    let seed = random.get_seed();
    let kills = through_kills(&killed, &[], 8, Duration::from_millis(200), &mut random).unwrap();
    assert!(checkpoints(&killed, 27).get(&0) == by_rungs.get(&best), "other bits after {kills} kills from seed {seed}");
    assert_ne!(killed.sql("SELECT count(*) FROM attempts WHERE resumed_from_resource > 0").unwrap(), "0", "{kills} kills from seed {seed}");
    assert_sound(&killed).unwrap();
}

#[test]
fn slots_and_kills_change_neither_who_is_promoted_nor_any_bit() {
    let one = World::new().unwrap();
    sweep(&one, &hyperband(9), SPACE, "", &[]);
    let output = one.sweep(&["--slots", "1"]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let (promoted, bits) = (one.promoted().unwrap(), checkpoints(&one, 9));
    assert_eq!(bits.keys().copied().collect::<BTreeSet<_>>(), trained(&one, 9));
    assert!(promoted.lines().count() >= 5, "{promoted}");

    let four = World::new().unwrap();
    sweep(&four, &hyperband(9), SPACE, "", &[]);
    let output = four.sweep(&["--slots", "4"]).unwrap();
    assert_eq!((output.status.code(), four.promoted().unwrap()), (Some(0), promoted.clone()), "{}", said(&output));
    assert!(checkpoints(&four, 9) == bits);

    let stormy = World::new().unwrap();
    sweep(&stormy, &hyperband(9), SPACE, OFTEN, &[]);
    let mut random = fastrand::Rng::new();
    let seed = random.get_seed();
    let kills = through_kills(&stormy, &["--slots", "3"], 10, Duration::from_millis(200), &mut random).unwrap();
    assert_eq!(stormy.promoted().unwrap(), promoted, "after {kills} kills from seed {seed}");
    assert!(checkpoints(&stormy, 9) == bits, "after {kills} kills from seed {seed}");
    assert_sound(&stormy).unwrap();
}
