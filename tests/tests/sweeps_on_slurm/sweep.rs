//! The sweep of `examples/digits` in a place that all hosts share, and the same sweep undisturbed on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use bandmaster_tests::{Place, Running, TestCluster, World, assert_sound, said};

/// The sweep, its trials at that pace in seconds an epoch.
fn digits(program: &str, pace: &str, more: &str) -> String {
    format!(
        r#"name = "digits"
seed = 7
[objective]
metric = "val_loss"
goal = "minimize"
[method]
kind = "hyperband"
max_resource = 9
eta = 3
unit = "epoch"
[trial]
command = ["{program}", "--pace", "{pace}"]
time = "00:10:00"
stop_grace = "10s"
[checkpoint]
interval = "1ms"
[space]
lr           = {{ log_uniform = [1e-3, 1.0] }}
momentum     = {{ uniform = [0.0, 0.99] }}
weight_decay = {{ log_uniform = [1e-6, 3e-3] }}
hidden       = {{ log_int = [16, 256] }}
layers       = {{ int = [1, 3] }}
batch        = {{ choice = [16, 32, 64] }}
dropout      = {{ uniform = [0.0, 0.5], step = 0.05, when = {{ layers = [2, 3] }} }}
warmup       = 2
{more}
"#
    )
}

/// A checkpoint's files, which depend on the training's state alone.
type Files = BTreeMap<String, Vec<u8>>;

/// What a sweep came to: who was promoted, and the checkpoints at which results were accepted.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) promoted: String,
    pub(crate) results: String,
    pub(crate) checkpoints: BTreeMap<String, Files>,
}

impl Outcome {
    fn of(world: &World) -> Self {
        // An attempt that was resumed at its target leaves no checkpoint of its own there.
        let query = "SELECT segments.trial || '.' || segments.rung, checkpoints.directory FROM segments JOIN checkpoints
            ON checkpoints.sweep = segments.sweep AND checkpoints.trial = segments.trial
                AND checkpoints.resource = segments.target_resource
            WHERE segments.state = 'accepted'";
        let mut checkpoints = BTreeMap::new();
        for line in world.sql(query).unwrap().lines() {
            let (segment, directory) = line.split_once('|').unwrap();
            let read = |name: &str| (name.to_owned(), fs::read(world.campaign().join(directory).join(name)).unwrap());
            let files = Files::from(["state.json", "tensors.safetensors"].map(read));
            let before = checkpoints.insert(segment.to_owned(), files.clone());
            assert!(before.is_none_or(|before| before == files), "{segment} has two checkpoints at its target that differ");
        }
        let results = "SELECT trial, rung, value FROM segments WHERE state = 'accepted' ORDER BY trial, rung";
        Self { promoted: world.promoted().unwrap(), results: world.sql(results).unwrap(), checkpoints }
    }

    /// What an undisturbed sweep on this machine comes to.
    pub(crate) fn undisturbed() -> Self {
        let world = World::new().unwrap();
        world.write("sweep.toml", &digits(world.program("digits").to_str().unwrap(), "0", "")).unwrap();
        let output = world.sweep(&[]).unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        Self::of(&world)
    }
}

/// The sweep on a cluster.
pub(crate) struct Sweep<'a> {
    pub(crate) cluster: &'a TestCluster,
    pub(crate) place: Place<'a>,
    world: World,
    programs: PathBuf,
}

impl<'a> Sweep<'a> {
    /// The files are there, nothing is submitted.
    pub(crate) fn new(cluster: &'a TestCluster, pace: &str, more: &str) -> Self {
        let place = cluster.place().unwrap();
        let programs = place.path().join("bin");
        copy(&["bandmaster", "bandmaster-launch", "digits"].map(|name| cluster.program(name).unwrap()), &programs);
        let world = World::new().unwrap().with_campaign(place.path().join("campaign"));
        let sweep = Self { cluster, place, world, programs };
        sweep.place.write("sweep.toml", &digits(sweep.programs.join("digits").to_str().unwrap(), pace, more)).unwrap();
        sweep.configure("lease_takeover = \"5s\"\nlost_after = \"10s\"\npoll = \"2s\"\n");
        sweep
    }

