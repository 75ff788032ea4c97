//! What trials do, good and bad, and what is said of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::world::{Ended, World, again, bash, runs, segment, wait_for, wait_for_file};
use bandmaster_record::{Cause, MetricSource, Number, Seconds, SlotRecord};

/// Runs one segment of that script.
fn script(script: &str) -> Ended {
    World::new(bash(script)).run(&[segment()])
}

#[test]
fn a_good_trial_is_recorded_from_its_environment_to_its_result() {
    let world = World::new(
        [
            "bash",
            "-c",
            r#"echo "$@" "$BANDMASTER_TRIAL" $BANDMASTER_SEED $BANDMASTER_TARGET $BANDMASTER_MAX_RESOURCE; cat "$BANDMASTER_PARAMS"; env >&2
            echo '{{"resource": 3, "loss": 0.25, "acc": 1}}' >> "$BANDMASTER_REPORT""#,
            "name",
            "lr={lr}",
            "{target}",
            "{trial}",
        ]
        .map(str::to_owned)
        .into(),
    );
    world.write(None, &[segment()]);
    let mut command = world.command();
    command.env("BANDMASTER_RESUME_FROM", "/old").env("PMIX_RANK", "0").env("MY_SECRET", "hunter2");
    let slot = crate::world::Running::spawn(&mut command);
    let id = slot.id.clone();
    let ended = slot.wait(&world);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let kinds: Vec<String> =
        ended.records.iter().map(|record| serde_json::to_value(record).unwrap()["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["slot_started", "surroundings", "attempt_started", "report", "attempt_ended", "slot_ended"]);
    let SlotRecord::AttemptStarted { execution, resumed_from, .. } = &ended.records[2] else { panic!() };
    assert_eq!(
        (&execution.command[3..], execution.seed, *resumed_from),
        (&["name", "lr=0.1", "3", "digits-1/4"].map(str::to_owned)[..], 7, None)
    );
    let end = ended.end();
    assert_eq!((end.cause, end.code, end.result), (Cause::Completed, Some(0), Some(Number(0.25))));
    let SlotRecord::AttemptEnded { usage, .. } = &ended.records[4] else { panic!() };
    assert!(usage.wall.0 > 0.0 && usage.cpu.0 > 0.0 && usage.peak_memory > 500_000, "{usage:?}");
    let log = world.log(&id, &segment());
    assert!(log.starts_with("lr=0.1 3 digits-1/4 digits-1/4 7 3 9\n{\"lr\":0.1}\n"), "{log}");
    assert!(log.contains("BANDMASTER_CHECKPOINT_INTERVAL=120") && log.contains("MY_SECRET=hunter2"), "{log}");
    assert!(!log.contains("BANDMASTER_RESUME_FROM") && !log.contains("PMIX_RANK"), "{log}");
    let SlotRecord::Surroundings(surroundings) = &ended.records[1] else { panic!() };
    assert_eq!(surroundings.environment["MY_SECRET"], "***");
    assert!(surroundings.versions.contains_key("bash"));
    // A segment without checkpoints leaves its claim and its log.
    assert!(!world.dir().trials().exists() && !world.has_staging());
    assert_eq!(fs::read_dir(world.dir().slot(&id)).unwrap().count(), 2);
    assert!(world.campaign.wanted().join(id.as_str()).exists());
}

#[test]
fn an_exit_code_is_told() {
    let ended = script(r#"echo '{"resource": 3, "loss": 1}' >> $BANDMASTER_REPORT; exit 1"#);
    let end = ended.end();
    assert_eq!((end.cause, end.code, end.result), (Cause::WrongExit, Some(1), None));
    assert_eq!(ended.code, Some(0));
    assert!(ended.is_closed());
}

#[test]
fn nan_as_python_writes_it_is_a_result() {
    let program = r#"import json, os
open(os.environ["BANDMASTER_REPORT"], "a").write(json.dumps({"resource": 3, "loss": float("nan"), "high": float("inf")}) + "\n")"#;
    let escaped = program.replace('{', "{{").replace('}', "}}");
    let ended = World::new(vec!["python3".into(), "-c".into(), escaped]).run(&[segment()]);
    assert_eq!(ended.end().cause, Cause::Completed);
    assert!(ended.end().result.unwrap().0.is_nan());
}

#[test]
fn a_trial_that_never_reports_has_no_result() {
    let end = script("true").end();
    assert_eq!(end.cause, Cause::NoResult);
    assert!(end.detail.contains("never reported"), "{}", end.detail);
}

#[test]
fn a_report_beyond_the_target_is_evidence_and_no_result() {
    let ended = script(r#"for r in 1 2 4; do echo "{\"resource\": $r, \"loss\": $r}" >> $BANDMASTER_REPORT; done"#);
    assert_eq!(ended.end().cause, Cause::NoResult);
    assert!(ended.end().detail.contains("at 4"), "{}", ended.end().detail);
    assert_eq!(ended.records.iter().filter(|record| matches!(record, SlotRecord::Report { .. })).count(), 3);
}

#[test]
fn a_report_at_the_last_moment_without_a_newline_counts() {
    let end = script(r#"printf '{"resource": 3, "loss": 0.5}' >> $BANDMASTER_REPORT"#).end();
    assert_eq!((end.cause, end.result), (Cause::Completed, Some(Number(0.5))));
}

#[test]
fn garbage_is_noted_once_and_harms_nothing() {
    let ended = script(
        r#"head -c 3000000 /dev/urandom >> $BANDMASTER_REPORT; echo >> $BANDMASTER_REPORT
        printf '[[[[[[[[[[%.0s' {1..10000} >> $BANDMASTER_REPORT; echo >> $BANDMASTER_REPORT
        echo '{"resource": 3, "loss": 1}' >> $BANDMASTER_REPORT"#,
    );
    assert_eq!(ended.end().cause, Cause::Completed);
    let notes = ended.notes();
    assert!(notes.len() == 1 && notes[0].contains("no report"), "{notes:?}");
}

#[test]
fn children_that_stay_are_killed_in_whatever_session() {
    let world = World::new(bash(
        r#"sleep 1000 & setsid sleep 1001 & (setsid bash -c 'sleep 1002 & echo $! > deep; sleep 1003' &)
        until [ -s deep ]; do sleep 0.01; done
        echo '{"resource": 3, "loss": 1}' >> $BANDMASTER_REPORT"#,
    ));
    let ended = world.run(&[segment()]);
    assert_eq!(ended.end().cause, Cause::Completed);
    let deep: i32 = wait_for_file(&world.work().join("deep"));
    assert!(!runs(deep));
    let notes = ended.notes();
    assert!(notes.len() == 1 && notes[0].contains("were killed: ") && notes[0].contains("sleep"), "{notes:?}");
}

#[test]
fn a_trial_that_fills_its_file_limit_fails_by_itself() {
    let ended = script("ulimit -f 64; trap '' XFSZ; head -c 1000000 /dev/zero > big || exit 28");
    assert_eq!((ended.end().cause, ended.end().code), (Cause::WrongExit, Some(28)));
}

#[test]
fn a_missing_program_is_named_with_the_reason() {
    let world = World::new(vec!["./train.sh".into()]);
    let ended = world.run(&[segment()]);
    let end = ended.end();
    assert_eq!((end.cause, end.code), (Cause::CannotStart, None));
    let path = world.work().join("./train.sh");
    assert!(end.detail.contains(&path.display().to_string()) && end.detail.contains("ENOENT"), "{}", end.detail);
    assert_eq!(ended.code, Some(0));
    fs::write(&path, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let end = world.run(&[again(&segment())]).end();
    assert!(end.cause == Cause::CannotStart && end.detail.contains("chmod +x"), "{}", end.detail);
}

#[test]
fn a_placeholder_without_a_value_is_no_start() {
    let end = World::new(vec!["true".into(), "{dropout}".into()]).run(&[segment()]).end();
    assert!(end.cause == Cause::CannotStart && end.detail.contains("{dropout}"), "{}", end.detail);
}

#[test]
fn a_metric_that_is_only_printed_counts_at_the_target() {
    let stdout = |script: &str| {
        let mut world = World::new(bash(script));
        world.array.trial.source = MetricSource::Stdout(r"val_loss=(\S+)".into());
        world.run(&[segment()])
    };
    let ended = stdout("echo val_loss=0.9; echo 'epoch 2 val_loss=0.5' >&2; echo bye");
    assert_eq!((ended.end().cause, ended.end().result), (Cause::Completed, Some(Number(0.5))));
    assert_eq!(stdout("echo val_loss=0.9; exit 3").end().cause, Cause::WrongExit);
    assert_eq!(stdout("echo nothing").end().cause, Cause::NoResult);
    let ended = stdout("echo val_loss=low");
    assert_eq!(ended.end().cause, Cause::NoResult);
    assert!(ended.notes()[0].contains("no number"));
}

#[test]
fn the_lines_of_setup_run_in_a_shell_and_values_do_not() {
    let mut world = World::new(
        ["bash", "-c", r#"echo "$0 $MODULE"; echo '{{"resource": 3, "loss": 1}}' >> $BANDMASTER_REPORT"#, "$(touch {seed}); `touch b`"]
            .map(str::to_owned)
            .into(),
    );
    world.array.trial.setup = vec!["export MODULE=loaded".into(), "touch a".into()];
    let ended = world.run(&[segment()]);
    assert_eq!(ended.end().cause, Cause::Completed, "{:?}", ended.end());
    let mut made: Vec<_> = fs::read_dir(world.work()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    made.sort();
    assert_eq!(made, ["a"]);
}

#[test]
fn the_report_verb_writes_what_is_read() {
    let launch = env!("CARGO_BIN_EXE_bandmaster-launch");
    let ended = script(&format!("{launch} report loss=nan acc=0.5 --resource 2 && {launch} report loss=0.25"));
    assert_eq!(ended.end().result, Some(Number(0.25)), "{ended:?}");
    assert_eq!(ended.records.iter().filter(|record| matches!(record, SlotRecord::Report { .. })).count(), 2);
    let outside = std::process::Command::new(launch).args(["report", "loss=0.3", "acc=nan", "--resource", "4"]).output().unwrap();
    assert_eq!(String::from_utf8(outside.stdout).unwrap(), "{\"acc\":\"NaN\",\"loss\":0.3,\"resource\":4}\n");
    let wrong = std::process::Command::new(launch).args(["report", "loss"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_trial_that_was_killed_by_a_stranger_says_by_which_signal() {
    let ended = script("kill -9 $$");
    assert_eq!(ended.end().cause, Cause::Signal);
    assert!(ended.end().detail.contains("SIGKILL (9)"), "{}", ended.end().detail);
}

#[test]
fn an_agent_serves_one_segment_after_another() {
    let world = World::new(bash(r#"echo $PPID >> parents; echo '{"resource": 3, "loss": 1}' >> $BANDMASTER_REPORT"#));
    let segments: Vec<_> = (0..5)
        .map(|trial| {
            let mut segment = segment();
            segment.attempt.trial.0 = trial;
            segment
        })
        .collect();
    assert_eq!(world.run(&segments).causes(), [Cause::Completed; 5]);
    let parents = fs::read_to_string(world.work().join("parents")).unwrap();
    let mut parents: Vec<_> = parents.lines().collect();
    assert_eq!(parents.len(), 5);
    parents.dedup();
    assert_eq!(parents.len(), 1);
}

#[test]
fn reports_are_on_disk_within_a_second_while_the_trial_runs() {
    let world = World::new(bash(r#"echo '{"resource": 1, "loss": 1}' >> $BANDMASTER_REPORT; until [ -e go ]; do sleep 0.01; done"#));
    world.write(None, &[segment()]);
    let slot = world.start();
    let began = std::time::Instant::now();
    wait_for("the report", || world.records(&slot.id).iter().any(|record| matches!(record, SlotRecord::Report { .. })).then_some(()));
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "{:?}", began.elapsed());
    fs::write(world.work().join("go"), "").unwrap();
    assert_eq!(slot.wait(&world).end().cause, Cause::NoResult);
}

#[test]
fn nothing_of_an_attempt_is_left_on_the_node() {
    let mut world = World::new(bash("dirname $BANDMASTER_REPORT > private; dirname $(cat private) > home"));
    world.array.trial.time = Some(Seconds(60.0));
    world.run(&[segment()]);
    for file in ["private", "home"] {
        let path: std::path::PathBuf = wait_for_file(&world.work().join(file));
        assert!(path.is_absolute() && !path.exists(), "{path:?}");
    }
}
