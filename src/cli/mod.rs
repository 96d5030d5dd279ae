//! The command line. Each command opens only what it needs.

mod admin;
mod backup;
mod doctor;
mod event_docs;
mod events;
mod keys;
mod log;
mod mails;
mod projections;

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::app::Core;
use crate::config::{Config, Source};
use crate::{http, serve, telemetry};

/// Signing people in and processing their media, with every decision an event in one verifiable log.
#[derive(Debug, Parser)]
#[command(name = "gatelog", version)]
pub struct Cli {
    /// A TOML file with the same keys as the environment, which goes first.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve,
    /// Brings the database's schema up to date.
    Migrate,
    /// Checks the settings, and makes the keys of a first start.
    CheckConfig,
    /// Looks at everything that the server depends on, and says what to do. Fails when something fails.
    Doctor {
        /// As JSON: `ok` and `checks`, each with `name`, `level` (`ok`, `warn`, `fail`), `detail` and `advice`.
        #[arg(long)]
        json: bool,
    },
    /// Accounts with roles.
    #[command(subcommand)]
    Admin(admin::Command),
    /// The log.
    #[command(subcommand)]
    Events(events::Command),
    /// The log's proof, and the log as a whole: verified, exported, archived, imported, copied.
    #[command(subcommand)]
    Log(log::Command),
    /// Makes a backup of the database and the log's segments, without the master key. Works while the server runs.
    Backup(backup::Backup),
    /// Fills an empty database from a backup.
    Restore(backup::Restore),
    /// The read models and what else follows the log.
    #[command(subcommand)]
    Projections(projections::Command),
    /// Mails that could not be sent.
    #[command(subcommand)]
    Mails(mails::Command),
    /// The master key.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Prints the OpenAPI document.
    Openapi,
}

/// Runs a command.
///
/// # Errors
/// What to tell the person at the terminal.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    if matches!(cli.command, Command::Openapi) {
        return print(&(http::document().to_pretty_json()? + "\n"));
    }
    if let Command::Log(log::Command::Verify(verify)) = &cli.command {
        return runtime()?.block_on(log::verify(verify));
    }
    if let Command::Events(events::Command::Schema { markdown }) = cli.command {
        return print(&event_docs::schemas(markdown)?);
    }
    if let Command::Doctor { json } = cli.command {
        let source = Source::from_process(cli.config.as_deref()).map_err(Into::into);
        return runtime()?.block_on(doctor::run(source, json));
    }
    let config = Config::load(&Source::from_process(cli.config.as_deref())?)?;
    telemetry::install(&config)?;
    runtime()?.block_on(async move {
        match cli.command {
            Command::Serve => serve::serve(config).await,
            Command::Migrate => Core::open(&config).await.map(|_| ()),
            Command::CheckConfig => print("the settings are good\n"),
            Command::Admin(command) => admin::run(&config, command).await,
            Command::Events(command) => events::run(&config, command).await,
            Command::Log(command) => log::run(&config, command).await,
            Command::Backup(arguments) => backup::run(&config, arguments).await,
            Command::Restore(arguments) => backup::restore(&config, arguments).await,
            Command::Projections(command) => projections::run(&config, command).await,
            Command::Mails(command) => mails::run(&config, command).await,
            Command::Keys(command) => keys::run(config, command).await,
            Command::Doctor { .. } | Command::Openapi => Ok(()),
        }
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.enable_all().build()?)
}

/// Standard output; a reader that has gone is not an error of ours.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
