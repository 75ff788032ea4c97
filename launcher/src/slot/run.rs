//! The life of a slot: its start, segment after segment, its end.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use bandmaster_journal::{
    Campaign, Created, FileError, Identity, check_campaign, crash_point, create_once, make_dir, make_dirs, nonce, read_owned,
};
use bandmaster_record::{ArrayFile, ArrayNo, JobId, JournalId, Seconds, SlotId, SlotRecord, Surroundings, SweepId};
use tokio::time::{Instant, sleep};

use super::agent::{Agent, Gone, next};
use super::attempt;
use super::journal::SlotJournal;
use super::offers::Offers;
use super::patience::Patience;
use super::prepare::duration;
use super::scheduler::Scheduler;
use super::wanted::Wanted;
use crate::failure::Failure;
use crate::say::say;
use crate::segment::signal_name;
use crate::signals::Signals;
use crate::slurm::limit;
use crate::surroundings;
use crate::wire::{FromAgent, StopReason};

/// The exit code of a slot that was asked to stop.
pub const STOPPED: u8 = 85;

/// How often a slot without work looks for an offer.
const POLL: Duration = Duration::from_millis(50);

/// How long a tick that the slot started may take when the slot is at its end and takes it along.
const TICK: Duration = Duration::from_secs(60);

/// So often in a row agents may die before they started anything.
const AGENTS: usize = 3;

/// After this the surroundings are looked at again.
const SURROUNDINGS: Duration = Duration::from_secs(60);

/// What a slot is told on its command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// The campaign's directory.
    pub campaign: PathBuf,
    /// The sweep.
    pub sweep: SweepId,
    /// The array.
    pub array: ArrayNo,
    /// The task's index in it.
    pub task: u32,
    /// The array's job id.
    pub job: JobId,
}

/// A slot at work.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) campaign: Campaign,
    pub(super) sweep: SweepId,
    pub(super) id: SlotId,
    pub(super) array: ArrayFile,
    pub(super) journal: SlotJournal,
    pub(super) signals: Signals,
    /// The signal that asked for the end.
    pub(super) stopping: Option<i32>,
    /// Why the last trial was asked to stop.
    pub(super) reason: Option<StopReason>,
    pub(super) scheduler: Scheduler,
    /// When the job's time is over.
    ends: Option<Instant>,
    pub(super) wanted: Wanted,
    pub(super) patience: Patience,
    pub(super) agent: Option<Agent>,
    /// What a checkpoint cost the last time.
    pub(super) checkpoint_cost: Option<Seconds>,
    /// How the agents went of which none had started anything, one after another.
    agents_lost: Vec<String>,
    surroundings: Option<(Surroundings, Instant)>,
}

/// Runs a slot to its end, and returns the process's exit code.
pub async fn run(options: Options) -> Result<u8, Failure> {
    let signals = Signals::listen().map_err(Failure::system("listen for signals"))?;
    let root = std::path::absolute(&options.campaign).map_err(FileError::at("find", &options.campaign))?;
    let campaign = Campaign::at(root);
    check_campaign(&campaign)?;
    let array = read_array(&campaign, &options)?;
    let mut patience = Patience::default();
    let owner = campaign.sweep(&options.sweep).owner(options.array);
    let mine = patience.until(|| create_once(&owner, options.job.as_str().as_bytes())).await?;
    crash_point("launch.owned");
    if let Created::Theirs(job) = mine {
        say(format_args!("array {} belongs to job {}: nothing to do", options.array, String::from_utf8_lossy(&job)));
        return Ok(0);
    }
    let mut slot = Slot::open(campaign, array, &options, signals, patience).await?;
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stdout(), "ready {}", slot.id);
    match slot.work(options.task).await {
        Ok(why) => slot.close(why).await,
        Err(failure) => {
            // It is the failure that is told, and not that it could not be written down: the journal may be what failed.
            let _ = slot.end(failure.to_string()).await;
            Err(failure)
        }
    }
}

fn read_array(campaign: &Campaign, options: &Options) -> Result<ArrayFile, Failure> {
    let path = campaign.sweep(&options.sweep).array(options.array);
    let content = match read_owned(&path) {
        Err(error) if error.is_missing() => {
            return Err(Failure::NoArray { sweep: options.sweep.clone(), array: options.array, path: path.display().to_string() });
        }
        content => content?,
    };
    serde_json::from_slice(&content).map_err(|error| Failure::NotUnderstood { path: path.display().to_string(), why: error.to_string() })
}

