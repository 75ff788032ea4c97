//! What surrounds an attempt, written down without being asked for: machine, code, versions, environment.
//!
//! All of it is read where it can be read cheaply. What cannot be told is left out; nothing here may fail an attempt.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bandmaster_record::{Argument, Surroundings, TrialSettings};

use crate::contract::is_inherited;
use crate::mask::masked;

/// How long a command that only informs may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Interpreters that are asked for their version. An unknown program is never executed only to be asked.
const INTERPRETERS: &[&str] = &["python", "bash", "Rscript", "R", "julia", "node", "perl", "ruby"];

/// Python packages whose version explains a result.
const PACKAGES: &[&str] = &[
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "jax",
    "jaxlib",
    "flax",
    "tensorflow",
    "keras",
    "scikit_learn",
    "transformers",
    "lightning",
    "pytorch_lightning",
    "xgboost",
    "lightgbm",
    "pandas",
    "bandmaster",
];

/// Looks at everything. It may start git and an interpreter, each for a few milliseconds as a rule.
pub fn collect(settings: &TrialSettings) -> Surroundings {
    let directory = Path::new(&settings.directory);
    let mut versions = BTreeMap::new();
    versions.insert("bandmaster-launch".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    if let Ok(kernel) = fs::read_to_string("/proc/sys/kernel/osrelease") {
        versions.insert("kernel".to_owned(), kernel.trim().to_owned());
    }
    // The lines of `setup` may choose another interpreter; a wrong version would be worse than none.
    if settings.setup.is_empty()
        && let Some(interpreter) = interpreter(settings, directory)
    {
        versions.extend(interpreter_versions(&interpreter, directory));
    }
    let git_commit = run("git", &["rev-parse", "--verify", "-q", "HEAD"], directory).filter(|commit| !commit.is_empty());
    Surroundings {
        git_dirty: git_commit.as_ref().and_then(|_| run("git", &["status", "--porcelain", "-uno"], directory)).map(|text| !text.is_empty()),
        git_commit,
        cpu: cpu(),
        cores: std::thread::available_parallelism().map_or(0, |cores| u32::try_from(cores.get()).unwrap_or(0)),
        gpus: gpus(),
        memory: memory(),
        versions,
        environment: environment(settings),
    }
}

fn environment(settings: &TrialSettings) -> BTreeMap<String, String> {
    let inherited = std::env::vars_os().filter(|(name, _)| is_inherited(name));
    let mut all: BTreeMap<String, String> =
        inherited.map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())).collect();
    all.extend(settings.environment.clone());
    all.into_iter().map(|(name, value)| (name.clone(), masked(&name, &value).to_owned())).collect()
}

fn cpu() -> String {
    let model = File::open("/proc/cpuinfo").ok().and_then(|file| {
        let mut lines = BufReader::new(file).lines().map_while(Result::ok);
        lines.find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()))
    });
    model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The GPUs as NVIDIA's driver names them, those that CUDA_VISIBLE_DEVICES leaves.
fn gpus() -> Vec<String> {
    let mut devices: Vec<PathBuf> =
        fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    devices.sort();
    let models = devices.iter().map(|device| {
        let text = fs::read_to_string(device.join("information")).unwrap_or_default();
        text.lines().find_map(|line| Some(line.strip_prefix("Model:")?.trim().to_owned())).unwrap_or_else(|| "NVIDIA GPU".to_owned())
    });
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let is_visible = |index: usize| visible.as_ref().is_none_or(|list| is_listed(list, index));
    models.enumerate().filter(|(index, _)| is_visible(*index)).map(|(_, model)| model).collect()
}

/// Whether CUDA_VISIBLE_DEVICES lists the device; names other than numbers are taken for it.
fn is_listed(list: &str, index: usize) -> bool {
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .any(|item| item.parse().map_or(item != "-1", |number: usize| number == index))
}

/// The interpreter that runs the command, if it is one that is known: the program itself, or the one in its first line.
fn interpreter(settings: &TrialSettings, directory: &Path) -> Option<PathBuf> {
    let Some(Argument::One(program)) = settings.command.0.first() else { return None };
    let path = settings.environment.get("PATH").cloned().or_else(|| std::env::var("PATH").ok())?;
    let program = find(program, &path, directory)?;
    if is_interpreter(&program) {
        return Some(program);
    }
    let mut head = [0; 256];
    let read = File::open(&program).ok()?.read(&mut head).ok()?;
    let head = String::from_utf8_lossy(head.get(..read)?).into_owned();
    let mut words = head.strip_prefix("#!")?.lines().next()?.split_ascii_whitespace();
    let first = PathBuf::from(words.next()?);
    let named = if first.ends_with("env") { find(words.find(|word| !word.starts_with('-'))?, &path, directory)? } else { first };
    is_interpreter(&named).then_some(named)
}

fn is_interpreter(program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.contains(&base)
}

fn find(program: &str, path: &str, directory: &Path) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(directory.join(program));
    }
    std::env::split_paths(path).map(|dir| directory.join(dir).join(program)).find(|candidate| candidate.is_file())
}

