//! The agent's loop.

use std::io;
use std::time::Duration;

use nix::sys::prctl;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use super::memory::Kills;
use super::pipe::{Input, Output};
use super::reap;
use super::trial::Trial;
use super::watch::Watch;
use crate::contract::Home;
use crate::signals::Signals;
use crate::wire::{FromAgent, Start, ToAgent};

/// Why an agent cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Something that it needs of the system is not there.
    #[error("the agent cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// It was not started by a slot.
    #[error("the agent was told what it does not understand ({0}): it is started by `bandmaster-launch slot`, of the same version")]
    Protocol(String),
}

fn system(doing: &'static str) -> impl FnOnce(io::Error) -> AgentError {
    move |source| AgentError::System { doing, source }
}

struct Agent {
    home: Home,
    output: Output,
    watch: Watch,
    kills: Kills,
    trial: Option<Trial>,
    child: Signal,
}

/// What woke the loop.
enum Woken {
    Told(io::Result<Option<ToAgent>>),
    Child,
    Signal(i32),
    Look,
    Offer(FromAgent),
}

/// Serves the slot at the other end of stdin and stdout until it says `exit` or is gone. A trial that still runs then is
/// killed.
pub async fn run() -> Result<(), AgentError> {
    // Before anything else: a signal that arrives now must not kill what is to be supervised.
    let mut signals = Signals::listen().map_err(system("listen for signals"))?;
    let child = signal(SignalKind::child()).map_err(system("listen for signals"))?;
    prctl::set_child_subreaper(true).map_err(io::Error::from).map_err(system("become the reaper of its descendants"))?;
    let mut input = Input::stdin().map_err(system("read from its slot"))?;
    let output = Output::stdout().map_err(system("write to its slot"))?;
    let home = Home::create(&std::env::temp_dir()).map_err(system("make a private directory on this node"))?;
    let mut agent = Agent { home, output, watch: Watch::new(), kills: Kills::locate(), trial: None, child };
    let served = agent.serve(&mut input, &mut signals).await;
    agent.abandon().await;
    served
}

impl Agent {
    async fn serve(&mut self, input: &mut Input, signals: &mut Signals) -> Result<(), AgentError> {
        let ready = FromAgent::Ready { directory: self.home.path().to_owned() };
        let mut tell = vec![ready];
        let mut look = Instant::now();
        loop {
            for message in tell.drain(..) {
                match self.output.send(&message).await {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    Err(error) => return Err(system("write to its slot")(error)),
                }
            }
            let trial = self.trial.as_mut();
            let running = trial.is_some();
            let offer = async {
                match trial {
                    Some(trial) => trial.staging.next().await,
                    None => std::future::pending().await,
                }
            };
            let woken = tokio::select! {
                told = input.next() => Woken::Told(told),
                _ = self.child.recv() => Woken::Child,
                signal = signals.next() => Woken::Signal(signal),
                () = self.watch.changed() => Woken::Look,
                () = sleep_until(look), if running => Woken::Look,
                offer = offer => Woken::Offer(offer),
            };
            match woken {
                Woken::Told(Ok(None | Some(ToAgent::Exit))) => return Ok(()),
                Woken::Told(Ok(Some(message))) => self.obey(message, &mut tell)?,
                Woken::Told(Err(error)) => return Err(AgentError::Protocol(error.to_string())),
                Woken::Signal(signal) => tell.push(FromAgent::Signalled { signal }),
                Woken::Offer(offer) => tell.push(offer),
                Woken::Child | Woken::Look => {}
            }
            let more = self.look(&mut tell).await;
            look = Instant::now() + if more { Duration::ZERO } else { self.watch.poll() };
        }
    }

    fn obey(&mut self, message: ToAgent, tell: &mut Vec<FromAgent>) -> Result<(), AgentError> {
        match (message, &mut self.trial) {
            (ToAgent::Start(start), None) => self.start(start, tell),
            (ToAgent::Start(_), Some(_)) => return Err(AgentError::Protocol("start while a trial runs".to_owned())),
            (ToAgent::Stop { reason, grace }, Some(trial)) => {
                tell.extend(trial.stop(reason, grace).map(|text| FromAgent::Note { text }));
            }
            (ToAgent::Kill, Some(trial)) => trial.kill(),
            (ToAgent::Published { name }, Some(trial)) => trial.staging.published(&name),
            (ToAgent::Refused { name, why }, Some(trial)) => trial.staging.refused(&name, &why),
            // The trial ended while the message was under way.
            (ToAgent::Stop { .. } | ToAgent::Kill | ToAgent::Published { .. } | ToAgent::Refused { .. } | ToAgent::Exit, _) => {}
        }
        Ok(())
    }

    fn start(&mut self, start: Box<Start>, tell: &mut Vec<FromAgent>) {
        match Trial::start(&self.home, &self.kills, start) {
            Ok(trial) => {
                for dir in trial.directories() {
                    self.watch.add(dir);
                }
                tell.push(FromAgent::Started { pid: trial.pid().as_raw() });
                self.trial = Some(trial);
            }
            Err(why) => tell.push(FromAgent::CannotStart { why }),
        }
    }

    /// Looks at all that the trial may have changed. True when it must look again at once.
    async fn look(&mut self, tell: &mut Vec<FromAgent>) -> bool {
        let Some(trial) = &mut self.trial else { return false };
        let mut more = false;
        if trial.ended.is_none() {
            let ended = reap::has_ended(trial.pid());
            let (reports, rest) = trial.reports.read(false);
            more = rest;
            tell.extend(reports.into_iter().map(|report| FromAgent::Report { resource: report.resource, metrics: report.metrics }));
            trial.staging.look();
            if ended {
                tell.extend(trial.finish(&self.kills).await);
            }
        }
        if trial.ended.is_some() && trial.staging.is_idle() {
            tell.extend(trial.ended.take());
            self.trial = None;
            more = false;
        }
        more
    }

    /// Nobody listens any more: kills the trial, and waits until nothing of it is left.
    async fn abandon(&mut self) {
        let Some(trial) = self.trial.take() else { return };
        if trial.ended.is_some() {
            return;
        }
        trial.kill();
        for _ in 0..500 {
            if reap::has_ended(trial.pid()) {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
        reap::clear(trial.pid()).await;
    }
}