impl Slot {
    /// Makes the slot's directory and its journal, durably.
    async fn open(
        campaign: Campaign,
        array: ArrayFile,
        options: &Options,
        signals: Signals,
        mut patience: Patience,
    ) -> Result<Self, Failure> {
        let id = SlotId::new(format!("{}_{}.{}", options.job, options.task, nonce())).map_err(|error| Failure::Usage(error.to_string()))?;
        let sweep = campaign.sweep(&options.sweep);
        patience.until(|| make_dirs(&sweep.slots()).and_then(|()| make_dirs(&sweep.claims()))).await?;
        patience.until(|| make_dir(&sweep.slot(&id))).await?;
        crash_point("launch.slot.made");
        let path = campaign.journal(&JournalId::Slot(options.sweep.clone(), id.clone()));
        let mut journal = patience.until(|| SlotJournal::create(&path)).await?;
        let me = Identity::current().map_err(Failure::system("learn who this process is"))?;
        journal.append(&SlotRecord::SlotStarted {
            slot: id.clone(),
            array: options.array,
            job: options.job.clone(),
            task: options.task,
            host: me.host,
            pid: me.pid,
            start_time: me.start_time,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })?;
        journal.sync().await?;
        crash_point("launch.slot.started");
        let wanted = Wanted::new(&campaign, &id, array.searcher.as_deref());
        let scheduler = Scheduler::new(array.cluster, options);
        Ok(Self {
            campaign,
            sweep: options.sweep.clone(),
            id,
            array,
            journal,
            signals,
            stopping: None,
            reason: None,
            scheduler,
            ends: None,
            wanted,
            patience,
            agent: None,
            checkpoint_cost: None,
            agents_lost: Vec::new(),
            surroundings: None,
        })
    }

    /// Runs what is there for it to run. Why it ends, for people.
    async fn work(&mut self, task: u32) -> Result<String, Failure> {
        self.agent()?;
        self.ends = self.scheduler.end().await;
        if self.array.reserved.is_empty() { self.serve().await } else { self.serve_reserved(task).await }
    }

    /// Runs what is offered until there is nothing for a while, or somebody asks for the end. Why it ends, for people.
    async fn serve(&mut self) -> Result<String, Failure> {
        let idle = duration(self.array.idle);
        let mut offers = Offers::new(self.campaign.sweep(&self.sweep));
        let mut last = Instant::now();
        loop {
            if let Some(signal) = self.stopping {
                return Ok(format!("it was asked to stop by {}", signal_name(signal)));
            }
            if let Some(why) = self.too_late() {
                return Ok(why);
            }
            match offers.take(&self.id) {
                Ok(Some(claimed)) => {
                    self.patience.end();
                    attempt::run(self, claimed).await?;
                    self.ends = self.scheduler.end().await;
                    last = Instant::now();
                    // A signal that came at the attempt's very end.
                    self.rest(Duration::ZERO).await?;
                    continue;
                }
                Ok(None) if last.elapsed() >= idle => return Ok(format!("there was no offer for {} s", idle.as_secs_f64())),
                Ok(None) => self.rest(POLL).await?,
                Err(error) => {
                    let pause = self.patience.wait(error)?;
                    self.rest(pause).await?;
                }
            }
        }
    }

    /// How long a segment that begins now may run before its job's end; `None` without such an end.
    pub(super) fn time_for_segment(&self) -> Option<Duration> {
        let left = self.ends?.saturating_duration_since(Instant::now());
        Some(limit::time_for_segment(left, duration(self.array.trial.stop_grace)).unwrap_or_default())
    }

    /// Why no segment should begin any more, if so.
    pub(super) fn too_late(&self) -> Option<String> {
        self.time_for_segment().filter(Duration::is_zero).map(|_| limit::too_late(self.array.trial.stop_grace))
    }

    /// Waits without a trial: hears signals, looks after the agent, and after the wanted file.
    pub(super) async fn rest(&mut self, pause: Duration) -> Result<(), Failure> {
        self.agent()?;
        let (agent, signals) = (&mut self.agent, &mut self.signals);
        let signal = tokio::select! {
            biased;
            signal = signals.next() => Some(signal),
            message = next(agent) => match message {
                Some(FromAgent::Signalled { signal }) => Some(signal),
                Some(_) => None,
                None => {
                    self.lose_agent(None, "").await;
                    self.check_agents()?;
                    None
                }
            },
            () = wait(pause) => None,
        };
        if let Some(signal) = signal {
            self.stop(signal);
        }
        self.wanted.check();
        if self.journal.due().is_some_and(|due| due <= Instant::now()) {
            self.journal.try_sync()?;
        }
        Ok(())
    }

