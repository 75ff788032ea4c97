//! One attempt, from the claim to the record of its end.

use std::time::Duration;

use bandmaster_journal::crash_point;
use bandmaster_record::{AttemptRef, Cause, Seconds, SlotRecord, Usage};
use tokio::time::{Instant, sleep_until};

use super::agent::next;
use super::offers::Claimed;
use super::prepare;
use super::publication::Publication;
use super::run::Slot;
use crate::checkpoint::{interval, staging};
use crate::failure::Failure;
use crate::segment::{Action, Event, Machine, Notice, Verdict};
use crate::wire::{FromAgent, Start, ToAgent};

/// What woke the loop.
enum Woken {
    Agent(Option<FromAgent>),
    Signal(i32),
    /// The scheduler said why.
    Told(Option<Notice>),
    Time,
}

/// One attempt while it runs.
struct Attempt {
    attempt: AttemptRef,
    nonce: String,
    machine: Machine,
    publication: Publication,
    /// The machine's time begins here.
    origin: Instant,
    group: Option<i32>,
    usage: Usage,
}

/// Runs a claimed segment, and journals it to its end.
pub(super) async fn run(slot: &mut Slot, claimed: Claimed) -> Result<(), Failure> {
    let (attempt, sweep) = (claimed.segment.attempt, slot.campaign.sweep(&slot.sweep));
    slot.describe_surroundings().await?;
    let choice = prepare::find_checkpoint(&slot.campaign, &slot.sweep, &claimed.segment).await;
    let settings = &slot.array.trial;
    let wanted_interval = settings.checkpoint_interval.unwrap_or_else(|| interval::reckon(slot.checkpoint_cost));
    let start = prepare::start(settings, &slot.sweep, &claimed, &choice, wanted_interval);
    let (start, impossible) = match start {
        Ok(start) => (start, None),
        Err(error) => (Default::default(), Some(format!("its command cannot be built: {error}"))),
    };
    let mut start = Box::new(start);
    start.log = sweep.log(&slot.id, &attempt);
    slot.patience.until(|| prepare::make_log(&start.log)).await?;
    start.staging = slot.patience.until(|| staging::open(&sweep, attempt)).await?;
    slot.journal.append(&prepare::started(&slot.campaign, &claimed, choice, &start))?;
    let span = (claimed.segment.from, claimed.segment.target);
    let mut running = Attempt {
        attempt,
        nonce: claimed.nonce.to_string(),
        machine: Machine::new(prepare::rules(&slot.array.trial, &claimed.segment, slot.time_for_segment())),
        publication: Publication::new(&slot.campaign, &slot.sweep, attempt, claimed.nonce, span, start.staging.clone()),
        origin: Instant::now(),
        group: None,
        usage: Usage::default(),
    };
    let verdict = match impossible.and_then(|why| running.decide(&Event::CannotStart(&why)).and_then(finished)) {
        Some(verdict) => verdict,
        None => match running.supervise(slot, start).await {
            Ok(verdict) => verdict,
            Err(failure) => return Err(running.fail(slot, failure).await),
        },
    };
    running.end(slot, verdict).await?;
    slot.patience.until(|| staging::close(&sweep, attempt)).await?;
    slot.check_agents()
}

fn finished(action: Action) -> Option<Verdict> {
    match action {
        Action::Finish(verdict) | Action::Abandon(verdict) => Some(verdict),
        Action::Stop { .. } | Action::Kill => None,
    }
}

impl Attempt {
    fn decide(&mut self, event: &Event<'_>) -> Option<Action> {
        self.machine.handle(self.origin.elapsed(), event.clone())
    }

    /// Until the attempt is over.
    async fn supervise(&mut self, slot: &mut Slot, start: Box<Start>) -> Result<Verdict, Failure> {
        slot.agent()?.tell(&ToAgent::Start(start)).await;
        loop {
            let deadline = self.machine.deadline().map(|deadline| self.origin + deadline);
            let due = [deadline, slot.journal.due(), self.publication.due(), slot.wanted.due()].into_iter().flatten().min();
            let (agent, signals, stopping) = (&mut slot.agent, &mut slot.signals, slot.stopping.is_some());
            let scheduler = &mut slot.scheduler;
            let woken = tokio::select! {
                message = next(agent) => Woken::Agent(message),
                signal = signals.next(), if !stopping => Woken::Signal(signal),
                notice = scheduler.answer() => Woken::Told(notice),
                () = sleep_until(due.unwrap_or_else(far)), if due.is_some() => Woken::Time,
            };
            let action = match woken {
                Woken::Agent(message) => self.hear(slot, message).await?,
                Woken::Signal(signal) => self.stop_for(slot, signal),
                Woken::Told(notice) => self.ask_to_stop(slot, notice.as_ref()),
                Woken::Time => self.pass(slot)?,
            };
            match action {
                Some(Action::Stop { reason, grace }) => {
                    slot.reason = Some(reason);
                    tell(slot, ToAgent::Stop { reason, grace: Seconds(grace.as_secs_f64()) }).await;
                }
                Some(Action::Kill) => tell(slot, ToAgent::Kill).await,
                Some(Action::Finish(verdict)) => return Ok(verdict),
                Some(Action::Abandon(verdict)) => {
                    self.usage.wall = Seconds(self.origin.elapsed().as_secs_f64());
                    slot.drop_agent(self.group, &self.nonce).await;
                    return Ok(verdict);
                }
                None => {}
            }
            self.answer(slot).await?;
        }
    }

