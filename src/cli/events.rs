//! `gatelog events`: the log, one exported line an event.

use clap::Subcommand;
use eventlog::{RecordedEvent, cloud_event_line};

use crate::app::Core;
use crate::config::Config;
use crate::lifecycle;

/// Events of one read.
const STEP: usize = 1000;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints everything up to the head.
    Export {
        /// Events after this position.
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Prints everything, then what comes, until interrupted.
    Tail {
        /// Events after this position; without it, only what comes.
        #[arg(long)]
        after: Option<u64>,
    },
}

/// Runs a command.
///
/// # Errors
/// What to tell the person at the terminal.
pub async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let core = Core::open(config).await?;
    match command {
        Command::Export { after } => drop(export(&core, after).await?),
        Command::Tail { after } => {
            let after = match after {
                Some(after) => after,
                None => core.log.head().await?,
            };
            tokio::select! {
                followed = tail(&core, after) => followed?,
                () = lifecycle::signal() => {}
            }
        }
    }
    core.log.shut_down().await;
    core.database.close().await;
    Ok(())
}

/// Prints up to the head; the position reached.
async fn export(core: &Core, mut after: u64) -> anyhow::Result<u64> {
    loop {
        let events = core.log.read_all(after, STEP).await?;
        let Some(last) = events.last() else {
            return Ok(after);
        };
        after = last.position;
        print_lines(&events)?;
    }
}

async fn tail(core: &Core, mut after: u64) -> anyhow::Result<()> {
    let mut head = core.log.watch_head();
    loop {
        after = export(core, after).await?;
        head.wait_for(|head| *head > after).await?;
    }
}

fn print_lines(events: &[RecordedEvent]) -> anyhow::Result<()> {
    let lines: String = events
        .iter()
        .map(|event| cloud_event_line(event) + "\n")
        .collect();
    super::print(&lines)
}
