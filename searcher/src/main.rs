//! The `bandmaster` command.

use std::io::{self, Write};
use std::process::ExitCode;

use bandmaster::cli::{Cli, TextOrJson, Verb};
use bandmaster::commands::{
    ask, best, check, completions, explain, ledger, logs, man, metrics, new, plan, run, rungs, serve, show, status, submit, tick, trials,
    wait,
};
use bandmaster::failure::{Exit, Failure};
use bandmaster::look::Look;
use bandmaster::open;
use bandmaster_record::Request;
use clap::Parser;

fn main() -> ExitCode {
    bandmaster_journal::arm_crash_points();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("BANDMASTER_LOG").unwrap_or_else(|_| "warn".into()))
        .with_writer(io::stderr)
        .with_ansi(Look::of(&io::stderr()).color)
        .init();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let exit = dispatch(&Cli::parse(), &mut out).and_then(|exit| out.flush().map(|()| exit).map_err(Failure::output));
    match exit {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = out.flush();
            // Where stderr is closed too, the exit code is all that can be said.
            let _ = write!(io::stderr(), "{}", Look::of(&io::stderr()).show(failure.report.as_ref()));
            ExitCode::from(failure.kind.code())
        }
    }
}

fn dispatch(cli: &Cli, out: &mut dyn Write) -> Result<Exit, Failure> {
    let talk = &mut io::stderr();
    let look = Look::of(&io::stdout());
    let there = || open::existing(&cli.campaign);
    let to_read = || open::to_read(&cli.campaign);
    let defaults = || Some(cli.campaign.clone()).filter(|directory| directory.join("campaign.toml").exists());
    match &cli.verb {
        Verb::New { directory } => new::run(&new::Args { directory: directory.clone() }, out),
        Verb::Check { files, format } => {
            check::run(&check::Args { files: files.clone(), campaign: defaults(), json: *format == TextOrJson::Json, look }, out)
        }
        Verb::Plan { file, format } => {
            plan::run(&plan::Args { file: file.clone(), campaign: defaults(), json: *format == TextOrJson::Json, look }, out, talk)
        }
        Verb::Run(args) => wait_for(run::run(args, &cli.campaign, talk)),
        Verb::Submit(args) => submit::run(args, &cli.campaign, out, talk),
        Verb::Wait(args) => wait::run(args, &to_read()?, talk),
        Verb::Serve(args) => wait_for(serve::run(args, there()?, talk)),
        Verb::Tick(args) => tick::run(args, there()?, talk),
        Verb::Pause(args) => ask::run(args, |sweep| Request::Pause { sweep }, there()?, out),
        Verb::Resume(args) => ask::run(args, |sweep| Request::Resume { sweep }, there()?, out),
        Verb::Cancel(args) => ask::run(args, |sweep| Request::Cancel { sweep }, there()?, out),
        Verb::Status(args) => status::run(args, &to_read()?, out),
        Verb::Trials(args) => trials::run(args, &to_read()?, out),
        Verb::Rungs(args) => rungs::run(args, &to_read()?, out),
        Verb::Best(args) => best::run(args, &to_read()?, out),
        Verb::Show(args) => show::run(args, &to_read()?, out),
        Verb::Explain(args) => explain::run(args, &to_read()?, out),
        Verb::Metrics(args) => metrics::run(args, &to_read()?, out),
        Verb::Logs(args) => logs::run(args, &to_read()?, out),
        Verb::Ledger(args) => ledger::run(args, &if args.writes() { there()? } else { to_read()? }, out),
        Verb::Completions(args) => completions::run(args, out),
        Verb::Man(args) => man::run(args, out),
    }
}

fn wait_for(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::bug)?.block_on(work)
}
