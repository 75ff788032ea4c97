//! What the searcher asks of Slurm, counted from outside: wrappers of Slurm's commands lie in front of the real ones.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::sweep::Sweep;

/// Writes who called it and starts the real command. A call is told by its caller: slots and agents are counted apart.
const WRAPPER: &str = r#"#!/bin/sh
read -r caller < /proc/$PPID/comm
echo "$caller COMMAND" >> LOG
exec /usr/bin/COMMAND "$@"
"#;

/// The calls of everybody in the sweep's jobs and on the login host, so far.
pub(crate) struct Calls {
    log: PathBuf,
}

impl Calls {
    /// From now on calls are counted: the user's PATH begins with the wrappers.
    pub(crate) fn counted(sweep: &Sweep<'_>) -> Self {
        let directory = sweep.place.path().join("wrappers");
        fs::create_dir(&directory).unwrap();
        let log = sweep.place.write("calls", "").unwrap();
        for command in ["squeue", "sacct", "sbatch", "scancel", "scontrol", "srun"] {
            let wrapper = directory.join(command);
            fs::write(&wrapper, WRAPPER.replace("COMMAND", command).replace("LOG", log.to_str().unwrap())).unwrap();
            fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { log }
    }

    fn by(&self, caller: &str) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::new();
        for line in fs::read_to_string(&self.log).unwrap().lines() {
            if let Some((who, command)) = line.split_once(' ').filter(|(who, _)| *who == caller) {
                let _ = who;
                *calls.entry(command.to_owned()).or_default() += 1;
            }
        }
        calls
    }

    /// The searcher asked twice an array and a tick at most, beside what was refused.
    pub(crate) fn assert_few(&self, sweep: &Sweep<'_>) {
        let (searcher, slots) = (self.by("bandmaster"), self.by("bandmaster-laun"));
        let sum: u64 = searcher.values().sum();
        let count = |query: &str| sweep.sql(query).parse::<u64>().unwrap();
        let (arrays, refused) = (count("SELECT count(*) FROM arrays"), count("SELECT count(*) FROM arrays WHERE state = 'refused'"));
        // Each tick takes one lease, and their numbers go up by one.
        let leases = fs::read_dir(sweep.campaign().join("searcher/lease")).unwrap().flatten();
        let ticks = leases.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok()).max().unwrap();
        println!("the searcher called {searcher:?} in {ticks} ticks for {arrays} arrays; slots called {slots:?}");
        assert!(sum > 0 && !slots.is_empty(), "the wrappers count");
        assert!(sum <= 2 * (arrays + ticks) + refused, "{searcher:?} in {ticks} ticks for {arrays} arrays ({refused} refused)");
    }
}
