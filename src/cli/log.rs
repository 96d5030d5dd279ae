//! `gatelog log`: the log's proof, and the log as a whole. `verify` needs no settings, no database and no server of its own.

mod moving;
mod offline;
mod source;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use eventlog::cloud_event_line;
use uuid::Uuid;

use crate::app::Core;
use crate::config::Config;
use crate::notary::checkpoint::Proof;
use crate::notary::rollback::{Acceptance, accept, rollbacks};
use crate::notary::{Notary, Signed};
use crate::ports::blobs::Blobs;
use crate::ports::clock;

pub use offline::{Verify, verify};

/// Events of one read.
const STEP: usize = 1000;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Moving(moving::Command),
    /// Says whether a log, from a server or from an export, is what its checkpoint was signed over.
    Verify(Verify),
    /// Prints the public key that the log is signed with.
    Vkey,
    /// Prints the logs that were given up by `accept-rollback`, one JSON object a line, the oldest first.
    Rollbacks,
    /// Signs the log as it is, and prints the checkpoint.
    Checkpoint,
    /// Prints the proof that an event is in the log.
    Prove {
        /// The event.
        #[arg(long)]
        event: Uuid,
    },
    /// Writes `events.ndjson`, the `key`, and last the `checkpoint` over exactly these lines; without a folder, the
    /// lines alone to standard output.
    Export {
        /// The folder.
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
    /// After a restore that is behind what was signed, or when the key is lost: begins a new log, with a new name and a
    /// new key, with the events that are left. Stop every server first.
    AcceptRollback {
        /// Why, for auditors.
        #[arg(long)]
        reason: String,
        /// The new log's name.
        #[arg(long)]
        origin: Option<String>,
    },
}

/// Runs a command that needs the database.
///
/// # Errors
/// What to tell the person at the terminal.
pub async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    if let Command::Moving(command) = command {
        return moving::run(config, command).await;
    }
    let core = Core::open(config).await?;
    let done = with(&core, config, command).await;
    core.log.shut_down().await;
    core.database.close().await;
    done
}

async fn with(core: &Core, config: &Config, command: Command) -> anyhow::Result<()> {
    let blobs = Blobs::open(&config.media.storage)?;
    if let Command::AcceptRollback { reason, origin } = command {
        let at = clock::now();
        let acceptance = Acceptance { reason, origin, at };
        let key = accept(&core.database, &blobs, &config.log, &acceptance).await?;
        return super::print(&format!(
            "a new log begins; give its key to everybody who verifies it:\n{key}\n"
        ));
    }
    if let Command::Rollbacks = command {
        let all = rollbacks(&core.database).await?;
        let lines = all.iter().map(serde_json::to_string);
        let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
        return lines
            .iter()
            .try_for_each(|line| super::print(&format!("{line}\n")));
    }
    let notary = Notary::open(core.database.clone(), blobs, &config.log).await?;
    let head = core.log.head().await?;
    match command {
        Command::Vkey => {
            let signed = notary.covering(0).await?;
            super::print(&format!("{}\n", signed.key))
        }
        Command::Checkpoint => super::print(&notary.covering(head).await?.note),
        Command::Prove { event } => {
            let position = notary.tree().position_of(event).await?;
            let position = position.context("there is no such event")?;
            let signed = notary.covering(position).await?;
            super::print(&prove(&notary, position - 1, &signed).await?.text())
        }
        Command::Export { dir } => export(core, &*notary.covering(head).await?, dir).await,
        Command::Moving(_)
        | Command::Verify(_)
        | Command::Rollbacks
        | Command::AcceptRollback { .. } => Ok(()),
    }
}

async fn prove(notary: &Notary, index: u64, signed: &Signed) -> anyhow::Result<Proof> {
    let size = signed.checkpoint.tree.size;
    let hashes = notary.tree().inclusion_proof(index, size).await?;
    Ok(Proof {
        index,
        hashes: hashes.context("the checkpoint does not cover the event")?,
        note: signed.note.clone(),
    })
}

/// The checkpoint is written last: where there is one, its lines are there.
async fn export(core: &Core, signed: &Signed, dir: Option<PathBuf>) -> anyhow::Result<()> {
    let Some(dir) = dir else {
        return lines(core, signed, super::print).await;
    };
    std::fs::create_dir_all(&dir)?;
    let checkpoint = dir.join("checkpoint");
    if checkpoint.exists() {
        std::fs::remove_file(&checkpoint)?;
    }
    let mut file = std::fs::File::create(dir.join("events.ndjson"))?;
    let write = |text: &str| Ok(std::io::Write::write_all(&mut file, text.as_bytes())?);
    lines(core, signed, write).await?;
    file.sync_all()?;
    std::fs::write(dir.join("key"), format!("{}\n", signed.key))?;
    std::fs::write(checkpoint, &signed.note)?;
    Ok(())
}

async fn lines(
    core: &Core,
    signed: &Signed,
    mut write: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut after, end) = (0, signed.checkpoint.tree.size);
    while after < end {
        let limit = usize::try_from(end - after).map_or(STEP, |left| left.min(STEP));
        let events = core.log.read_all(after, limit).await?;
        let last = events.last().context("events are missing")?;
        after = last.position;
        let text: String = events.iter().map(|e| cloud_event_line(e) + "\n").collect();
        write(&text)?;
    }
    Ok(())
}
