//! The command `gatelog`.

use std::process::ExitCode;

use clap::Parser as _;
use gatelog::cli::{Cli, run};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatelog: {error:#}");
            ExitCode::FAILURE
        }
    }
}
