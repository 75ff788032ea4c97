//! Before an attempt begins: which checkpoint it resumes, what it executes, and what must lie on the disk for it.

use std::path::Path;
use std::time::Duration;

use bandmaster_journal::{Campaign, FileError, crash_point, open_log};
use bandmaster_record::{CommandError, Execution, Seconds, Segment, SlotRecord, SweepId, TrialSettings};

use super::offers::Claimed;
use crate::checkpoint::choose::{Choice, choose};
use crate::segment::Rules;
use crate::wire::Start;

/// No span of a sweep is longer: some sums of larger ones cannot be told.
const LONGEST: f64 = 10.0 * 365.0 * 86_400.0;

/// A span that a sweep names.
pub(super) fn duration(seconds: Seconds) -> Duration {
    Duration::try_from_secs_f64(seconds.0.clamp(0.0, LONGEST)).unwrap_or_default()
}

/// What an attempt is measured by, when its job has `time` for it.
pub(super) fn rules(settings: &TrialSettings, segment: &Segment, time: Option<Duration>) -> Rules {
    Rules {
        target: segment.target,
        metric: settings.metric.clone(),
        time: settings.time.map(duration).into_iter().chain(time).min(),
        grace: duration(settings.stop_grace),
        start: time,
    }
}

/// Looks for the checkpoint to resume, away from the loop when there is one: its files are read.
pub(super) async fn find_checkpoint(campaign: &Campaign, sweep: &SweepId, segment: &Segment) -> Choice {
    let checkpoints = campaign.sweep(sweep).checkpoints(segment.attempt.trial);
    if !checkpoints.exists() {
        return Choice::default();
    }
    let (root, sweep, segment) = (campaign.root().to_owned(), sweep.clone(), segment.clone());
    // It fails only when the runtime ends.
    tokio::task::spawn_blocking(move || choose(&root, &checkpoints, &sweep, &segment)).await.unwrap_or_default()
}

/// What the agent is to start.
pub(super) fn start(
    settings: &TrialSettings,
    sweep: &SweepId,
    Claimed { segment, nonce }: &Claimed,
    choice: &Choice,
    interval: Seconds,
) -> Result<Start, CommandError> {
    let trial = format!("{sweep}/{}", segment.attempt.trial);
    let resume_from = choice.chosen.as_ref().map(|chosen| chosen.path.clone());
    let command = settings.command.expand(&|name| match name {
        "target" => Some(segment.target.to_string()),
        "max_resource" => Some(segment.max_resource.to_string()),
        "resume_from" => resume_from.as_ref().map(|path| path.display().to_string()),
        "seed" => Some(segment.seed.to_string()),
        "trial" => Some(trial.clone()),
        parameter => segment.params.get(parameter).map(ToString::to_string),
    })?;
    Ok(Start {
        nonce: nonce.to_string(),
        command,
        setup: settings.setup.clone(),
        environment: settings.environment.clone(),
        directory: settings.directory.clone().into(),
        params: segment.params.clone(),
        seed: segment.seed,
        from: segment.from,
        target: segment.target,
        max_resource: segment.max_resource,
        checkpoint_interval: interval,
        metric: settings.metric.clone(),
        source: settings.source.clone(),
        stop_signal: settings.stop_signal.clone(),
        resume_from,
        trial,
        ..Start::default()
    })
}

/// The record that the attempt begins.
pub(super) fn started(campaign: &Campaign, claimed: &Claimed, choice: Choice, start: &Start) -> SlotRecord {
    let below = |path: &Path| path.strip_prefix(campaign.root()).unwrap_or(path).display().to_string();
    SlotRecord::AttemptStarted {
        attempt: claimed.segment.attempt,
        nonce: claimed.nonce.clone(),
        resumed_from: choice.chosen.as_ref().map(|chosen| chosen.resource),
        checkpoint: choice.chosen.map(|chosen| below(&chosen.path)),
        passed_over: choice.passed_over,
        execution: Box::new(Execution {
            command: start.command.clone(),
            params: claimed.segment.params.clone(),
            seed: claimed.segment.seed,
            directory: start.directory.display().to_string(),
        }),
    }
}

/// Makes the attempt's log, empty.
pub(super) fn make_log(path: &Path) -> Result<(), FileError> {
    open_log(path)?;
    crash_point("launch.log.made");
    Ok(())
}
