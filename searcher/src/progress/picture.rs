//! What is shown of a sweep, as text: decided from its state alone.

use std::collections::BTreeSet;

use bandmaster_record::{Number, Phase, Resource};
use bandmaster_search::{RungState, SweepState};

use crate::output::{readable_number, readable_seconds};

/// So many brackets at most: the lines must stay on the screen.
const MOST_BRACKETS: usize = 8;

/// Lines, the most important first in each: they are cut where the terminal ends.
pub(super) struct Picture {
    /// Segments that are in …
    pub(super) settled: u64,
    /// … of so many.
    pub(super) planned: u64,
    /// The line beside the bar.
    pub(super) total: String,
    /// The lines below.
    pub(super) lines: Vec<String>,
}

pub(super) fn picture(state: &SweepState) -> Picture {
    let progress = state.progress();
    // Not what runs at this moment: short segments come and go between two looks.
    let slots = state.slots.len();
    let counted = if slots == 1 { "1 slot".to_owned() } else { format!("{slots} slots") };
    let mut total = vec![format!("{}/{} segments", progress.settled, progress.planned)];
    match state.phase {
        Phase::Running => {
            total.push(counted);
            total.extend(left(state, progress.remaining, slots));
        }
        phase if slots > 0 => total.push(format!("{}, {counted} stopping", phase.as_str())),
        phase => total.push(phase.as_str().to_owned()),
    }
    let mut lines = vec![best(state)];
    lines.extend(table(state));
    Picture { settled: progress.settled, planned: progress.planned, total: total.join(", "), lines }
}

/// The time left at the pace of the segments so far, if as many slots go on.
fn left(state: &SweepState, remaining: u64, slots: usize) -> Option<String> {
    let (seconds, gained) = state.pace;
    if gained == 0 || remaining == 0 {
        return None;
    }
    let left = seconds.0 / gained as f64 * remaining as f64 / slots.max(1) as f64;
    // Tenths of a second would only flicker.
    Some(format!("about {} left", readable_seconds(left.min(1e9).ceil())))
}

fn best(state: &SweepState) -> String {
    let mut text = match state.best.last_key_value() {
        Some((resource, best)) if let Some(value) = best.value.filter(|Number(value)| value.is_finite()) => {
            format!("best {}: trial {} at {resource}", readable_number(value), best.trial)
        }
        _ => "no result yet".to_owned(),
    };
    if state.failed > 0 {
        text.push_str(&format!("; {} failed", state.failed));
    }
    text
}

/// A row a bracket, a column a resource: `5/9` of a rung's trials are in. Decided brackets go first where there is no
/// room for all.
fn table(state: &SweepState) -> Vec<String> {
    let levels: BTreeSet<Resource> = state.ladder.brackets.iter().flat_map(|bracket| &bracket.rungs).map(|rung| rung.resource).collect();
    let mut rows: Vec<(bool, Vec<String>)> = Vec::new();
    for (plan, bracket) in state.ladder.brackets.iter().zip(&state.brackets) {
        let decided = bracket.rungs.len() == plan.rungs.len() && bracket.rungs.iter().all(|rung| matches!(rung, RungState::Decided { .. }));
        let mut row = vec![if plan.anchors { "anchors".to_owned() } else { format!("bracket {}", plan.s) }];
        for level in &levels {
            let rung = plan.rungs.iter().position(|rung| rung.resource == *level);
            row.push(rung.map_or_else(String::new, |rung| match (bracket.rungs.get(rung), plan.rungs.get(rung)) {
                (Some(RungState::Open { members, standings }), _) => format!("{}/{members}", standings.len()),
                (Some(RungState::Decided { finished, failed, .. }), _) => format!("{0}/{0}", finished + failed),
                (None, planned) => format!("0/{}", planned.map_or(0, |planned| planned.trials)),
            }));
        }
        rows.push((decided, row));
    }
    let all = rows.len();
    while rows.len() > MOST_BRACKETS {
        let goes = rows.iter().position(|(decided, _)| *decided).unwrap_or(rows.len() - 1);
        rows.remove(goes);
    }
    let left_out = all - rows.len();
    let head = std::iter::once("resource".to_owned()).chain(levels.iter().map(ToString::to_string)).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows.into_iter().map(|(_, row)| row)).collect();
    let widths: Vec<usize> =
        (0..=levels.len()).map(|column| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    if left_out > 0 {
        lines.push(format!("  and {left_out} more: `bandmaster rungs {}`", state.sweep));
    }
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::live::Sweeps;

    /// Its sweep's state, as a tick has it.
    pub(crate) fn state(fixture: &Fixture) -> SweepState {
        let mut sweeps = Sweeps::default();
        let work = fixture.campaign.work_db(bandmaster_record::Epoch(9));
        bandmaster_ledger::rebuild(&fixture.campaign, &work, &mut sweeps).unwrap();
        std::fs::remove_file(work).unwrap();
        sweeps.get(&"digits-1".parse().unwrap()).unwrap().state.clone()
    }

    fn text(state: &SweepState) -> String {
        let Picture { total, lines, .. } = picture(state);
        format!("{total}\n{}", lines.join("\n"))
    }

    #[test]
    fn a_sweep_is_shown_from_its_first_segment_to_its_last() {
        let running = state(&Fixture::running(12));
        let mut paused = running.clone();
        paused.phase = Phase::Paused;
        let mut idle = paused.clone();
        idle.slots.clear();
        let all = [&state(&Fixture::running(0)), &running, &paused, &idle, &state(&Fixture::finished())].map(text);
        insta::assert_snapshot!(all.join("\n\n"));
    }

    #[test]
    fn of_many_brackets_those_are_shown_that_are_not_decided() {
        let mut many = state(&Fixture::finished());
        let begun = state(&Fixture::running(12));
        for _ in 0..5 {
            many.ladder.brackets.extend(begun.ladder.brackets.clone());
            many.brackets.extend(begun.brackets.clone());
        }
        let shown = text(&many);
        assert_eq!(shown.lines().count(), 2 + 1 + MOST_BRACKETS + 1, "{shown}");
        assert!(shown.ends_with("and 10 more: `bandmaster rungs digits-1`"), "{shown}");
        assert!(!shown.contains("1/1"), "decided brackets go first: {shown}");
    }
}
