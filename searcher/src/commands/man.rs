//! `bandmaster man`: the manual, from the same source as `--help`.

use std::io::Write;
use std::path::PathBuf;

use bandmaster_journal::FileError;
use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::failure::{Exit, Failure};

/// Where to.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A directory for one page a verb, as in ~/.local/share/man/man1 [default: the first page, to standard output]
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// Prints or writes it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    match &args.directory {
        None => clap_mangen::Man::new(Cli::command().disable_help_subcommand(true)).render(&mut &mut *out).map_err(Failure::output)?,
        Some(directory) => {
            std::fs::create_dir_all(directory).map_err(FileError::at("make", directory))?;
            clap_mangen::generate_to(Cli::command(), directory).map_err(FileError::at("write the pages to", directory))?;
        }
    }
    Ok(Exit::Ok)
}
