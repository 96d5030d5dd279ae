//! `gatelog mails`: those that could not be sent. Works while the server runs. It never shows an address or a text.

use anyhow::bail;
use chrono::SecondsFormat;
use clap::Subcommand;

use crate::app::Core;
use crate::config::Config;
use crate::mail::outbox;

/// Mails that one query reads.
const STEP: i64 = 500;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the parked mails: identity, account and time of each.
    List,
    /// Lets parked mails be tried again, with as many tries as new ones have.
    Retry {
        /// The identity of one, as `list` shows it; all without it.
        mail: Option<String>,
    },
}

/// Runs a command.
///
/// # Errors
/// What to tell the person at the terminal.
pub async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let core = Core::open(config).await?;
    let done = match command {
        Command::List => list(&core).await,
        Command::Retry { mail } => retry(&core, mail.as_deref()).await,
    };
    core.log.shut_down().await;
    core.database.close().await;
    done
}

async fn list(core: &Core) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let parked = outbox::parked(&core.database, &after, STEP).await?;
        let Some(last) = parked.last() else {
            return Ok(());
        };
        after.clone_from(&last.id);
        for mail in parked {
            let time = mail.created_at.to_rfc3339_opts(SecondsFormat::Secs, true);
            let user = mail.user_id.as_deref().unwrap_or("-");
            super::print(&format!("{}\t{user}\t{time}\n", mail.id))?;
        }
    }
}

async fn retry(core: &Core, mail: Option<&str>) -> anyhow::Result<()> {
    let count = outbox::retry(&core.database, mail).await?;
    if let (0, Some(mail)) = (count, mail) {
        bail!("no mail {mail} is parked");
    }
    super::print(&format!("{count}\n"))
}
