//! The searcher dies at every crash point in turn, by a real SIGKILL, and whoever comes next loses nothing.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use bandmaster_tests::{World, said};

const SWEEP: &str = r#"
name = "c"
seed = 5
[objective]
metric = "loss"
goal = "minimize"
[method]
kind = "hyperband"
max_resource = 3
eta = 3
[space]
x = { uniform = [0.0, 1.0] }
[trial]
command = ["sh", "trial.sh", "{x}"]
"#;

const TRIAL: &str = r#"echo "{\"resource\": $BANDMASTER_TARGET, \"loss\": $1}" >> "$BANDMASTER_REPORT""#;

fn world() -> World {
    let world = World::with_crash_points().unwrap();
    world.write("trial.sh", TRIAL).unwrap();
    world.write("sweep.toml", SWEEP).unwrap();
    world
}

/// The points in the programs of the searcher, and how often each is passed before it kills.
fn points() -> Vec<(String, u32)> {
    let own = bandmaster::CRASH_POINTS.iter().chain(bandmaster_journal::CRASH_POINTS).chain(bandmaster_ledger::CRASH_POINTS);
    own.filter(|point| !point.starts_with("slurm.")).flat_map(|point| [0, 2, 7].map(|skip| ((*point).to_owned(), skip))).collect()
}

#[test]
fn a_searcher_killed_at_any_crash_point_loses_nothing_and_doubles_nothing() {
    let quiet = world();
    let output = quiet.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let expected = quiet.promoted().unwrap();
    let mut reached = std::collections::BTreeSet::new();
    for (point, skip) in points() {
        let world = world();
        // Only this searcher dies: slots start ticks of their own, with the same environment, unless it is taken away.
        let failpoints = if skip == 0 { format!("{point}=return") } else { format!("{point}={skip}*off->return") };
        let mut run = world.begin("run", "sweep.toml", &[]);
        let status = run.env("FAILPOINTS", failpoints).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        if status.code().is_none() {
            reached.insert(point.clone());
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let output = world.sweep(&[]).unwrap();
            assert_eq!(output.status.code(), Some(0), "after a death at {point} (after {skip}): {}", said(&output));
            if world.sql("SELECT count(*) FROM sweeps WHERE phase <> 'finished'").unwrap() == "0" {
                break;
            }
            assert!(Instant::now() < deadline, "the sweep does not end after a death at {point}");
        }
        assert_eq!(world.promoted().unwrap(), expected, "after a death at {point} (after {skip})");
        let twice = "SELECT count(*) FROM (SELECT 1 FROM attempts WHERE accepted = 1 GROUP BY sweep, trial, rung HAVING count(*) > 1)";
        assert_eq!(world.sql(twice).unwrap(), "0", "after a death at {point}");
        let campaign = bandmaster_journal::Campaign::at(world.campaign());
        let report = bandmaster_ledger::check(&campaign, &campaign.ledger()).unwrap();
        assert!(report.is_clean(), "after a death at {point} (after {skip}): {report:?}");
    }
    // Those of Slurm's commands are passed on Slurm.
    let here = bandmaster::CRASH_POINTS.iter().filter(|point| !point.starts_with("slurm."));
    let never: Vec<_> = here.filter(|point| !reached.contains(**point)).collect();
    // A projection is begun anew at the very first tick, so that all of the searcher's own points are passed.
    assert!(never.is_empty(), "never reached: {never:?}");
}