    /// Writes the campaign's settings: spans that a test can wait for.
    pub(crate) fn configure(&self, text: &str) {
        let campaign = self.campaign();
        fs::create_dir_all(&campaign).unwrap();
        fs::set_permissions(&campaign, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(campaign.join("campaign.toml"), text).unwrap();
        let ada = fs::metadata(self.place.path())
            .map(|meta| (std::os::unix::fs::MetadataExt::uid(&meta), std::os::unix::fs::MetadataExt::gid(&meta)))
            .unwrap();
        for path in [&campaign, &campaign.join("campaign.toml")] {
            chown(path, Some(ada.0), Some(ada.1)).unwrap();
        }
    }

    pub(crate) fn campaign(&self) -> PathBuf {
        self.world.campaign()
    }

    /// Replaces the programs of people by those that can be killed at crash points; slots use what the campaign keeps.
    pub(crate) fn with_crash_points(&self) -> PathBuf {
        let built = std::env::var_os("BANDMASTER_CRASHING").map(PathBuf::from);
        let built = built.expect("tests/run.sh builds programs with crash points and sets BANDMASTER_CRASHING");
        let crashing = self.place.path().join("crashing");
        copy(&["bandmaster", "bandmaster-launch"].map(|name| built.join(name)), &crashing);
        crashing
    }

    /// `bandmaster` with these arguments on a host, as ada.
    pub(crate) fn bandmaster(&self, host: &str, args: &[&str]) -> Command {
        self.program(&self.programs, host, &[], args)
    }

    /// The same of these programs, with these variables.
    pub(crate) fn program(&self, programs: &std::path::Path, host: &str, variables: &[String], args: &[&str]) -> Command {
        let bandmaster = programs.join("bandmaster").display().to_string();
        let campaign = format!("BANDMASTER_CAMPAIGN={}", self.campaign().display());
        // Where calls are counted, the wrappers come first.
        let path = format!("PATH={}:/usr/local/bin:/usr/bin:/bin", self.place.path().join("wrappers").display());
        let mut argv = vec!["env".to_owned(), campaign, path, "NO_COLOR=1".to_owned()];
        argv.extend(variables.iter().cloned());
        argv.push(bandmaster);
        argv.extend(args.iter().map(|arg| (*arg).to_owned()));
        self.place.command(host, &argv)
    }

    pub(crate) fn run(&self, host: &str, args: &[&str]) -> Output {
        self.bandmaster(host, args).output().unwrap()
    }

    /// Starts `bandmaster` on a host and goes on.
    pub(crate) fn spawn(&self, host: &str, args: &[&str]) -> Running {
        Running::start(self.bandmaster(host, args)).unwrap()
    }

    /// One answer of the ledger, as fresh as the journals; nothing while there is none.
    pub(crate) fn sql(&self, query: &str) -> String {
        let output = self.run("login", &["ledger", "sql", query, "-Ph"]);
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Waits until a query gives at least that number.
    pub(crate) fn wait_for_count(&self, what: &str, query: &str, least: u64) {
        self.wait_for(what, || self.sql(query).parse::<u64>().is_ok_and(|count| count >= least));
    }

    /// Waits until the sweep is finished.
    pub(crate) fn wait_for_the_end(&self) {
        self.wait_for("the sweep's end", || self.sql("SELECT phase FROM sweeps") == "finished");
    }

    pub(crate) fn wait_for(&self, what: &str, mut is_there: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_there() {
            assert!(begun.elapsed() < Duration::from_secs(240), "waited 240 s for {what}\n{}", self.told());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// How it stands, for the message of a failed test.
    pub(crate) fn told(&self) -> String {
        let squeue = self.cluster.ask(&["squeue", "-r", "-t", "all", "-o", "%i %j %T %r %N"]).unwrap_or_else(|error| error.to_string());
        let decisions = "SELECT decided_at, sentence FROM decisions ORDER BY epoch DESC, seq DESC LIMIT 40";
        format!("{}\n{squeue}\n{}", said(&self.run("login", &["status", "digits"])), self.sql(decisions))
    }

    /// What it came to: sound, each result once, and the same as undisturbed.
    pub(crate) fn assert_same_as(&self, expected: &Outcome) {
        // What the last slots had to say, and the last arrays.
        self.wait_for("a quiet campaign", || {
            self.run("login", &["tick"]);
            self.sql("SELECT count(*) FROM arrays WHERE state IN ('intended', 'submitted')") == "0"
        });
        assert_sound(&self.world).unwrap();
        let per_rung = "SELECT bracket, rung, count(*) FROM segments WHERE state = 'accepted' GROUP BY bracket, rung";
        assert_eq!(self.world.sql(per_rung).unwrap(), "0|0|9\n0|1|3\n0|2|1\n1|0|5\n1|1|1\n2|0|3");
        let twice = "SELECT count(*) FROM (SELECT 1 FROM attempts WHERE accepted = 1 GROUP BY trial, rung HAVING count(*) > 1)";
        assert_eq!(self.world.sql(twice).unwrap(), "0");
        let outcome = Outcome::of(&self.world);
        assert_eq!((&outcome.promoted, &outcome.results), (&expected.promoted, &expected.results));
        assert_eq!(outcome.checkpoints.len(), 22, "each result has its checkpoint");
        assert!(outcome.checkpoints == expected.checkpoints, "the parameters are the same bit for bit");
    }
}

fn copy(programs: &[PathBuf], into: &std::path::Path) {
    fs::create_dir_all(into).unwrap();
    for program in programs {
        fs::copy(program, into.join(program.file_name().unwrap())).unwrap();
    }
}

/// Runs a command to its end, whatever comes of it.
pub(crate) fn ended(mut command: Command) -> io::Result<Output> {
    command.output()
}
