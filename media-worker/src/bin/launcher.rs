//! Locks itself into the sandbox and becomes `FFmpeg`; or, with `--report`, says which layers hold.
//! It never decides anything: limits, user and program come from the worker.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use media_worker::sandbox::{self, Plan};

#[derive(Debug, clap::Parser)]
#[command(
    name = "gatelog-media-launcher",
    version,
    about = "Runs one program in the sandbox"
)]
struct Cli {
    #[command(flatten)]
    plan: Plan,
    /// Lock down, try what must be denied, and print the layers as JSON.
    #[arg(long, conflicts_with = "program")]
    report: bool,
    /// The program and its arguments.
    #[arg(last = true, required_unless_present = "report")]
    program: Vec<OsString>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let layers = match sandbox::lock_down(&cli.plan) {
        Ok(layers) => layers,
        Err(error) => return fail(sandbox::EXIT_SANDBOX_UNAVAILABLE, &error.to_string()),
    };
    match cli.program.split_first() {
        Some((program, args)) => {
            let error = sandbox::become_program(program, args);
            fail(exit_code(&error), &error.to_string())
        }
        None => report(layers),
    }
}

fn report(layers: media_worker::api::Sandbox) -> ExitCode {
    let layers = sandbox::observe(layers);
    match serde_json::to_writer(std::io::stdout(), &layers) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(sandbox::EXIT_SANDBOX_UNAVAILABLE, &error.to_string()),
    }
}

fn exit_code(error: &std::io::Error) -> i32 {
    match error.kind() {
        std::io::ErrorKind::NotFound => sandbox::EXIT_PROGRAM_MISSING,
        _ => sandbox::EXIT_SANDBOX_UNAVAILABLE,
    }
}

fn fail(code: i32, reason: &str) -> ExitCode {
    // There is nobody else to tell when even standard error is closed.
    let _ = writeln!(std::io::stderr(), "gatelog-media-launcher: {reason}");
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
