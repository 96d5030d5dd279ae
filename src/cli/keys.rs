//! `gatelog keys`: the master key. Works while the server runs.

use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;

use crate::app::Core;
use crate::config::Config;
use crate::ports::clock;

/// How often running servers look which master key is in force, and a little more.
const SERVERS_FOLLOW: Duration = Duration::from_secs(3);

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Wraps every key under the new master key. Without `MASTER_KEY` it makes the new one itself, in the data folder.
    Rotate,
}

/// Runs a command.
///
/// # Errors
/// What to tell the person at the terminal.
pub async fn run(mut config: Config, command: Command) -> anyhow::Result<()> {
    let Command::Rotate = command;
    match config.master_keys.replace_own()? {
        Some(keys) => config.master_keys = keys,
        None if config.master_keys.former.is_empty() => bail!(
            "set MASTER_KEY to the new key and MASTER_KEY_FORMER to the one before, here and for every server"
        ),
        None => {}
    }
    let core = Core::open(&config).await?;
    core.vault
        .keep_peppers(&config.master_keys, clock::now())
        .await?;
    let mut moved = core.vault.rewrap().await?;
    // A server that had not noticed yet may have wrapped another one.
    loop {
        tokio::time::sleep(SERVERS_FOLLOW).await;
        match core.vault.rewrap().await? {
            0 => break,
            more => moved += more,
        }
    }
    core.log.shut_down().await;
    core.database.close().await;
    super::print(&format!(
        "{moved} keys are under the new master key: back it up. The former one opens backups from before, and nothing else.\n"
    ))
}
