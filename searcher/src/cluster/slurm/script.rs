//! What sbatch is given: options as arguments, and the batch script, a text with the command filled in.
//!
//! Nothing of a sweep reaches a shell: the script holds paths and names that are quoted, and the user's options go as
//! arguments that no shell reads.

use std::path::{Path, PathBuf};

use bandmaster_record::{ArrayNo, JobId, Nonce, Seconds, SweepId};

use super::extra::{belongs_to_every_job, says};
use super::quote::quote_all;

/// One task of an array, with `@SLOT@` where the slot's command stands.
const ARRAY: &str = include_str!("../../../../slurm-scripts/array.sbatch");
/// The tick when an array is over, with `@TICK@` where its command stands.
const TICK: &str = include_str!("../../../../slurm-scripts/tick.sbatch");

/// Seconds of a job beside its trial's time and grace: to start the trial, and what the slot keeps for itself at the end.
const BESIDE: f64 = 60.0;
/// A tick of a sweep with a hundred thousand trials takes seconds; what is left is for file systems that are slow.
const TICK_MINUTES: u64 = 10;
/// Said, since some sites give a job that does not say it all memory of a node.
const TICK_MEMORY: &str = "--mem=1G";

/// What one trial needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    /// Its ranks.
    pub ranks: u32,
    /// On so many nodes, evenly; as many as it takes where none is said, which needs `gpus` to be 0.
    pub nodes: Option<u32>,
    /// Cores of each rank.
    pub cpus_per_rank: u32,
    /// GPUs of the trial, on all its nodes together.
    pub gpus: u32,
    /// Memory of each rank in bytes; the site's default where none is said.
    pub memory_per_rank: Option<u64>,
}

/// The name of an array's job: by it an array is found again whose submission nobody heard the end of.
pub fn array_name(sweep: &SweepId, array: ArrayNo, nonce: &Nonce) -> String {
    format!("{sweep}.{array}.{nonce}")
}

/// An array to submit.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayJob {
    /// The sweep.
    pub sweep: SweepId,
    /// The array's number in it.
    pub array: ArrayNo,
    /// What makes this submission recognizable.
    pub nonce: Nonce,
    /// How many tasks; at least one.
    pub tasks: u32,
    /// At most so many run at once.
    pub max_running: Option<u32>,
    /// The partition, or several with commas.
    pub partition: Option<String>,
    /// What one task needs.
    pub size: Size,
    /// At most so long for one segment.
    pub time: Option<Seconds>,
    /// So long a trial may take to stop, on top of that.
    pub stop_grace: Seconds,
    /// The user's options, each one argument.
    pub extra: Vec<String>,
    /// The campaign's directory, absolute.
    pub campaign: PathBuf,
    /// `bandmaster-launch`, absolute.
    pub launcher: PathBuf,
}

impl ArrayJob {
    /// The job's name.
    pub fn name(&self) -> String {
        array_name(&self.sweep, self.array, &self.nonce)
    }

    /// The options of sbatch.
    pub fn options(&self) -> Vec<String> {
        let mut options = of_every_job(&self.campaign, &self.name());
        let last = self.tasks.saturating_sub(1);
        options.push(match self.max_running {
            Some(most) if most < self.tasks => format!("--array=0-{last}%{most}"),
            _ => format!("--array=0-{last}"),
        });
        // Below the working directory, since a percent sign in a campaign's path would be read as a pattern.
        options.push(format!("--output=sweeps/{}/arrays/{}_%a.log", self.sweep, self.array));
        options.extend(self.partition.iter().map(|partition| format!("--partition={partition}")));
        options.extend(self.size.options(&self.extra));
        options.extend(self.time.map(|time| format!("--time={}", minutes(time.0 + self.stop_grace.0 + BESIDE))));
        options.extend(self.extra.iter().cloned());
        options
    }

    /// The batch script.
    pub fn script(&self) -> String {
        let array = self.array.to_string();
        let (launcher, campaign) = (self.launcher.to_string_lossy(), self.campaign.to_string_lossy());
        let words = [&launcher, "slot", "--campaign", &campaign, "--sweep", self.sweep.as_str(), "--array", &array];
        ARRAY.replace("@SLOT@", &quote_all(words))
    }
}

