//! The log as a whole: archived, imported and moved.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use chrono::TimeDelta;
use clap::Subcommand;
use eventlog::Expected;

use crate::app;
use crate::archiving::{self, Archived, Until};
use crate::config::Config;
use crate::moving;
use crate::notary::checkpoint::Checkpoint;
use crate::notary::note::VerifierKey;
use crate::ports::blobs::Blobs;
use crate::ports::clock;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Moves sealed segments to the blob store, and what has ended out of the database. Works while the server runs.
    Archive(Archive),
    /// Reads exported lines into an empty log: all of them, or none.
    Import(Import),
    /// Copies the database, as it is at one moment, into an empty one.
    Copy {
        /// `sqlite://path` or `postgres://…`; it is made ready with `gatelog migrate`'s own steps.
        #[arg(long)]
        to: String,
    },
}

/// How far.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Archive {
    /// Events before this position.
    #[arg(long)]
    before: Option<u64>,
    /// Events that are older: a number with s, m, h or d.
    #[arg(long, value_parser = duration)]
    older_than: Option<TimeDelta>,
}

/// From where, and what it must come to.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// A file of exported lines, - for standard input, or a folder that `gatelog log export --dir` wrote.
    #[arg(long)]
    from: PathBuf,
    /// The log's public key: the lines must be those of a checkpoint that it has signed.
    #[arg(long, conflicts_with_all = ["root", "size"])]
    vkey: Option<VerifierKey>,
    /// The checkpoint; `checkpoint` in the folder by default.
    #[arg(long, value_name = "FILE", requires = "vkey")]
    checkpoint: Option<PathBuf>,
    /// The root that their tree must have, in hexadecimal.
    #[arg(long, value_parser = root)]
    root: Option<eventlog::Hash>,
    /// How many they must be.
    #[arg(long)]
    size: Option<u64>,
}

/// Runs a command.
///
/// # Errors
/// What to tell the person at the terminal.
pub async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let database = app::open_database(config).await?;
    let done = match command {
        Command::Archive(until) => {
            let until = match (until.before, until.older_than) {
                (Some(position), _) => Until::Before(position),
                (None, Some(age)) => Until::OlderThan(clock::now() - age),
                (None, None) => bail!("say how far"),
            };
            told(&archiving::archive(&database, until).await?)
        }
        Command::Import(import) => {
            let expected = expected(&import)?;
            let from = if import.from.is_dir() {
                import.from.join("events.ndjson")
            } else {
                import.from
            };
            let imported = moving::lines::import(&database, &from, expected).await?;
            let root = hex::encode(imported.root);
            format!("{} events are imported, root {root}\n", imported.size)
        }
        Command::Copy { to } => {
            let store = Arc::new(Blobs::open(&config.media.storage)?);
            let target = moving::open(&to).await.context("the target")?;
            let target = target.with_archive(store);
            let copied = moving::copy(&database, &target).await;
            target.close().await;
            let copied = copied?;
            let (now, _) = database.head_and_root().await?;
            let root = hex::encode(copied.root);
            let mut text = format!("copied up to position {}, root {root}\n", copied.position);
            if now != copied.position {
                text += "servers have written since: to move, stop them first and copy again\n";
            }
            text
        }
    };
    database.close().await;
    crate::cli::print(&done)
}

/// What the lines must come to.
fn expected(import: &Import) -> anyhow::Result<Expected> {
    let Some(key) = &import.vkey else {
        return Ok(Expected {
            size: import.size,
            root: import.root,
        });
    };
    let beside = import.from.join("checkpoint");
    let path = import.checkpoint.as_ref();
    let path = path.or_else(|| import.from.is_dir().then_some(&beside));
    let path = path.context("--checkpoint says where the checkpoint is")?;
    let note = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let tree = Checkpoint::open(&note, key)
        .map_err(|reason| anyhow::anyhow!("the checkpoint {reason}"))?
        .tree;
    Ok(Expected {
        size: Some(tree.size),
        root: Some(tree.root),
    })
}

fn told(archived: &Archived) -> String {
    let sealed = archived.sealed.iter();
    let mut lines: Vec<String> = sealed
        .map(|sealed| format!("{} ({} bytes)", sealed.object, sealed.bytes))
        .collect();
    if let Some((tail, position)) = &archived.held_back_by {
        lines.push(format!(
            "not further than position {position}, where the tail {tail} is"
        ));
    }
    let pruned = archived.pruned;
    lines.push(format!(
        "{} segments sealed; {} events of {} ended streams left the database\n",
        archived.sealed.len(),
        pruned.events,
        pruned.streams
    ));
    lines.join("\n")
}

fn duration(text: &str) -> Result<TimeDelta, String> {
    let wrong = || "a number with s, m, h or d, such as 30d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    Ok(TimeDelta::seconds(i64::from(number) * seconds))
}

fn root(text: &str) -> Result<eventlog::Hash, String> {
    let bytes = hex::decode(text).map_err(|error| error.to_string())?;
    bytes
        .try_into()
        .map_err(|_| "64 hexadecimal digits".to_owned())
}
