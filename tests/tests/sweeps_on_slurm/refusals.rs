//! What a site refuses: its own words, our sentence, the right exit code, and nothing half-made.

use bandmaster_tests::{TestCluster, said};

use crate::storm::dies_at;
use crate::sweep::Sweep;

#[test]
fn what_a_site_refuses_is_said_in_its_words_and_leaves_nothing() {
    let cluster = TestCluster::shared().unwrap();
    let cases: &[(&str, &str, &str)] = &[
        ("partition", "[slurm]\npartition = \"nope\"", "invalid partition"),
        ("account", "[slurm]\nextra = [\"--account=nope\"]", "account"),
        ("gres", "[slurm]\nextra = [\"--gres=nope:1\"]", "gres"),
        ("time", "[slurm]\nextra = [\"--time=soon\"]", "time"),
        ("size", "[slurm]\nextra = [\"--mem=900G\"]", "configuration is not available"),
        ("node", "[slurm]\nextra = [\"--nodelist=n9\"]", "invalid node name"),
    ];
    for (what, section, words) in cases {
        let sweep = Sweep::new(&cluster, "0", section);
        let output = sweep.run("login", &["submit", "sweep.toml", "--campaign", "fresh"]);
        let told = said(&output).to_lowercase();
        assert_eq!(output.status.code(), Some(12), "{what}: {told}");
        assert!(told.contains(words), "{what}: {told}");
        assert!(!sweep.place.path().join("fresh").exists(), "{what}: nothing is half-made");
    }
}

#[test]
fn a_slurm_that_is_away_is_no_end_and_leaves_nothing() {
    let cluster = TestCluster::shared().unwrap();
    let faults: &[(&[&str], &[&str])] =
        &[(&["munge", "login", "stop"], &["munge", "login", "start"]), (&["ctld", "stop"], &["ctld", "start"])];
    for (fault, repair) in faults {
        let sweep = Sweep::new(&cluster, "0", "");
        cluster.fault(fault).unwrap();
        let output = sweep.run("login", &["submit", "sweep.toml", "--campaign", "fresh"]);
        cluster.fault(repair).unwrap();
        assert_eq!(output.status.code(), Some(7), "{fault:?}: {}", said(&output));
        assert!(!sweep.place.path().join("fresh").exists(), "{fault:?}: nothing is half-made");
    }
}

#[test]
fn what_a_user_took_from_the_queue_is_held_and_not_submitted_again() {
    let cluster = TestCluster::shared().unwrap();
    let sweep = Sweep::new(&cluster, "1", "");
    sweep.run("login", &["submit", "sweep.toml"]);
    let job = sweep.sql("SELECT job FROM arrays WHERE rung = 0 ORDER BY \"array\" LIMIT 1");
    cluster.ask(&["scancel", &job]).unwrap();
    sweep.wait_for("the pause", || {
        sweep.run("login", &["tick", "--patience", "10s"]);
        sweep.sql("SELECT phase FROM sweeps") == "paused"
    });
    let why = sweep.sql("SELECT phase_why FROM sweeps");
    assert!(why.contains("cancelled outside of Bandmaster") && why.contains(&job), "{why}");
    let arrays = sweep.sql("SELECT count(*) FROM arrays");
    sweep.run("login", &["tick", "--patience", "10s"]);
    assert_eq!(sweep.sql("SELECT count(*) FROM arrays"), arrays, "a paused sweep submits nothing");
    sweep.run("login", &["resume", "digits"]);
    sweep.wait_for_the_end();
    assert_eq!(sweep.sql("SELECT count(*) FROM segments WHERE state = 'accepted'"), "22");
}

#[test]
fn an_array_that_nobody_recorded_is_adopted_though_slurm_was_away_meanwhile() {
    let cluster = TestCluster::shared().unwrap();
    let sweep = Sweep::new(&cluster, "2", "");
    let crashing = sweep.with_crash_points();
    assert!(dies_at(&sweep, &crashing, "tick.submit.after", &["submit", "sweep.toml"]), "between sbatch and record");
    cluster.fault(&["ctld", "stop"]).unwrap();
    let away = sweep.run("login", &["tick"]);
    cluster.fault(&["ctld", "start"]).unwrap();
    assert_eq!(away.status.code(), Some(7), "{}", said(&away));
    sweep.wait_for("a tick", || sweep.run("login", &["tick", "--patience", "30s"]).status.success());
    let arrays = sweep.sql("SELECT \"array\", state, job IS NOT NULL FROM arrays ORDER BY \"array\"");
    assert_eq!(arrays, "1|submitted|1\n2|abandoned|0\n3|abandoned|0\n4|submitted|1\n5|submitted|1");
    sweep.wait_for_the_end();
    assert_eq!(sweep.sql("SELECT count(*) FROM attempts WHERE cause <> 'completed'"), "0", "nothing ran twice");
}
