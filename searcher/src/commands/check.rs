//! `bandmaster check`: all that is wrong with files, before anything runs.

use std::io::Write;
use std::path::{Path, PathBuf};

use miette::Severity;
use serde::Serialize;

use crate::campaignfile::{CampaignFile, Defaults};
use crate::failure::{Exit, Failure, FailureKind};
use crate::look::Look;
use crate::sweepfile::{Checked, Mistake, SweepFile, WrongFile};

/// What to check.
#[derive(Debug, Clone)]
pub struct Args {
    /// Files; one that is called campaign.toml is checked as such.
    pub files: Vec<PathBuf>,
    /// The campaign whose defaults count.
    pub campaign: Option<PathBuf>,
    /// Whether a program reads the answer.
    pub json: bool,
    /// How it looks to a person.
    pub look: Look,
}

/// Says for each file that it is right, or all that is wrong with it.
///
/// # Errors
/// The campaign's own campaign.toml is wrong, or the output cannot be written. Wrong files are no failure of the
/// command: they are what it tells, and its exit code says so.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let defaults = campaign_defaults(args.campaign.as_deref())?;
    let answers: Vec<Answer> = args.files.iter().map(|file| Answer::of(file, &defaults)).collect();
    let wrong = answers.iter().any(|answer| !answer.ok);
    let written = if args.json { write_json(&answers, out) } else { write_text(&answers, args.look, out) };
    written.map_err(Failure::output)?;
    Ok(if wrong { Exit::Because(FailureKind::WrongFile) } else { Exit::Ok })
}

/// The defaults of a campaign; those of Bandmaster without one.
pub(crate) fn campaign_defaults(campaign: Option<&Path>) -> Result<Defaults, Failure> {
    let Some(directory) = campaign else { return Ok(Defaults::default()) };
    Ok(CampaignFile::load(&directory.join("campaign.toml"))?.defaults)
}

/// What is said about one file.
struct Answer {
    file: String,
    ok: bool,
    summary: String,
    mistakes: Vec<Mistake>,
}

impl Answer {
    fn of(path: &Path, defaults: &Defaults) -> Self {
        let file = path.display().to_string();
        if path.file_name().is_some_and(|name| name == "campaign.toml") {
            let (campaign, mistakes) = CampaignFile::check(path);
            return Self { file, ok: campaign.is_some(), summary: "a campaign".to_owned(), mistakes };
        }
        let Checked { sweep, mistakes } = SweepFile::check(path, defaults);
        let summary = sweep.as_ref().map(|sweep| format!("the sweep `{}`, {} trials", sweep.name, sweep.ladder.trials()));
        Self { file, ok: sweep.is_some(), summary: summary.unwrap_or_default(), mistakes }
    }
}

fn write_text(answers: &[Answer], look: Look, out: &mut dyn Write) -> std::io::Result<()> {
    for answer in answers {
        if answer.ok {
            writeln!(out, "{} is right: {}", answer.file, answer.summary)?;
            for warning in &answer.mistakes {
                write!(out, "{}", look.show(warning))?;
            }
        } else {
            let wrong = WrongFile { file: answer.file.clone(), mistakes: answer.mistakes.clone() };
            write!(out, "{}", look.show(&wrong))?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Report<'a> {
    schema_version: u32,
    files: Vec<FileReport<'a>>,
}

#[derive(Serialize)]
struct FileReport<'a> {
    file: &'a str,
    ok: bool,
    mistakes: Vec<MistakeReport<'a>>,
}

#[derive(Serialize)]
struct MistakeReport<'a> {
    severity: &'static str,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    help: &'a str,
}

fn write_json(answers: &[Answer], out: &mut dyn Write) -> std::io::Result<()> {
    let mistake = |mistake: &'_ Mistake| {
        let at = mistake.place.as_ref().map(|place| place.line_and_column());
        (if mistake.severity == Severity::Error { "error" } else { "warning" }, at)
    };
    let files = answers.iter().map(|answer| FileReport {
        file: &answer.file,
        ok: answer.ok,
        mistakes: answer
            .mistakes
            .iter()
            .map(|found| {
                let (severity, at) = mistake(found);
                let (line, column) = at.unzip();
                MistakeReport { severity, line, column, message: &found.message, help: &found.help }
            })
            .collect(),
    });
    serde_json::to_writer_pretty(&mut *out, &Report { schema_version: 1, files: files.collect() })?;
    writeln!(out)
}
