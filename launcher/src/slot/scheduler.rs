//! What a slot asks the scheduler whose job it is: how much time is left, and why the job's end is asked for. A slot that
//! nobody schedules asks nobody.

use std::time::Duration;

use bandmaster_record::{Cause, ClusterKind};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::run::Options;
use crate::say::say;
use crate::segment::Notice;
use crate::slurm::ask::{Question, ask, now};
use crate::slurm::why::{self, Told};
use crate::slurm::{limit, why::reason};

/// The slot's side of its scheduler.
#[derive(Debug)]
pub(super) struct Scheduler {
    /// Its job, as in `12_3`; `None` without Slurm.
    job: Option<String>,
    /// How often the job had been requeued when this run of it began.
    restarts: u64,
    /// The signal that asked for the end.
    signal: Option<i32>,
    asking: Option<JoinHandle<Told>>,
    told: Option<Told>,
    /// How often it asked.
    asked: u32,
}

impl Scheduler {
    pub(super) fn new(cluster: ClusterKind, options: &Options) -> Self {
        Self {
            job: (cluster == ClusterKind::Slurm).then(|| format!("{}_{}", options.job, options.task)),
            restarts: variable("SLURM_RESTART_COUNT").unwrap_or(0),
            signal: None,
            asking: None,
            told: None,
            asked: 0,
        }
    }

    /// Whether there is one.
    pub(super) fn exists(&self) -> bool {
        self.job.is_some()
    }

    /// When the job's time is over; `None` if it is not known, or never.
    pub(super) async fn end(&mut self) -> Option<Instant> {
        let job = self.job.clone()?;
        self.asked += 1;
        let told = ask(job, Question::Job).await;
        let left = match &told.job {
            // A job may have been requeued again since this run of it began.
            Some(job) => {
                self.restarts = self.restarts.min(job.restarts.unwrap_or(u64::MAX));
                limit::left(job, now())
            }
            None => {
                say(format_args!("the job's time limit is not known: {}", told.trouble));
                variable("SLURM_JOB_END_TIME").map(|end| Duration::from_secs(end.saturating_sub(now())))
            }
        };
        Instant::now().checked_add(left?)
    }

    /// A signal asks for the job's end: begins to find out why, unless it was begun before. Without a scheduler, and where
    /// it has answered already, the answer.
    pub(super) fn signalled(&mut self, signal: i32) -> Option<Notice> {
        let signal = *self.signal.get_or_insert(signal);
        let Some(job) = &self.job else {
            return Some(Notice {
                reason: crate::wire::StopReason::Asked,
                left: None,
                evidence: format!("by {}", crate::segment::signal_name(signal)),
            });
        };
        if self.told.is_none() && self.asking.is_none() {
            self.asked += 1;
            self.asking = Some(tokio::spawn(ask(job.clone(), Question::End)));
        }
        self.notice()
    }

    /// The answer, when it comes. Nothing is lost when the future is dropped.
    pub(super) async fn answer(&mut self) -> Option<Notice> {
        let Some(asking) = &mut self.asking else { return std::future::pending().await };
        // It fails only when the runtime ends.
        let told = asking.await.unwrap_or_default();
        self.asking = None;
        self.told = Some(told);
        self.notice()
    }

    /// An agent is gone: what became of its attempt, by what the scheduler says now and what it printed beside the agent.
    /// Where a signal had asked for the end, the reason for that too.
    pub(super) async fn explain(&mut self, words: &[String]) -> (Cause, String, Option<Notice>) {
        let Some(job) = self.job.clone() else { return (Cause::Lost, String::new(), None) };
        if self.asking.is_some() {
            self.answer().await;
        }
        let told = match &self.told {
            Some(told) => told.clone(),
            None => {
                self.asked += 1;
                ask(job, Question::Job).await
            }
        };
        let (cause, evidence) = why::gone(&told, words, self.restarts, now());
        (cause, evidence, self.notice())
    }

    /// How often it asked.
    pub(super) fn asked(&self) -> u32 {
        self.asked
    }

    fn notice(&self) -> Option<Notice> {
        Some(reason(self.signal?, self.told.as_ref()?, self.restarts, now()))
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        if let Some(asking) = &self.asking {
            asking.abort();
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
