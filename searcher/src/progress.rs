//! Progress for a person who waits: a line a bracket, rungs filling, and the best so far with the time left. Nothing
//! where nobody looks.

use std::time::Duration;

use bandmaster_record::Number;
use bandmaster_search::{RungState, SweepState};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The lines of one sweep.
#[derive(Default)]
pub struct Progress {
    screen: MultiProgress,
    total: Option<ProgressBar>,
    brackets: Vec<ProgressBar>,
}

impl Progress {
    /// Nothing is shown yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows where the sweep stands.
    pub fn show(&mut self, state: &SweepState) {
        let total = self.total.get_or_insert_with(|| {
            let bar = self.screen.add(ProgressBar::new(0));
            bar.set_style(style("{bar:30} {pos}/{len} segments  {msg}"));
            bar
        });
        let progress = state.progress();
        total.set_length(progress.planned);
        total.set_position(progress.settled);
        total.set_message(summary(state, progress.remaining));
        for (index, bracket) in state.brackets.iter().enumerate() {
            if self.brackets.len() <= index {
                let line = self.screen.add(ProgressBar::new_spinner());
                line.set_style(style("{msg}"));
                self.brackets.push(line);
            }
            if let (Some(line), Some(planned)) = (self.brackets.get(index), state.ladder.brackets.get(index)) {
                let rungs = planned.rungs.iter().enumerate().map(|(rung, plan)| {
                    let there = match bracket.rungs.get(rung) {
                        Some(RungState::Open { members, standings }) => format!("{}/{members}", standings.len()),
                        Some(RungState::Decided { finished, failed, .. }) => format!("{} done", finished + failed),
                        None => format!("{} to come", plan.trials),
                    };
                    format!("{}: {there}", plan.resource)
                });
                let name = if planned.anchors { "anchors".to_owned() } else { format!("bracket {}", planned.s) };
                line.set_message(format!("  {name:<11} {}", rungs.collect::<Vec<_>>().join("   ")));
            }
        }
    }

    /// A sentence above the lines.
    pub fn say(&self, text: &str) {
        // Only a terminal shows it, and only for a person: that it cannot be shown is no error.
        let _ = self.screen.println(text);
    }

    /// Takes the lines away.
    pub fn clear(&self) {
        let _ = self.screen.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn summary(state: &SweepState, remaining: u64) -> String {
    let mut parts = Vec::new();
    if let Some((resource, best)) = state.best.last_key_value()
        && let Some(Number(value)) = best.value
    {
        parts.push(format!("best {value:.5} (trial {} at {resource})", best.trial));
    }
    if state.failed > 0 {
        parts.push(format!("{} failed", state.failed));
    }
    let (seconds, gained) = state.pace;
    let busy = state.slots.values().filter(|slot| slot.running.is_some()).count().max(1);
    if gained > 0 && remaining > 0 {
        let left = seconds.0 / gained as f64 * remaining as f64 / busy as f64;
        parts.push(format!("about {} left", indicatif::HumanDuration(Duration::from_secs_f64(left.min(1e9)))));
    }
    parts.join("  ")
}