    /// Asks this slot to end. A second asking changes nothing.
    pub(super) fn stop(&mut self, signal: i32) {
        if self.stopping.is_none() {
            say(format_args!("{}: stopping", signal_name(signal)));
            self.stopping = Some(signal);
        }
    }

    /// The agent, started if there is none.
    pub(super) fn agent(&mut self) -> Result<&mut Agent, Failure> {
        let agent = match self.agent.take() {
            Some(agent) => agent,
            None => Agent::start(self.array.cluster, self.array.trial.cpus)?,
        };
        Ok(self.agent.insert(agent))
    }

    /// Lets the agent go, and with it all that its trial left.
    pub(super) async fn dismiss_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.dismiss().await;
        }
    }

    /// Kills an agent that does not do what it is told, and what its trial left.
    pub(super) async fn drop_agent(&mut self, group: Option<i32>, nonce: &str) {
        if let Some(agent) = &mut self.agent {
            agent.kill();
        }
        self.lose_agent(group, nonce).await;
    }

    /// The agent is gone: ends what its trial left.
    pub(super) async fn lose_agent(&mut self, group: Option<i32>, nonce: &str) -> Gone {
        let Some(agent) = self.agent.take() else { return Gone { how: "its agent is gone".to_owned(), words: Vec::new() } };
        let proven = agent.proven;
        let gone = agent.bury(group, nonce).await;
        if proven {
            self.agents_lost.clear();
        } else {
            self.agents_lost.push(gone.to_string());
        }
        gone
    }

    /// Fails when agents do nothing but die.
    pub(super) fn check_agents(&self) -> Result<(), Failure> {
        match self.agents_lost.get(AGENTS - 1..).and_then(<[String]>::last) {
            Some(last) => Err(Failure::Agents(last.clone())),
            None => Ok(()),
        }
    }

    /// Journals what surrounds the attempts, if it is not known yet or changed.
    pub(super) async fn describe_surroundings(&mut self) -> Result<(), Failure> {
        if self.surroundings.as_ref().is_some_and(|(_, at)| at.elapsed() < SURROUNDINGS) {
            return Ok(());
        }
        let settings = self.array.trial.clone();
        let found = tokio::task::spawn_blocking(move || surroundings::collect(&settings)).await.unwrap_or_default();
        if self.surroundings.as_ref().is_none_or(|(known, _)| *known != found) {
            self.journal.append(&SlotRecord::Surroundings(Box::new(found.clone())))?;
        }
        self.surroundings = Some((found, Instant::now()));
        Ok(())
    }

    /// Closes the journal, durably.
    async fn end(&mut self, why: String) -> Result<(), Failure> {
        self.journal.append(&SlotRecord::SlotEnded { why })?;
        self.journal.sync().await?;
        crash_point("launch.slot.ended");
        self.wanted.leave();
        // It may take a while, and the end of a job does not wait.
        self.dismiss_agent().await;
        Ok(())
    }

    /// Ends the slot.
    async fn close(mut self, why: String) -> Result<u8, Failure> {
        self.end(why).await?;
        if !self.scheduler.exists() {
            // Who stops a slot of this machine looks after it.
            if self.stopping.is_none() {
                self.wanted.start_tick();
            }
        } else if self.stopping.is_none() || matches!(self.reason, Some(StopReason::Asked | StopReason::TimeLimit)) {
            self.wanted.start_tick();
            // With the batch process the scheduler ends all that it has started.
            let (signals, heeds) = (&mut self.signals, self.stopping.is_none());
            tokio::select! {
                () = self.wanted.finish_tick(TICK) => {}
                _ = signals.next(), if heeds => {}
            }
        }
        if self.scheduler.asked() > 0 {
            say(format_args!("Slurm was asked {} times about this job", self.scheduler.asked()));
        }
        Ok(if self.stopping.is_some() { STOPPED } else { 0 })
    }
}

/// Sleeps, or not at all: a timer of no time would still wait for the next millisecond.
async fn wait(pause: Duration) {
    if !pause.is_zero() {
        sleep(pause).await;
    }
}
