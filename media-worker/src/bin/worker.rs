//! The command line of the media worker. Everything else is in the library.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use media_worker::config::{self, LogFormat, Options};
use media_worker::service;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    start_log(options.log);
    let keys = match config::keys_from_environment() {
        Ok(keys) => keys,
        Err(error) => return fail(&error),
    };
    match service::run(options, keys).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn start_log(format: LogFormat) {
    let filter = EnvFilter::new("info");
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Pretty => log.init(),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    // There is nobody else to tell when even standard error is closed.
    let _ = writeln!(std::io::stderr(), "gatelog-media-worker: {error}");
    ExitCode::FAILURE
}