impl Size {
    /// The options that ask for it, but for what the user's own options ask.
    fn options(&self, extra: &[String]) -> Vec<String> {
        let given = |names: &[&str], short| extra.iter().any(|option| says(option, names, short));
        let mut options = Vec::new();
        options.extend(self.nodes.map(|nodes| format!("--nodes={nodes}")));
        options.push(format!("--ntasks={}", self.ranks));
        let on_node = self.nodes.map(|nodes| self.ranks.div_ceil(nodes.max(1)));
        if let Some(ranks) = on_node.filter(|ranks| *ranks < self.ranks) {
            options.push(format!("--ntasks-per-node={ranks}"));
        }
        options.push(format!("--cpus-per-task={}", self.cpus_per_rank));
        if self.gpus > 0 && !given(&["gres", "gpus", "tres-per-task"], Some('G')) {
            // A node's GPUs are given to the node's ranks together, as every Slurm knows how to: each rank sees its
            // peers' GPUs, and the slot says which is whose.
            options.push(format!("--gres=gpu:{}", self.gpus.div_ceil(self.nodes.unwrap_or(1).max(1))));
        }
        if let Some(memory) = self.memory_per_rank.filter(|_| !given(&["mem"], None)) {
            options.push(match on_node {
                Some(ranks) => format!("--mem={}M", mebibytes(memory.saturating_mul(ranks.into()))),
                None => format!("--mem-per-cpu={}M", mebibytes(memory.div_ceil(u64::from(self.cpus_per_rank.max(1))))),
            });
        }
        options
    }
}

/// The job that ticks when an array is over.
#[derive(Debug, Clone, PartialEq)]
pub struct TickJob {
    /// The sweep.
    pub sweep: SweepId,
    /// The array's number in it.
    pub array: ArrayNo,
    /// The array's nonce.
    pub nonce: Nonce,
    /// The array's job id.
    pub after: JobId,
    /// The partition, or several with commas.
    pub partition: Option<String>,
    /// The user's options; those that say who pays and where are used.
    pub extra: Vec<String>,
    /// The campaign's directory, absolute.
    pub campaign: PathBuf,
    /// `bandmaster`, absolute.
    pub searcher: PathBuf,
    /// So long it waits for a lease that another holds, and for Slurm.
    pub patience: Seconds,
}

impl TickJob {
    /// The job's name.
    pub fn name(&self) -> String {
        format!("{}.{}.{}.tick", self.sweep, self.array, self.nonce)
    }

    /// The options of sbatch.
    pub fn options(&self) -> Vec<String> {
        let mut options = of_every_job(&self.campaign, &self.name());
        options.push(format!("--dependency=afterany:{}", self.after));
        options.push(format!("--output=sweeps/{}/arrays/{}.tick.log", self.sweep, self.array));
        options.extend(self.partition.iter().map(|partition| format!("--partition={partition}")));
        options.extend(["--nodes=1", "--ntasks=1", "--cpus-per-task=1", TICK_MEMORY].map(str::to_owned));
        options.push(format!("--time={TICK_MINUTES}"));
        options.extend(self.extra.iter().filter(|option| belongs_to_every_job(option)).cloned());
        options
    }

    /// The batch script.
    pub fn script(&self) -> String {
        let (searcher, campaign) = (self.searcher.to_string_lossy(), self.campaign.to_string_lossy());
        let patience = format!("{}s", self.patience.0.ceil());
        TICK.replace("@TICK@", &quote_all([&*searcher, "tick", "--quiet", "--patience", &patience, "--campaign", &*campaign]))
    }
}

/// What all our jobs are told.
fn of_every_job(campaign: &Path, name: &str) -> Vec<String> {
    vec![
        "--parsable".to_owned(),
        format!("--job-name={name}"),
        format!("--chdir={}", campaign.display()),
        // A requeued task goes on in the same log.
        "--open-mode=append".to_owned(),
        "--requeue".to_owned(),
        // Not the environment of a login: fetching that takes a node seconds, and where it fails a job has none at all.
        // What slots start for a tick passes on what the first submission's shell had.
        "--export=ALL".to_owned(),
    ]
}