    async fn hear(&mut self, slot: &mut Slot, message: Option<FromAgent>) -> Result<Option<Action>, Failure> {
        let attempt = self.attempt;
        Ok(match message {
            Some(FromAgent::Started { pid }) => {
                self.group = Some(pid);
                self.decide(&Event::Started)
            }
            Some(FromAgent::Report { resource, metrics }) => {
                let action = self.decide(&Event::Report(resource, &metrics));
                slot.journal.append(&SlotRecord::Report { attempt, resource, metrics })?;
                action
            }
            Some(FromAgent::Staged(staged)) => {
                self.publication.offer(staged, &mut slot.journal)?;
                None
            }
            Some(FromAgent::Unfit { name, why }) => {
                self.publication.refuse(name, why, &mut slot.journal)?;
                None
            }
            Some(FromAgent::Note { text }) => {
                slot.journal.append(&SlotRecord::Note { attempt, text })?;
                None
            }
            Some(FromAgent::Signalled { signal }) => self.stop_for(slot, signal),
            Some(FromAgent::CannotStart { why }) => self.decide(&Event::CannotStart(&why)),
            Some(FromAgent::Left) => self.decide(&Event::Left),
            Some(FromAgent::Ended { exit, usage }) => {
                self.usage = usage;
                self.decide(&Event::Ended(&exit))
            }
            Some(FromAgent::Ready { .. }) => None,
            None => {
                self.usage.wall = Seconds(self.origin.elapsed().as_secs_f64());
                let gone = slot.lose_agent(self.group, &self.nonce).await;
                let (cause, evidence, notice) = slot.scheduler.explain(&gone.words).await;
                if notice.is_some() {
                    // There is nobody left to be told to stop.
                    self.ask_to_stop(slot, notice.as_ref());
                }
                // Slurm's last line may be all the evidence.
                let more = !evidence.is_empty() && gone.words.last() != Some(&evidence);
                let why = if more { format!("{gone}; {evidence}") } else { gone.to_string() };
                self.decide(&Event::AgentGone(cause, &why))
            }
        })
    }

    /// A signal asks for the slot's end.
    fn stop_for(&mut self, slot: &mut Slot, signal: i32) -> Option<Action> {
        slot.stop(signal);
        let notice = slot.scheduler.signalled(signal);
        self.ask_to_stop(slot, notice.as_ref())
    }

    /// The slot is to end, for a reason that is known or not yet.
    fn ask_to_stop(&mut self, slot: &mut Slot, notice: Option<&Notice>) -> Option<Action> {
        slot.reason = notice.map(|notice| notice.reason).or(slot.reason);
        self.decide(&Event::StopAsked(notice))
    }

    /// What is due by now.
    fn pass(&mut self, slot: &mut Slot) -> Result<Option<Action>, Failure> {
        let now = Instant::now();
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.publication.due()) {
            self.publication.work(&mut slot.journal)?;
        }
        if due(slot.journal.due()) {
            slot.journal.try_sync()?;
        }
        slot.wanted.check();
        Ok(self.decide(&Event::Passed))
    }

    /// Answers what the trial offered, once the journal is on disk.
    async fn answer(&mut self, slot: &mut Slot) -> Result<(), Failure> {
        // A full disk is tried again when the journal is due, not at every message.
        let waits = slot.journal.is_waiting();
        if !self.publication.has_answers() || waits || !slot.journal.try_sync()? {
            return Ok(());
        }
        crash_point("launch.answer");
        for answer in self.publication.take_answers() {
            tell(slot, answer).await;
        }
        Ok(())
    }

    /// The slot cannot go on: the trial is gone with the agent, and its end is written down if that can be.
    async fn fail(mut self, slot: &mut Slot, failure: Failure) -> Failure {
        slot.dismiss_agent().await;
        self.usage.wall = Seconds(self.origin.elapsed().as_secs_f64());
        if let Some(verdict) = self.decide(&Event::AgentGone(Cause::Lost, &failure.to_string())).and_then(finished) {
            let _ = self.end(slot, verdict).await;
        }
        failure
    }

    /// Journals the end, durably, and says that there is something to observe.
    async fn end(self, slot: &mut Slot, verdict: Verdict) -> Result<(), Failure> {
        let Verdict { cause, exit_code, signal, detail, result } = verdict;
        slot.checkpoint_cost = self.publication.cost.or(slot.checkpoint_cost);
        slot.journal.append(&SlotRecord::AttemptEnded {
            attempt: self.attempt,
            cause,
            exit_code,
            signal,
            detail,
            result,
            checkpointed: self.publication.furthest,
            usage: self.usage,
        })?;
        slot.journal.sync().await?;
        crash_point("launch.attempt.ended");
        slot.wanted.leave();
        Ok(())
    }
}

async fn tell(slot: &mut Slot, message: ToAgent) {
    if let Some(agent) = &mut slot.agent {
        agent.tell(&message).await;
    }
}

/// A time that is never waited for.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}
