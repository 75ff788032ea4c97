//! File systems of clusters count inodes: a sweep without checkpoints leaves two a segment, and little beside them.

use bandmaster_tests::{Inodes, World, end_of_processes, said};

const TRIALS: u64 = 60;
const SLOTS: u64 = 2;

#[test]
fn a_segment_without_checkpoints_leaves_a_claim_and_a_log_and_nothing_else() {
    let world = World::new().unwrap();
    let sweep = r#"
name = "many"
[objective]
metric = "loss"
goal = "minimize"
[method]
kind = "random"
max_resource = 1
trials = 60
[space]
x = { uniform = [0.0, 1.0] }
[trial]
command = ["sh", "trial.sh", "{x}"]
"#;
    world.write("trial.sh", r#"echo "{\"resource\": 1, \"loss\": $1}" >> "$BANDMASTER_REPORT""#).unwrap();
    world.write("sweep.toml", sweep).unwrap();
    let output = world.sweep(&["--slots", "2"]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    end_of_processes(world.path()).unwrap();
    assert_eq!(world.run(&["tick"]).unwrap().status.code(), Some(0));

    let inodes = Inodes::of(&world.campaign()).unwrap();
    assert_eq!(world.sql("SELECT count(*) FROM attempts").unwrap(), TRIALS.to_string());
    assert_eq!((inodes.claims, inodes.logs), (TRIALS, TRIALS), "{inodes:?}");
    // On a loaded machine a slot may come late, and be replaced: as many as there were, each a directory and a journal.
    let slots: u64 = world.sql("SELECT count(*) FROM slots").unwrap().parse().unwrap();
    assert!(slots >= SLOTS && inodes.slots == 2 * slots, "{slots} slots, {inodes:?}");
    // Each tick that had something to record has its journal.
    let ticks: u64 = world.sql("SELECT count(*) FROM _journals WHERE path LIKE 'searcher/journal/%'").unwrap().parse().unwrap();
    assert_eq!(inodes.ticks, ticks, "{inodes:?}");
    // The campaign's and the sweep's own, whatever the number of trials.
    assert!(inodes.rest <= 40, "{inodes:?}");
}