/// Slurm counts time in minutes.
fn minutes(seconds: f64) -> u64 {
    ((seconds / 60.0).ceil() as u64).max(1)
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn array() -> ArrayJob {
        ArrayJob {
            sweep: "digits-1".parse().unwrap(),
            array: ArrayNo(3),
            nonce: "01JZZZZZZZZZZZZZZZZZZZZZZZ".parse().unwrap(),
            tasks: 9,
            max_running: Some(4),
            partition: Some("preempt".to_owned()),
            size: Size { ranks: 1, nodes: Some(1), cpus_per_rank: 4, gpus: 1, memory_per_rank: Some(2 << 30) },
            time: Some(Seconds(1800.0)),
            stop_grace: Seconds(30.0),
            extra: vec!["--qos=low".to_owned(), "--mail-type=END".to_owned()],
            campaign: "/scratch/ada's 50%/campaign".into(),
            launcher: "/scratch/ada's 50%/campaign/bin/0123456789abcdef/bandmaster-launch".into(),
        }
    }

    fn tick() -> TickJob {
        let ArrayJob { sweep, array, nonce, partition, extra, campaign, .. } = array();
        let searcher = campaign.join("bin/0123456789abcdef/bandmaster");
        TickJob { sweep, array, nonce, after: "4711".parse().unwrap(), partition, extra, campaign, searcher, patience: Seconds(180.0) }
    }

    #[test]
    fn an_array_is_submitted_so() {
        let job = array();
        insta::assert_snapshot!(format!("{}\n\n{}", job.options().join("\n"), job.script()));
    }

    #[test]
    fn a_tick_job_is_submitted_so() {
        let job = tick();
        insta::assert_snapshot!(format!("{}\n\n{}", job.options().join("\n"), job.script()));
    }

    fn sized(size: Size, extra: &[&str]) -> String {
        size.options(&extra.iter().map(ToString::to_string).collect::<Vec<_>>()).join(" ")
    }

    #[test]
    fn ranks_are_spread_evenly() {
        let size = Size { ranks: 16, nodes: Some(2), cpus_per_rank: 2, gpus: 16, memory_per_rank: Some((1 << 30) + 1) };
        assert_eq!(sized(size.clone(), &[]), "--nodes=2 --ntasks=16 --ntasks-per-node=8 --cpus-per-task=2 --gres=gpu:8 --mem=8193M");
        let anywhere = Size { nodes: None, gpus: 0, ..size };
        assert_eq!(sized(anywhere, &[]), "--ntasks=16 --cpus-per-task=2 --mem-per-cpu=513M");
    }

    #[test]
    fn what_the_user_asks_for_is_not_asked_for_twice() {
        let size = Size { ranks: 1, nodes: Some(1), cpus_per_rank: 1, gpus: 2, memory_per_rank: Some(1 << 30) };
        let plain = "--nodes=1 --ntasks=1 --cpus-per-task=1";
        assert_eq!(sized(size.clone(), &["--gres=gpu:a100:2", "--mem-per-cpu=3G"]), plain);
        assert_eq!(sized(size.clone(), &["--gpus-per-node=a100:2", "--mem=0"]), plain);
        assert_eq!(sized(size.clone(), &["-Ga100:2", "--mem-per-gpu=3G"]), plain);
        assert_eq!(sized(size, &["--constraint=gpu"]), format!("{plain} --gres=gpu:2 --mem=1024M"));
    }

    #[test]
    fn the_users_options_come_last() {
        let options = array().options();
        assert_eq!(options.iter().rev().take(2).rev().collect::<Vec<_>>(), ["--qos=low", "--mail-type=END"]);
        assert!(tick().options().ends_with(&["--time=10".to_owned(), "--qos=low".to_owned()]));
    }

    #[test]
    fn time_is_counted_in_minutes_and_never_too_short() {
        assert_eq!([0.5, 60.0, 60.1, 1830.0].map(minutes), [1, 1, 2, 31]);
        let asked = |time| ArrayJob { time: Some(Seconds(time)), ..array() }.options();
        // Its time, half a minute to stop, and the slot's own minute.
        assert!(asked(1770.0).contains(&"--time=31".to_owned()) && asked(1771.0).contains(&"--time=32".to_owned()));
        let unlimited = ArrayJob { time: None, ..array() };
        assert!(!unlimited.options().iter().any(|option| option.starts_with("--time")));
    }

    #[test]
    fn no_more_run_at_once_than_there_are() {
        let options = |max_running| ArrayJob { max_running, ..array() }.options();
        assert!(options(Some(9)).contains(&"--array=0-8".to_owned()));
        assert!(options(Some(8)).contains(&"--array=0-8%8".to_owned()));
        assert!(options(None).contains(&"--array=0-8".to_owned()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_path_is_executed(path in "[^\0]{1,30}") {
            // `echo` stands where the launcher would: the shell must hand over every word as it is.
            let job = ArrayJob { campaign: path.clone().into(), launcher: "printf".into(), ..array() };
            let script = job.script().replace("exec printf slot", "exec printf '%s\\0'");
            let output = std::process::Command::new("sh").arg("-c").arg(&script)
                .env("SLURM_ARRAY_TASK_ID", "3").env("SLURM_ARRAY_JOB_ID", "12").output().unwrap();
            prop_assert!(output.status.success(), "{output:?}");
            let said = String::from_utf8(output.stdout).unwrap();
            prop_assert_eq!(said, format!("--campaign\0{path}\0--sweep\0digits-1\0--array\x003\0--task\x003\0--job\x0012\0"));
        }
    }
}
