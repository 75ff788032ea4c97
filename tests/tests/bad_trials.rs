//! Ten bad trials, each through a whole sweep: the sweep ends, the bad one is told from the good ones by its right cause,
//! tried again as often as it may be, and ranked behind all others.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;

use bandmaster_tests::{World, assert_sound, end_of_processes, said};

/// Five trials in two brackets. Trial 0 is the bad one; if its word counted, it would be the best. Of the others in its
/// bracket trial 1 is better than trial 2.
const TRIAL: &str = r#"#!/bin/bash
report() { echo "{\"resource\": $1, \"loss\": $2}" >> "$BANDMASTER_REPORT"; }
number=${BANDMASTER_TRIAL##*/}
if [ "$number" = 0 ]; then source ./bad.sh; else report "$BANDMASTER_TARGET" "$number"; fi
"#;

/// Trial 1 goes on, whatever became of trial 0.
const PROMOTED: &str = "0|0|1|1.0";

fn sweep(command: &str, space: &str, more: &str) -> String {
    format!(
        r#"name = "bad"
seed = 3
[objective]
metric = "loss"
goal = "minimize"
[method]
kind = "hyperband"
max_resource = 3
eta = 3
[space]
{space}
[trial]
command = {command}
retries = 1
{more}
"#
    )
}

/// How a bad trial is to end.
struct Expected<'a> {
    /// The exit code of `run`.
    code: i32,
    /// Each of its attempts: cause, exit code, signal.
    attempts: &'a str,
    /// Its segment: state, and what a value that is no number was.
    segment: &'a str,
    /// What `show` tells, beside the cause.
    told: &'a [&'a str],
}

/// A failure that is the trial's own: it is tried once more, and then it has failed.
fn failed<'a>(attempts: &'a str, told: &'a [&'a str]) -> Expected<'a> {
    Expected { code: 9, attempts, segment: "failed|", told }
}

