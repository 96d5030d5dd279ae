//! The command `gatelog`.

use std::process::ExitCode;

use clap::Parser as _;
use gatelog::cli::{Cli, run};
use nix::sys::stat::{Mode, umask};

fn main() -> ExitCode {
    // Keys, the database and people's files are for their owner alone, whoever starts this.
    umask(Mode::from_bits_truncate(0o077));
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatelog: {error:#}");
            ExitCode::FAILURE
        }
    }
}
