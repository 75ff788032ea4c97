//! The step in which an agent runs: srun's argv and environment.
//!
//! srun is a child of the batch process, and the agent is the task process itself, with no shell above it: Slurm signals
//! a step's tasks at once when it takes a node away, and a batch process often only before the kill.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The program that starts steps.
pub const SRUN: &str = "srun";

/// What a step inherits of Slurm's variables: those that say which job this is. All others of srun's many are options
/// of the job that would become the step's, and some of them exclude each other: SLURM_MEM_PER_CPU and `--mem`.
const KEPT: &[&str] = &[
    "SLURM_CLUSTER_NAME",
    "SLURM_CONF",
    "SLURM_CPUS_ON_NODE",
    "SLURM_GPUS_ON_NODE",
    "SLURM_JOBID",
    "SLURM_JWT",
    "SLURM_NNODES",
    "SLURM_NODELIST",
    "SLURM_NODE_ALIASES",
    "SLURM_RESTART_COUNT",
    "SLURM_TASKS_PER_NODE",
    "SLURM_WORKING_CLUSTER",
];
const KEPT_PREFIXES: &[&str] = &["SLURM_JOB_", "SLURM_ARRAY_", "SLURM_SUBMIT_", "SLURM_TOPOLOGY_", "SLURM_SACK_"];

/// Whether srun is given the variable.
pub fn is_inherited(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return true };
    let is_slurms = name.starts_with("SLURM_") || name.starts_with("SRUN_");
    !is_slurms || KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The arguments of srun for one agent: a step of one task with the cores of its trial (0 for the job's), and with all
/// memory and all GPUs of its job, of which a step has its share where nothing is said.
pub fn arguments(program: &Path, cpus: u32) -> Vec<OsString> {
    let mut all: Vec<OsString> = [
        "--ntasks=1",
        "--nodes=1",
        // The agent is no part of an MPI program, and neither is what it starts.
        "--mpi=none",
        "--export=ALL",
        "--input=0",
        "--quiet",
        "--kill-on-bad-exit=0",
        // The step of an agent that died may still hold what this one needs.
        "--overlap",
        "--mem=0",
        "--gpu-bind=none",
    ]
    .map(OsString::from)
    .into();
    if cpus > 0 {
        all.push(format!("--cpus-per-task={cpus}").into());
    }
    all.extend([program.into(), "agent".into()]);
    all
}

/// Whether a line that Slurm printed beside a step says that it killed for memory.
pub fn blames_memory(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["exceeded memory limit", "exceeded job memory limit", "oom-kill", "oom_kill", "oom killed", "out-of-memory", "out of memory"]
        .iter()
        .any(|words| line.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_the_one_task_of_its_step() {
        let all = arguments("/shared/campaign/bin/ab12/bandmaster-launch".as_ref(), 4);
        let all: Vec<_> = all.iter().map(|argument| argument.to_str().unwrap()).collect();
        assert_eq!(all[all.len() - 3..], ["--cpus-per-task=4", "/shared/campaign/bin/ab12/bandmaster-launch", "agent"]);
        for wanted in ["--ntasks=1", "--nodes=1", "--mpi=none", "--input=0", "--mem=0", "--kill-on-bad-exit=0"] {
            assert!(all.contains(&wanted), "{wanted}");
        }
        // A terminal of its own, for unbuffered output, would echo and translate what is said.
        assert!(!all.iter().any(|argument| argument.contains("unbuffered") || argument.contains("pty") || argument.contains("label")));
        assert!(!arguments("x".as_ref(), 0).iter().any(|argument| argument.to_str().unwrap().starts_with("--cpus")));
    }

    #[test]
    fn a_step_knows_its_job_and_none_of_the_jobs_options() {
        for kept in ["SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_CONF", "SLURM_RESTART_COUNT", "PATH", "HOME", "BANDMASTER_CAMPAIGN"] {
            assert!(is_inherited(kept.as_ref()), "{kept}");
        }
        for gone in [
            "SLURM_MEM_PER_CPU",
            "SLURM_MEM_PER_NODE",
            "SLURM_NTASKS",
            "SLURM_CPUS_PER_TASK",
            "SLURM_EXPORT_ENV",
            "SLURM_LABELIO",
            "SLURM_UNBUFFEREDIO",
            "SLURM_STDOUTMODE",
            "SLURM_GPUS_PER_TASK",
            "SLURM_STEP_ID",
            "SRUN_CPUS_PER_TASK",
        ] {
            assert!(!is_inherited(gone.as_ref()), "{gone}");
        }
    }

    #[test]
    fn memory_is_blamed_by_slurms_own_words_alone() {
        for line in [
            "slurmstepd-n1: error: StepId=19.0 exceeded memory limit (447475712 > 209715200), being killed",
            "slurmstepd: error: Exceeded job memory limit",
            "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=19.0. Some of your processes may have been killed by the cgroup out-of-memory handler.",
            "slurmstepd: error: Detected 1 oom_kill event in StepId=19.0. Some of the step tasks have been OOM Killed.",
            "srun: error: n1: task 0: Out Of Memory",
        ] {
            assert!(blames_memory(line), "{line}");
        }
        for line in ["srun: error: n1: task 0: Killed", "slurmstepd-n1: error: *** STEP 3.0 ON n1 CANCELLED AT 2026-11-24T16:35:32 ***"] {
            assert!(!blames_memory(line), "{line}");
        }
    }
}
