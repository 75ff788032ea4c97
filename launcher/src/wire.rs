//! What slot and agent tell each other: JSON lines over the agent's stdin and stdout. The same lines pass whether the
//! agent is a child of the slot or, under a scheduler, the task of a step on another node.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bandmaster_record::{Cause, MetricSource, Number, Params, Resource, Seconds, Usage};
use serde::{Deserialize, Serialize};

/// From the slot to its agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum ToAgent {
    /// Start the trial.
    Start(Box<Start>),
    /// Ask the trial to checkpoint and leave: the stop file, and the signal where the sweep wants one.
    Stop {
        /// Why.
        reason: StopReason,
        /// How long it has before it is killed.
        grace: Seconds,
    },
    /// Kill the trial's process group.
    Kill,
    /// A checkpoint is published.
    Published {
        /// The name that the trial gave it.
        name: String,
    },
    /// A checkpoint is refused.
    Refused {
        /// The name that the trial gave it.
        name: String,
        /// Why, as a sentence.
        why: String,
    },
    /// Leave. A trial that still runs is killed.
    Exit,
}

/// One trial to start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The attempt's nonce: it names the private directory.
    pub nonce: String,
    /// The trial, as in `digits-1/42`.
    pub trial: String,
    /// The argv, all placeholders filled in.
    pub command: Vec<String>,
    /// The user's shell lines.
    pub setup: Vec<String>,
    /// Added to the environment.
    pub environment: BTreeMap<String, String>,
    /// The working directory.
    pub directory: PathBuf,
    /// The attempt's log, which exists.
    pub log: PathBuf,
    /// Where the trial offers checkpoints; it exists.
    pub staging: PathBuf,
    /// The configuration.
    pub params: Params,
    /// The trial's seed.
    pub seed: u64,
    /// Where the segment begins.
    pub from: Resource,
    /// Where it ends.
    pub target: Resource,
    /// The sweep's final R.
    pub max_resource: Resource,
    /// The verified checkpoint to resume.
    pub resume_from: Option<PathBuf>,
    /// After how long the next checkpoint is due.
    pub checkpoint_interval: Seconds,
    /// The objective's name.
    pub metric: String,
    /// Where it comes from.
    pub source: MetricSource,
    /// The signal to send beside the stop file: "USR1", "USR2", "TERM", "INT".
    pub stop_signal: Option<String>,
}

/// Why a trial is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// A person asked: pause, cancel, drain, Ctrl-C.
    Asked,
    /// The segment's time is over, or its job's.
    TimeLimit,
    /// The scheduler takes the nodes for another job.
    Preempted,
    /// Somebody cancelled the job, behind the searcher's back.
    Cancelled,
}

impl StopReason {
    /// What an attempt that stopped for it is called.
    pub fn cause(self) -> Cause {
        match self {
            Self::Asked => Cause::Stopped,
            Self::TimeLimit => Cause::TimeLimit,
            Self::Preempted => Cause::Preempted,
            Self::Cancelled => Cause::Cancelled,
        }
    }
}

/// From the agent to its slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum FromAgent {
    /// The first line: the agent waits for work.
    Ready {
        /// Its private directory on the node, to be removed should it die.
        directory: PathBuf,
    },
    /// The agent was sent a signal that asks for the end.
    Signalled {
        /// Its number.
        signal: i32,
    },
    /// The trial runs.
    Started {
        /// Its process id, which is its process group's too.
        pid: i32,
    },
    /// The trial could not be started; nothing else follows for this attempt.
    CannotStart {
        /// Why, as a sentence.
        why: String,
    },
    /// The trial reported.
    Report {
        /// At which resource.
        resource: Resource,
        /// The metrics.
        metrics: BTreeMap<String, Number>,
    },
    /// A checkpoint lies in the staging directory, hashed and on disk.
    Staged(Staged),
    /// The trial offered what is no checkpoint.
    Unfit {
        /// The name that it gave.
        name: String,
        /// Why it is refused.
        why: String,
    },
    /// Something that a person should see.
    Note {
        /// One sentence.
        text: String,
    },
    /// The trial's process ended; how follows when its last checkpoints are answered.
    Left,
    /// The trial ended, and all that it started is gone.
    Ended {
        /// How.
        exit: Exit,
        /// What it used up.
        usage: Usage,
    },
}

/// A checkpoint that waits for its publication.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Staged {
    /// The name that the trial gave it: `<staging>/<name>.ready`.
    pub name: String,
    /// The resource at which it was taken.
    pub resource: Resource,
    /// Its files, in the order of their paths.
    pub files: Vec<FileEntry>,
    /// From the moment when it was seen until its files were hashed and on disk.
    pub seconds: Seconds,
}

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path below the checkpoint's directory, with `/`.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// Their BLAKE3 hash, in hex.
    pub blake3: String,
}

/// How a process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code, if it exited.
    pub code: Option<i32>,
    /// The signal, if one ended it.
    pub signal: Option<i32>,
    /// What says that the kernel killed for memory.
    pub out_of_memory: Option<String>,
    /// Whether the shell of `setup` stood before the program.
    pub shell: bool,
}

/// One message as a line, its newline included.
pub fn line<T: Serialize>(message: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_and_comes_back_as_it_was() {
        let report = FromAgent::Report { resource: Resource(3), metrics: [("a\nb".to_owned(), Number(f64::INFINITY))].into() };
        let text = line(&report).unwrap();
        assert_eq!(text.iter().filter(|b| **b == b'\n').count(), 1);
        assert_eq!(serde_json::from_slice::<FromAgent>(&text).unwrap(), report);
        let start = ToAgent::Start(Box::new(Start { nonce: "n".into(), command: vec!["x".into()], ..Start::default() }));
        assert_eq!(serde_json::from_slice::<ToAgent>(&line(&start).unwrap()).unwrap(), start);
    }
}
