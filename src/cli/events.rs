//! `gatelog events`: the log, one exported line an event.

use std::sync::Arc;

use anyhow::bail;
use clap::Subcommand;
use eventlog::{CommitObserver, EventFilter, RecordedEvent, Stretch};
use futures::TryStreamExt as _;

use crate::app::Core;
use crate::config::Config;
use crate::lifecycle;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints everything up to the head.
    Export {
        /// Events after this position.
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Prints the JSON Schema of every event's line, by type and version.
    Schema {
        /// As the page `docs/events.md` instead.
        #[arg(long)]
        markdown: bool,
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
        // Needs no database; the caller has seen to it.
        Command::Schema { .. } => {}
        Command::Export { after } => drop(export(&core, after).await?),
        Command::Tail { after } => {
            let head = core.log.head().await?;
            core.log.attach_observer(head, Arc::new(Hearing)).await?;
            tokio::select! {
                followed = tail(&core, after.unwrap_or(head)) => followed?,
                set_back = core.log.set_back() => bail!("{set_back}"),
                () = lifecycle::signal() => {}
            }
        }
    }
    core.log.shut_down().await;
    core.database.close().await;
    Ok(())
}

/// Does nothing with the events; but of a log that somebody hears of, the last event is kept in mind, and another one in its
/// place is noticed.
struct Hearing;

impl CommitObserver for Hearing {
    fn committed(&self, _: &[RecordedEvent]) {}
}

/// Prints up to the head; the position reached.
async fn export(core: &Core, after: u64) -> anyhow::Result<u64> {
    let up_to = core.log.head().await?;
    if after > up_to {
        bail!("the log ends at {up_to}, before position {after}: it was set back");
    }
    let stretch = Stretch { after, up_to };
    let mut chunks = core
        .log
        .stream_lines(stretch, usize::MAX, EventFilter::default());
    while let Some(lines) = chunks.try_next().await? {
        super::print(&lines.into_text())?;
    }
    Ok(up_to)
}

async fn tail(core: &Core, mut after: u64) -> anyhow::Result<()> {
    let mut head = core.log.watch_head();
    loop {
        after = export(core, after).await?;
        head.wait_for(|head| *head > after).await?;
    }
}
