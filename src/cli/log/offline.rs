//! `gatelog log verify`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use super::source::{Lines, Server};
use crate::notary::checkpoint::Checkpoint;
use crate::notary::note::VerifierKey;
use crate::notary::verify::Verifier;

/// What to verify, and by which key.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The log's public key, as you got it when you began to trust it: `<name>+<id>+<key>`.
    #[arg(long)]
    vkey: VerifierKey,
    /// A server, such as `https://id.example.com`.
    #[arg(long, conflicts_with = "export", required_unless_present = "export")]
    url: Option<String>,
    /// The file with an access token or service key for the server.
    #[arg(
        long,
        value_name = "FILE",
        requires = "url",
        required_unless_present = "export"
    )]
    token_file: Option<PathBuf>,
    /// A folder that `gatelog log export` wrote, or a file with a line for each event.
    #[arg(long, value_name = "PATH")]
    export: Option<PathBuf>,
    /// The checkpoint; `checkpoint` in the folder of the export by default.
    #[arg(long, value_name = "FILE", requires = "export")]
    checkpoint: Option<PathBuf>,
    /// A checkpoint of the same log that was verified earlier.
    #[arg(long, value_name = "FILE")]
    older: Option<PathBuf>,
    /// Where to keep the checkpoint, for `--older` the next time.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

/// Verifies.
///
/// # Errors
/// Why the log is refused, or why that cannot be said.
pub async fn verify(verify: &Verify) -> anyhow::Result<()> {
    let older = verify.older.as_deref().map(|path| {
        let note = read(path)?;
        open(&note, &verify.vkey, "the earlier checkpoint")
    });
    let older = older.transpose()?.map(|older| older.tree);
    let (note, checkpoint, lines) = match (&verify.url, &verify.export) {
        (Some(url), _) => {
            let server = Server::new(url, token(verify.token_file.as_deref())?);
            let note = server
                .checkpoint(older.map_or(0, |older| older.size))
                .await?;
            let checkpoint = open(&note, &verify.vkey, "the checkpoint")?;
            // Behind the checkpoint, so that the lines are at least as many, whichever node gives them.
            let lines = server.events(checkpoint.tree.size).await?;
            (note, checkpoint, lines)
        }
        (None, Some(path)) => {
            let (note, lines) = exported(path, verify.checkpoint.as_deref())?;
            let checkpoint = open(&note, &verify.vkey, "the checkpoint")?;
            (note, checkpoint, lines)
        }
        (None, None) => bail!("--url or --export says what to verify"),
    };
    hold(lines, Verifier::new(checkpoint.tree, older)?).await?;
    if let Some(path) = &verify.keep {
        let draft = path.with_added_extension("new");
        std::fs::write(&draft, &note)?;
        std::fs::rename(draft, path)?;
    }
    let (size, root) = (checkpoint.tree.size, hex::encode(checkpoint.tree.root));
    crate::cli::print(&format!(
        "verified: {size} events of {}, root {root}\n",
        checkpoint.origin
    ))
}

async fn hold(mut lines: Lines, mut verifier: Verifier) -> anyhow::Result<()> {
    while verifier.wants_more() {
        let Some(line) = lines.next().await? else {
            break;
        };
        verifier.line(&line)?;
    }
    Ok(verifier.finish()?)
}

fn open(note: &str, key: &VerifierKey, what: &str) -> anyhow::Result<Checkpoint> {
    Checkpoint::open(note, key).map_err(|reason| anyhow::anyhow!("{what} {reason}"))
}

fn exported(path: &Path, checkpoint: Option<&Path>) -> anyhow::Result<(String, Lines)> {
    let is_folder = path.is_dir();
    let beside = path.join("checkpoint");
    let checkpoint = checkpoint.or_else(|| is_folder.then_some(&*beside));
    let checkpoint = checkpoint.context("--checkpoint says where the checkpoint is")?;
    let lines = if is_folder {
        Lines::open(&path.join("events.ndjson"))?
    } else {
        Lines::open(path)?
    };
    Ok((read(checkpoint)?, lines))
}

fn token(path: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
    let path = path.context("--token-file says where the token is")?;
    read(path).map(Zeroizing::new)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
