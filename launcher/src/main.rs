//! `bandmaster-launch`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(bandmaster_launch::cli::main(std::env::args_os()))
}
