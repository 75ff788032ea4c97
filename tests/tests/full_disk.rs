//! The campaign's disk becomes full at one moment after another. The searcher says so in one sentence and leaves nothing
//! half written; when there is room again, the same command goes on to the end that it would have come to.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use bandmaster_tests::{SmallDisk, World, assert_sound, end_of_processes, in_a_namespace, said, wait_for};

const SWEEP: &str = r#"
name = "full"
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
command = ["bash", "trial.sh", "{x}"]
retries = 0
"#;

/// Says that it runs, and waits until it may go on.
const TRIAL: &str = r#"
echo > begun
while [ ! -e go ]; do sleep 0.01; done
echo "{\"resource\": $BANDMASTER_TARGET, \"loss\": $1}" >> "$BANDMASTER_REPORT"
"#;

/// Room for the programs and a small sweep.
const ROOM: u64 = 256 << 20;

fn world() -> World {
    let world = World::new().unwrap();
    world.write("trial.sh", TRIAL).unwrap();
    world.write("sweep.toml", SWEEP).unwrap();
    world
}

/// A world whose campaign is on a small disk. What is bound last goes first: the disk, before the directory that it is in.
fn on_a_small_disk() -> (World, SmallDisk) {
    let world = world();
    let at = world.path().join("disk");
    let disk = SmallDisk::mount(at.clone(), ROOM).unwrap();
    (world.with_campaign(at.join("campaign")), disk)
}

/// Who is promoted where no disk is full.
fn expected() -> String {
    let quiet = world();
    quiet.write("go", "").unwrap();
    let output = quiet.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    quiet.promoted().unwrap()
}

/// One sentence about the disk, with what to do, and exit code 11.
fn assert_told(output: &std::process::Output, when: &str) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(11), "{when}: {text}");
    // Without the breaks that the width brings.
    let sentence = text.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ");
    assert_eq!(sentence.matches("(make room there; nothing is lost)").count(), 1, "{when}: {text}");
}

/// Files that are written under one name and meant to have another.
fn half_written(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".stage") || name.ends_with(".new") || name.starts_with(".new") || name.ends_with(".tmp") {
            found.push(path.clone());
        }
        if path.is_dir() {
            found.extend(half_written(&path));
        }
    }
    found
}

/// The sweep comes to its end, which is the expected one. (Where its slots have brought it there already, `run` begins the
/// next one.)
fn assert_goes_on(world: &World, expected: &str, when: &str) {
    let output = world.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{when}: {}", said(&output));
    assert_eq!(world.sql("SELECT phase FROM sweeps WHERE sweep = 'full-1'").unwrap(), "finished", "{when}");
    assert_eq!(world.promoted().unwrap(), expected, "{when}");
    assert_eq!(world.sql("SELECT count(*) FROM attempts WHERE cause <> 'completed'").unwrap(), "0", "{when}");
    assert_sound(world).unwrap();
    end_of_processes(world.path()).unwrap();
}

#[test]
fn a_disk_that_is_full_from_the_beginning_is_told_and_nothing_half_written_is_left() {
    if !in_a_namespace("a_disk_that_is_full_from_the_beginning_is_told_and_nothing_half_written_is_left").unwrap() {
        return;
    }
    let expected = expected();
    // Where the programs are copied, where the sweep is staged, where the first tick begins.
    for pages in [1, 8, 512, 4096] {
        let (world, disk) = on_a_small_disk();
        let when = format!("{pages} pages");
        world.write("go", "").unwrap();
        disk.leave(pages).unwrap();
        assert_told(&world.sweep(&[]).unwrap(), &when);
        assert_eq!(half_written(&world.campaign()), Vec::<PathBuf>::new(), "{when}");
        disk.resize(ROOM).unwrap();
        assert_goes_on(&world, &expected, &when);
    }
}

#[test]
fn a_disk_that_becomes_full_while_trials_run_is_told_and_the_same_command_goes_on() {
    if !in_a_namespace("a_disk_that_becomes_full_while_trials_run_is_told_and_the_same_command_goes_on").unwrap() {
        return;
    }
    let expected = expected();
    // So many more writes succeed before one does not.
    for pages in [0, 1, 2, 3, 4, 6, 8, 12, 16] {
        let (world, disk) = on_a_small_disk();
        let when = format!("{pages} pages");
        let run = world.begin("run", "sweep.toml", &[]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn();
        let run = run.unwrap();
        wait_for("a trial", || world.path().join("begun").exists().then_some(())).unwrap();
        disk.leave(pages).unwrap();
        world.write("go", "").unwrap();
        assert_told(&run.wait_with_output().unwrap(), &when);
        assert_eq!(half_written(&world.campaign()), Vec::<PathBuf>::new(), "{when}");
        // And again, as somebody does who has not understood it yet.
        assert_told(&world.sweep(&[]).unwrap(), &when);
        disk.resize(ROOM).unwrap();
        assert_goes_on(&world, &expected, &when);
    }
}