fn interpreter_versions(interpreter: &Path, directory: &Path) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    let name = interpreter.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let said = run(&interpreter.to_string_lossy(), &["--version"], directory);
    if let Some(first) = said.as_ref().and_then(|text| text.lines().find(|line| !line.is_empty())) {
        versions.insert(name.clone(), first.to_owned());
    }
    if name.starts_with("python")
        && let Some((major, minor)) = said.as_deref().and_then(python_version)
    {
        versions.extend(packages(interpreter, &format!("python{major}.{minor}")));
    }
    versions
}

fn python_version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.trim().strip_prefix("Python ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Versions of known packages, read from the names of their metadata's directories, without starting the interpreter.
fn packages(interpreter: &Path, python: &str) -> BTreeMap<String, String> {
    let mut places = Vec::new();
    // The interpreter as it is called, for a virtual environment, and as it is.
    for program in [Some(interpreter.to_owned()), fs::canonicalize(interpreter).ok()].into_iter().flatten() {
        if let Some(prefix) = program.parent().and_then(Path::parent) {
            places.push(prefix.join("lib").join(python).join("site-packages"));
            places.push(prefix.join("lib/python3/dist-packages"));
            places.push(prefix.join("local/lib").join(python).join("dist-packages"));
        }
    }
    let mut found = BTreeMap::new();
    for entry in places.iter().flat_map(fs::read_dir).flatten().flatten() {
        let name = entry.file_name();
        let info = name.to_str().and_then(|name| name.strip_suffix(".dist-info").or_else(|| name.strip_suffix(".egg-info")));
        let Some((package, version)) = info.and_then(|info| info.split_once('-')) else { continue };
        let package = package.to_ascii_lowercase().replace('-', "_");
        if PACKAGES.contains(&package.as_str()) {
            // The first place is the one that the interpreter looks in first.
            found.entry(package).or_insert_with(|| version.to_owned());
        }
    }
    found
}

/// What a command prints, if it exits with 0 in time.
fn run(program: &str, arguments: &[&str], directory: &Path) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // Looking must not lock the user's repository.
    command.env("GIT_OPTIONAL_LOCKS", "0");
    let mut child = command.spawn().ok()?;
    let stdout = child.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        // Enough for a version; of a status only the first line matters.
        stdout.take(64 * 1024).read_to_string(&mut text).map(|_| text)
    });
    let began = Instant::now();
    while !reader.is_finished() && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    let finished = reader.is_finished();
    if !finished {
        let _ = child.kill();
    }
    // After the whole output was read it ends by itself, or by the closed pipe.
    let status = child.wait().ok()?;
    if !finished || !status.success() {
        return None;
    }
    Some(reader.join().ok()?.ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn settings(command: &str, directory: &Path) -> TrialSettings {
        serde_json::from_value(serde_json::json!({
            "command": [command], "directory": directory, "metric": "loss", "stop_grace": 1.0,
            "environment": {"OMP_NUM_THREADS": "4", "MY_TOKEN": "abc"},
        }))
        .unwrap()
    }

    #[test]
    fn the_machine_and_a_masked_environment_are_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let found = collect(&settings("./train", dir.path()));
        assert!(found.cores > 0 && found.memory > 0 && !found.cpu.is_empty());
        assert!(found.versions.contains_key("kernel"));
        assert_eq!(found.environment["OMP_NUM_THREADS"], "4");
        assert_eq!(found.environment["MY_TOKEN"], crate::mask::MASK);
        assert_eq!((found.git_commit, found.git_dirty), (None, None));
    }

    #[test]
    fn a_changed_tree_is_told_from_its_commit() {
        let dir = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let done =
                Command::new("git").args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments).current_dir(dir.path()).output();
            assert!(done.unwrap().status.success());
        };
        fs::write(dir.path().join("train.py"), "1").unwrap();
        git(&["init", "-q"]);
        git(&["add", "."]);
        git(&["commit", "-qm", "x"]);
        let found = collect(&settings("./train", dir.path()));
        assert_eq!((found.git_commit.map(|commit| commit.len()), found.git_dirty), (Some(40), Some(false)));
        fs::write(dir.path().join("train.py"), "2").unwrap();
        assert_eq!(collect(&settings("./train", dir.path())).git_dirty, Some(true));
    }

    #[test]
    fn the_interpreter_is_found_behind_a_first_line_and_an_unknown_program_is_not_executed() {
        let dir = tempfile::tempdir().unwrap();
        for (first, known) in
            [("#!/usr/bin/env bash", true), ("#!/bin/bash -e", true), ("#!/usr/bin/env -S bash -e", true), ("#!/bin/cat", false)]
        {
            let script = dir.path().join("train");
            fs::write(&script, format!("{first}\ntouch executed\n")).unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
            let found = collect(&settings("./train", dir.path()));
            assert_eq!(found.versions.get("bash").is_some_and(|said| said.contains("bash")), known, "{first}: {:?}", found.versions);
        }
        assert!(!dir.path().join("executed").exists());
    }

    #[test]
    fn only_visible_devices_count() {
        assert!(is_listed("0,2", 2) && !is_listed("0,2", 1));
        assert!(!is_listed("", 0) && !is_listed("-1", 0) && is_listed("GPU-8f3b", 0));
    }
}
