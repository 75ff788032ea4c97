//! What the searcher refuses to touch: a ledger of a newer version, and a campaign that is not its user's alone.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use bandmaster_tests::{World, assert_sound, end_of_processes, said};

const SWEEP: &str = r#"
name = "r"
[objective]
metric = "loss"
goal = "minimize"
[method]
kind = "random"
max_resource = 1
trials = 2
[space]
x = { uniform = [0.0, 1.0] }
[trial]
command = ["bash", "-c", '''echo "{{\"resource\": 1, \"loss\": 0}}" >> "$BANDMASTER_REPORT"''']
"#;

/// A campaign with a sweep that is over, and nothing of it running.
fn finished() -> World {
    let world = World::new().unwrap();
    world.write("sweep.toml", SWEEP).unwrap();
    let output = world.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    end_of_processes(world.path()).unwrap();
    assert_eq!(world.run(&["tick"]).unwrap().status.code(), Some(0));
    world
}

/// The files of the campaign and what is in them, but for the lease and the signs of life of those who look.
fn content(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.ends_with("searcher/lease") || path.ends_with("searcher/seen") || path.ends_with("bin") {
            continue;
        }
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

fn set_version(database: &Path, version: u32) {
    let set = std::process::Command::new("sqlite3").arg(database).arg(format!("PRAGMA user_version = {version}")).output().unwrap();
    assert!(set.status.success(), "{}", said(&set));
}

/// The databases of a campaign: what is published, and what the searcher works on.
fn databases(world: &World) -> Vec<PathBuf> {
    let searcher = fs::read_dir(world.campaign().join("searcher")).unwrap().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = searcher.filter(|path| path.extension().is_some_and(|ending| ending == "db")).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.push(world.campaign().join("ledger.db"));
    found
}

/// Each command that drives it says so in one sentence with that exit code, and changes nothing.
fn assert_refused(world: &World, code: i32, why: &str) {
    let before = content(&world.campaign());
    world.write("another.toml", &SWEEP.replace("\"r\"", "\"another\"")).unwrap();
    let commands = [
        world.bandmaster(&["tick"]),
        world.bandmaster(&["ledger", "rebuild"]),
        world.begin("run", "sweep.toml", &[]),
        world.begin("run", "another.toml", &[]),
        world.begin("submit", "another.toml", &[]),
    ];
    for mut command in commands {
        let output = command.output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{command:?}: {text}");
        let sentence = text.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ");
        assert_eq!(sentence.matches(why).count(), 1, "{command:?}: {text}");
        let after = content(&world.campaign());
        let changed: Vec<_> = after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes)).map(|(path, _)| path).collect();
        assert!(changed.is_empty() && after.len() == before.len(), "{command:?} changed {changed:?}");
    }
}

#[test]
fn a_ledger_that_a_newer_version_wrote_is_left_as_it_is() {
    let world = finished();
    let databases = databases(&world);
    let version: u32 = world.sql("PRAGMA user_version").unwrap().parse().unwrap();
    databases.iter().for_each(|database| set_version(database, version + 1));
    assert_refused(&world, 8, "use the newer bandmaster");
    // Nobody reads what he does not understand, either.
    let output = world.run(&["status"]).unwrap();
    assert_eq!(output.status.code(), Some(8), "{}", said(&output));
    // What the newer one published is enough to know it by.
    set_version(&databases[0], version);
    assert_refused(&world, 8, "use the newer bandmaster");
    databases.iter().for_each(|database| set_version(database, version));
    let output = world.sweep(&[]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(world.sql("SELECT sweep, phase FROM sweeps ORDER BY number").unwrap(), "r-1|finished\nr-2|finished");
    assert_sound(&world).unwrap();
}

#[test]
fn a_campaign_that_others_may_write_is_refused_by_all_that_drives_it_and_left_as_it_is() {
    let world = finished();
    for directory in ["", "bin", "sweeps", "requests", "searcher/journal"] {
        let path = world.campaign().join(directory);
        let mode = fs::metadata(&path).unwrap().permissions();
        for open in [0o777, 0o722] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            assert_refused(&world, 10, "others than its owner may write it");
        }
        fs::set_permissions(&path, mode).unwrap();
    }
    assert_eq!(world.run(&["tick"]).unwrap().status.code(), Some(0));
}

#[test]
fn a_campaign_that_another_user_owns_is_refused_even_by_root() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can give a file to another user");
        return;
    }
    let world = finished();
    for directory in ["", "sweeps"] {
        let path = world.campaign().join(directory);
        chown(&path, Some(65534), None).unwrap();
        assert_refused(&world, 10, "only its owner runs a campaign");
        chown(&path, Some(0), None).unwrap();
    }
    assert_eq!(world.run(&["tick"]).unwrap().status.code(), Some(0));
}
