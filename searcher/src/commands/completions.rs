//! `bandmaster completions`: what a shell completes after `bandmaster`.

use std::io::Write;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::failure::{Exit, Failure};

/// For which shell.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The shell. For bash: bandmaster completions bash > ~/.local/share/bash-completion/completions/bandmaster
    pub shell: clap_complete::Shell,
}

/// Prints the script.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    // Whole first: a reader that leaves is no panic of the generator's.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bandmaster", &mut script);
    out.write_all(&script).map_err(Failure::output)?;
    Ok(Exit::Ok)
}
