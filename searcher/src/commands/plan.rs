//! `bandmaster plan`: brackets, rungs and bounds, before anything runs.

use std::io::Write;
use std::path::PathBuf;

use comfy_table::{CellAlignment, Table, presets};

use super::check::campaign_defaults;
use crate::failure::{Exit, Failure};
use crate::look::Look;
use crate::plan::{Plan, PlannedBracket};
use crate::sweepfile::{SweepFile, clock};
use bandmaster_record::Seconds;

/// What to plan.
#[derive(Debug, Clone)]
pub struct Args {
    /// The sweep.toml.
    pub file: PathBuf,
    /// The campaign whose defaults count.
    pub campaign: Option<PathBuf>,
    /// Whether a program reads the answer.
    pub json: bool,
    /// How it looks to a person.
    pub look: Look,
}

/// Writes the plan to `out`, and the file's warnings to `talk`.
///
/// # Errors
/// The file, or the campaign's, is wrong; the output cannot be written.
pub fn run(args: &Args, out: &mut dyn Write, talk: &mut dyn Write) -> Result<Exit, Failure> {
    let (sweep, warnings) = SweepFile::load(&args.file, &campaign_defaults(args.campaign.as_deref())?)?;
    for warning in &warnings {
        write!(talk, "{}", args.look.show(warning)).map_err(Failure::output)?;
    }
    let plan = Plan::of(&sweep);
    let written = if args.json {
        serde_json::to_writer_pretty(&mut *out, &plan).map_err(std::io::Error::from).and_then(|()| writeln!(out))
    } else {
        out.write_all(text(&plan).as_bytes())
    };
    written.map_err(Failure::output)?;
    Ok(Exit::Ok)
}

/// The plan as a person reads it.
pub fn text(plan: &Plan) -> String {
    let unit = &plan.unit;
    let mut lines = vec![
        format!("{}: {}, R = {} ({unit})", plan.sweep, plan.method, plan.max_resource),
        String::new(),
        rungs(plan).trim_fmt(),
        String::new(),
    ];
    if plan.repetitions() > 1 {
        lines.push(format!("The brackets are opened {} times, each time with new configurations.", plan.repetitions()));
    }
    lines.push(format!("{} trials in {} segments, at most:", plan.trials, plan.segments));
    lines.push(String::new());
    lines.push(resource(plan).trim_fmt());
    lines.push(String::new());
    match &plan.cost {
        None => lines.push("No bound in hours: `time` in [trial] would limit each segment.".to_owned()),
        Some(cost) => {
            let gpus = if cost.gpu_hours > 0.0 { format!(", {:.1} GPU-hours", cost.gpu_hours) } else { String::new() };
            let limit = clock(Seconds(cost.seconds_per_segment));
            lines.push(format!("A segment takes {limit} at most, all of them {:.1} core-hours{gpus}.", cost.core_hours));
            if cost.retries > 0 {
                lines.push(format!("A segment that fails is tried again up to {} times, on top of that.", cost.retries));
            }
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A table whose columns after the first are numbers.
fn numbers<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn resource(plan: &Plan) -> Table {
    let total = &plan.resource;
    let mut table = numbers(["", &plan.unit, "in R"]);
    table.add_row(["from scratch".to_owned(), total.from_scratch.to_string(), format!("{:.1}", total.from_scratch_in_r)]);
    table.add_row(["with resume".to_owned(), total.with_resume.to_string(), format!("{:.1}", total.with_resume_in_r)]);
    table
}

fn rungs(plan: &Plan) -> Table {
    let mut table = numbers(["bracket", "rung", &plan.unit, "trials", "promoted"]);
    for bracket in plan.one_repetition() {
        for row in rows(bracket) {
            table.add_row(row);
        }
    }
    table
}

fn rows(bracket: &PlannedBracket) -> Vec<[String; 5]> {
    let above = bracket.rungs.iter().skip(1).map(|rung| rung.trials.to_string()).chain(std::iter::once("-".to_owned()));
    let name = |rung: u32| match (rung, bracket.anchors) {
        (0, true) => "anchors".to_owned(),
        (0, false) => bracket.bracket.to_string(),
        _ => String::new(),
    };
    let row = |(rung, promoted): (&crate::plan::PlannedRung, String)| {
        [name(rung.rung), rung.rung.to_string(), rung.resource.to_string(), rung.trials.to_string(), promoted]
    };
    bracket.rungs.iter().zip(above).map(row).collect()
}
