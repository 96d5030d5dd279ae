//! `gatelog backup` and `gatelog restore`.

use std::path::PathBuf;

use crate::config::Config;
use crate::moving::backup::{self, Manifest};
use crate::ports::clock;

/// Where to.
#[derive(Debug, clap::Args)]
pub struct Backup {
    /// The folder, which is made.
    #[arg(long)]
    to: PathBuf,
    /// With people's files, too; without it, the database and the log's segments.
    #[arg(long)]
    with_blobs: bool,
}

/// From where.
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// The folder of a backup.
    #[arg(long)]
    from: PathBuf,
}

/// Makes a backup.
///
/// # Errors
/// What to tell the person at the terminal.
pub async fn run(config: &Config, arguments: Backup) -> anyhow::Result<()> {
    let made = backup::backup(config, &arguments.to, arguments.with_blobs, clock::now()).await?;
    super::print(&told("backed up", &made))
}

/// Restores a backup.
///
/// # Errors
/// What to tell the person at the terminal.
pub async fn restore(config: &Config, arguments: Restore) -> anyhow::Result<()> {
    let restored = backup::restore(config, &arguments.from, clock::now()).await?;
    super::print(&told("restored", &restored))
}

fn told(done: &str, manifest: &Manifest) -> String {
    let Manifest { position, root, .. } = manifest;
    format!("{done} up to position {position}, root {root}\n")
}
