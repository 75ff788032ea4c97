//! The command line of `bandmaster-launch`.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bandmaster_journal::{FileError, arm_crash_points};
use bandmaster_record::{ArrayNo, JobId, Number, SweepId};
use clap::{Args, Parser, Subcommand};
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;
use crate::say::say;
use crate::{agent, report, slot};

/// Runs a sweep's trials inside an allocation.
#[derive(Debug, Parser)]
#[command(name = "bandmaster-launch", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Report metrics from a shell script: one line to the file that BANDMASTER_REPORT names, or to stdout outside a sweep
    Report(ReportArgs),
    /// Run an array's task: take segments and run them, one after another (started by the cluster)
    #[command(hide = true)]
    Slot(SlotArgs),
    /// Run beside a rank, for a slot (started by it)
    #[command(hide = true)]
    Agent,
}

#[derive(Debug, Args)]
struct ReportArgs {
    /// Metrics, as in `val_loss=0.3`; `nan`, `inf` and `-inf` are numbers too
    #[arg(required = true, value_name = "NAME=NUMBER", value_parser = metric)]
    metrics: Vec<(String, f64)>,
    /// The resource that the trial has reached: epochs, steps, …; inside a sweep the segment's target if not given
    #[arg(long, short, env = "BANDMASTER_TARGET", value_name = "N")]
    resource: Option<u64>,
    #[arg(long, env = "BANDMASTER_REPORT", hide = true)]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct SlotArgs {
    /// The campaign's directory
    #[arg(long, env = "BANDMASTER_CAMPAIGN", value_name = "DIR")]
    campaign: PathBuf,
    /// The sweep, as in digits-1
    #[arg(long)]
    sweep: SweepId,
    /// The array's number in the sweep
    #[arg(long)]
    array: ArrayNo,
    /// The task's index in the array
    #[arg(long)]
    task: u32,
    /// The array's job id
    #[arg(long)]
    job: JobId,
}

fn metric(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=NUMBER, as in val_loss=0.3")?;
    if name.is_empty() || name == "resource" {
        return Err(format!("`{name}` is no metric's name{}", if name.is_empty() { "" } else { ": use --resource" }));
    }
    let value = report::number(value).ok_or_else(|| format!("`{value}` is no number"))?;
    Ok((name.to_owned(), value))
}

/// Runs the command that the arguments ask for, and returns the process's exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    arm_crash_points();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a closed pipe is none either.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let done = match cli.verb {
        Verb::Report(args) => append_report(&args).map(|()| 0),
        Verb::Slot(SlotArgs { campaign, sweep, array, task, job }) => {
            serve(|runtime| runtime.block_on(slot::run(slot::Options { campaign, sweep, array, task, job })))
        }
        Verb::Agent => serve(|runtime| runtime.block_on(agent::run()).map(|()| 0).map_err(Failure::from)),
    };
    done.unwrap_or_else(|failure| {
        say(&failure);
        failure.exit_code()
    })
}

fn serve(work: impl FnOnce(&Runtime) -> Result<u8, Failure>) -> Result<u8, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::system("start its event loop"))?;
    let done = work(&runtime);
    // A file that is still being hashed is nobody's concern any more.
    runtime.shutdown_timeout(Duration::ZERO);
    done
}

fn append_report(args: &ReportArgs) -> Result<(), Failure> {
    let mut fields = Map::new();
    fields.extend(args.resource.map(|resource| ("resource".to_owned(), Value::from(resource))));
    for (name, value) in &args.metrics {
        let value = serde_json::to_value(Number(*value)).map_err(|error| Failure::Usage(error.to_string()))?;
        fields.insert(name.clone(), value);
    }
    let line = format!("{}\n", Value::Object(fields));
    match &args.file {
        Some(path) if !path.as_os_str().is_empty() => append(path, line.as_bytes(), args.resource),
        _ => match std::io::stdout().write_all(line.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(FileError::new("write to", "stdout", error).into()),
            _ => Ok(()),
        },
    }
}

/// Appends the line in one write, so that lines of several processes never mix.
fn append(path: &Path, line: &[u8], resource: Option<u64>) -> Result<(), Failure> {
    if resource.is_none() {
        return Err(Failure::Usage("a report needs `--resource N`, or BANDMASTER_TARGET, to say where it stands".to_owned()));
    }
    let mut file = OpenOptions::new().append(true).open(path).map_err(FileError::at("open", path))?;
    let written = file.write(line).map_err(FileError::at("write to", path))?;
    if written < line.len() {
        return Err(FileError::new("write all of a report to", path, ErrorKind::WriteZero.into()).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_metric_is_a_name_and_a_number() {
        assert_eq!(metric("loss=0.3"), Ok(("loss".to_owned(), 0.3)));
        assert!(metric("a=b=nan").is_err());
        assert!(metric("acc=NaN").unwrap().1.is_nan());
        for bad in ["loss", "=1", "loss=", "loss=abc", "resource=3"] {
            assert!(metric(bad).is_err(), "{bad}");
        }
    }
}