fn through_a_sweep(bad: &str, more: &str, expected: &Expected<'_>) -> World {
    let world = World::new().unwrap();
    world.write("trial.sh", TRIAL).unwrap();
    world.write("bad.sh", bad).unwrap();
    world.write("sweep.toml", &sweep(r#"["bash", "trial.sh"]"#, "x = { uniform = [0.0, 1.0] }", more)).unwrap();
    let output = world.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(expected.code), "{}", said(&output));
    assert_eq!(said(&output).contains("1 trial failed"), expected.code == 9, "{}", said(&output));
    assert_eq!(world.sql("SELECT phase FROM sweeps").unwrap(), "finished");
    let attempts = world.sql("SELECT cause, exit_code, signal FROM attempts WHERE trial = 0 ORDER BY attempt").unwrap();
    assert_eq!(attempts, expected.attempts, "{}", shown(&world));
    let segment = "SELECT state, non_finite FROM segments WHERE trial = 0 AND rung = 0";
    assert_eq!(world.sql(segment).unwrap(), expected.segment, "{}", shown(&world));
    let (cause, _) = attempts.split_once('|').unwrap();
    for told in [cause].iter().chain(expected.told) {
        assert!(shown(&world).contains(told), "`{told}` is not in:\n{}", shown(&world));
    }
    assert_sound(&world).unwrap();
    end_of_processes(world.path()).unwrap();
    world
}

/// What `bandmaster show` says of the bad trial, without the breaks that the width brings.
fn shown(world: &World) -> String {
    let output = world.run(&["show", "bad-1/0"]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    said(&output).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What `bandmaster logs` says of it.
fn logged(world: &World) -> String {
    said(&world.run(&["logs", "bad-1/0"]).unwrap())
}

fn is_last(world: &World) {
    assert_eq!(world.promoted().unwrap(), PROMOTED);
    assert_eq!(world.sql("SELECT place FROM segments WHERE trial = 0 AND rung = 0").unwrap(), "3");
}

#[test]
fn one_that_exits_with_1_failed_whatever_it_reported() {
    let expected = failed("wrong_exit|1|\nwrong_exit|1|", &["exited with 1", "its log says more"]);
    let world = through_a_sweep(r#"report "$BANDMASTER_TARGET" 0; echo out of ideas >&2; exit 1"#, "", &expected);
    is_last(&world);
    assert!(logged(&world).contains("out of ideas"), "{}", logged(&world));
}

#[test]
fn nan_as_python_writes_it_is_a_result_ranked_last_and_not_tried_again() {
    let expected = Expected { code: 0, attempts: "completed|0|", segment: "accepted|NaN", told: &["NaN"] };
    is_last(&through_a_sweep(r#"report "$BANDMASTER_TARGET" NaN"#, "", &expected));
}

#[test]
fn one_that_never_reports_has_no_result() {
    is_last(&through_a_sweep("true", "", &failed("no_result|0|\nno_result|0|", &["exited with 0"])));
}

#[test]
fn what_is_reported_beyond_the_target_is_evidence_and_no_result() {
    let bad = r#"report $((BANDMASTER_TARGET + 1)) 0"#;
    let world = through_a_sweep(bad, "", &failed("no_result|0|\nno_result|0|", &[]));
    is_last(&world);
    assert_eq!(world.sql("SELECT DISTINCT resource, value FROM metrics WHERE trial = 0").unwrap(), "2|0.0", "it is kept");
}

#[test]
fn what_a_child_would_report_after_the_trials_end_comes_too_late() {
    // The child waits for what never comes; if it were not killed, the sweep's processes would not end.
    let bad = r#"(trap '' TERM HUP; while [ ! -e never ]; do sleep 0.01; done; report "$BANDMASTER_TARGET" 0) & exit 0"#;
    is_last(&through_a_sweep(bad, "", &failed("no_result|0|\nno_result|0|", &["processes that it left running were killed"])));
}

#[test]
fn garbage_in_the_report_file_is_counted_and_breaks_nothing() {
    let bad = r#"
head -c 300000 /dev/urandom >> "$BANDMASTER_REPORT"
printf '\n{"resource": "one", "loss": 0}\n[1, 2]\nloss=0\n\xff\xfe\0\n{"resource": 1, "loss": "low"}\n{"resource": 1, "lo' >> "$BANDMASTER_REPORT"
"#;
    is_last(&through_a_sweep(bad, "", &failed("no_result|0|\nno_result|0|", &["that are no report", "reported at 1, but no `loss`"])));
}

#[test]
fn a_child_that_stays_is_killed_and_the_result_counts() {
    let bad = r#"setsid sleep 1000 & disown; report "$BANDMASTER_TARGET" 9"#;
    let told = &["processes that it left running were killed"];
    is_last(&through_a_sweep(bad, "", &Expected { code: 0, attempts: "completed|0|", segment: "accepted|", told }));
}

#[test]
fn one_that_fills_its_quota_is_killed_by_the_kernel_and_failed() {
    // In blocks of 1 KiB. The kernel sends SIGXFSZ, 25.
    let expected = failed("signal||25\nsignal||25", &["SIGXFSZ"]);
    let world = through_a_sweep("ulimit -f 64; exec cat /dev/zero > model", "", &expected);
    is_last(&world);
    assert_eq!(fs::metadata(world.path().join("model")).unwrap().len(), 64 << 10);
}

#[test]
fn one_that_handles_its_full_quota_failed_with_what_it_says() {
    // As a program in Python: the signal is ignored, and the write fails.
    let bad = "trap '' XFSZ; ulimit -f 64; cat /dev/zero > model || exit 28";
    let world = through_a_sweep(bad, "", &failed("wrong_exit|28|\nwrong_exit|28|", &["exited with 28"]));
    is_last(&world);
    assert!(logged(&world).contains("File too large"), "{}", logged(&world));
}

#[test]
fn one_that_ignores_the_stop_file_is_killed_at_its_time_limit() {
    let bad = r#"report 0 0; while true; do sleep 0.05; done"#;
    let more = "time = \"300ms\"\nstop_grace = \"200ms\"";
    is_last(&through_a_sweep(bad, more, &failed("time_limit||9\ntime_limit||9", &[])));
}

#[test]
fn one_that_a_signal_kills_failed_by_that_signal() {
    let bad = r#"report "$BANDMASTER_TARGET" 0; kill -SEGV $$"#;
    is_last(&through_a_sweep(bad, "", &failed("signal||11\nsignal||11", &["SIGSEGV"])));
}

#[test]
fn one_that_cannot_start_failed_and_the_others_run() {
    let world = World::new().unwrap();
    let program = "#!/bin/bash\necho \"{\\\"resource\\\": $BANDMASTER_TARGET, \\\"loss\\\": 1}\" >> \"$BANDMASTER_REPORT\"\n";
    executable(&world, "good.sh", program);
    world.write("sweep.toml", &sweep(r#"["./{program}.sh"]"#, r#"program = { choice = ["good", "gone"] }"#, "")).unwrap();
    let output = world.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    let causes = "SELECT DISTINCT params ->> 'program', cause FROM attempts ORDER BY 1";
    assert_eq!(world.sql(causes).unwrap(), "gone|cannot_start\ngood|completed");
    let other = "SELECT count(*) FROM (SELECT 1 FROM attempts WHERE cause = 'cannot_start' GROUP BY trial, rung HAVING count(*) <> 2)";
    assert_eq!(world.sql(other).unwrap(), "0", "each is tried twice");
    let good = "SELECT count(*) FROM segments JOIN trials USING (sweep, trial) WHERE promoted = 1 AND params ->> 'program' = 'gone'";
    assert_eq!(world.sql(good).unwrap(), "0");
    let gone = world.sql("SELECT min(trial) FROM attempts WHERE cause = 'cannot_start'").unwrap();
    let shown = said(&world.run(&["show", &format!("bad-1/{gone}")]).unwrap());
    assert!(shown.contains("cannot_start") && shown.contains("gone.sh"), "{shown}");
    assert_sound(&world).unwrap();
}

#[test]
fn a_program_that_goes_missing_after_submission_fails_what_is_left_and_the_sweep_ends() {
    let world = World::new().unwrap();
    let program = "#!/bin/bash\necho \"{\\\"resource\\\": 1, \\\"loss\\\": 1}\" >> \"$BANDMASTER_REPORT\"\nrm \"$0\"\n";
    executable(&world, "trial.sh", program);
    world.write("sweep.toml", &sweep(r#"["./trial.sh"]"#, "x = { uniform = [0.0, 1.0] }", "")).unwrap();
    let output = world.sweep(&["--slots", "1"]).unwrap();
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    // One was run and promoted, and could not start the next time.
    let causes = world.sql("SELECT cause, count(*) FROM attempts GROUP BY cause ORDER BY cause").unwrap();
    assert_eq!(causes, "cannot_start|10\ncompleted|1");
    assert_eq!(world.sql("SELECT count(*) FROM trials WHERE state = 'failed'").unwrap(), "5");
    let shown = shown(&world);
    assert!(shown.contains("cannot_start") && shown.contains("trial.sh is not there"), "{shown}");
    assert_sound(&world).unwrap();
}

fn executable(world: &World, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = world.write(name, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
}
