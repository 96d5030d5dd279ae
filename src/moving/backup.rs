//! Backups: a copy of the database as a SQLite file, whatever the engine, with the log's segments and, if wanted, all
//! other blobs. Never the master key: who has the backup alone can read no secret and nothing personal in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use eventlog::{Copied, Database};
use serde::{Deserialize, Serialize};

use super::copy;
use crate::config::Config;
use crate::keyring::Vault;
use crate::ports::blobs::Blobs;

const DATABASE: &str = "gatelog.db";
const BLOBS: &str = "blobs";
/// Written last: a folder without it is not a whole backup.
const MANIFEST: &str = "backup.json";
const FORMAT: u32 = 1;
/// The objects that belong to the log.
const SEGMENTS: &str = "log";

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// When it was begun.
    pub made_at: DateTime<Utc>,
    /// The position of the log's last event in it.
    pub position: u64,
    /// The root of the tree at that position, in hexadecimal.
    pub root: String,
    /// Whether people's files are in it.
    pub has_blobs: bool,
}

impl Manifest {
    fn of(copied: &Copied, made_at: DateTime<Utc>, has_blobs: bool) -> Self {
        Self {
            format: FORMAT,
            made_at,
            position: copied.position,
            root: hex::encode(copied.root),
            has_blobs,
        }
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(MANIFEST);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{} is not a whole backup", folder.display()))?;
        let manifest: Self = serde_json::from_str(&text).context(MANIFEST)?;
        if manifest.format != FORMAT {
            bail!(
                "a backup of format {}, which this version cannot read",
                manifest.format
            );
        }
        Ok(manifest)
    }
}

/// Makes a backup in a new folder, consistent while servers run.
///
/// # Errors
/// The folder is there already, or a copy failed; then there is no whole backup.
pub async fn backup(
    config: &Config,
    folder: &Path,
    with_blobs: bool,
    now: DateTime<Utc>,
) -> anyhow::Result<Manifest> {
    std::fs::create_dir(folder).with_context(|| format!("making {}", folder.display()))?;
    let store = Blobs::open(&config.media.storage)?;
    let kept = Blobs::local(&folder.join(BLOBS))?;
    let database = super::open(config.database_url.expose()).await?;
    let database = database.with_archive(std::sync::Arc::new(store.clone()));
    let path = folder.join(DATABASE);
    let file = sqlite(&path).await?;
    let file = file.with_archive(std::sync::Arc::new(store.clone()));
    let copied = copy(&database, &file).await;
    let closed = file.close_whole().await;
    database.close().await;
    let copied = copied?;
    closed?;
    // After the database: what it names is there by now.
    let only = (!with_blobs).then_some(SEGMENTS);
    store.copy_folder(&kept, only).await?;
    let manifest = Manifest::of(&copied, now, with_blobs);
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    let draft = folder.join("backup.json.new");
    std::fs::write(&draft, text)?;
    std::fs::File::open(&draft)?.sync_all()?;
    std::fs::rename(&draft, folder.join(MANIFEST))?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(manifest)
}

/// Fills the configured, empty database and the blob store from a backup. The log is read line by line at the end.
///
/// # Errors
/// It is not a whole backup, it is sealed under another master key, or the database is not empty.
pub async fn restore(
    config: &Config,
    folder: &Path,
    now: DateTime<Utc>,
) -> anyhow::Result<Manifest> {
    let manifest = Manifest::read(folder)?;
    let store = Blobs::open(&config.media.storage)?;
    let draft = Draft::of(&folder.join(DATABASE), &config.data_dir)?;
    let archive = std::sync::Arc::new(store.clone());
    let file = sqlite(&draft.0).await?.with_archive(archive.clone());
    let (position, root) = file.head_and_root().await?;
    if position != manifest.position || hex::encode(root) != manifest.root {
        bail!("the backup does not hold the log that it says");
    }
    check_key(config, &file, now).await?;
    // Before the database: what it names is there by then.
    let kept = Blobs::local(&folder.join(BLOBS))?;
    kept.copy_folder(&store, None).await?;
    let target = super::open(config.database_url.expose()).await?;
    let target = target.with_archive(archive);
    let copied = copy(&file, &target).await;
    file.close().await;
    target.close().await;
    copied?;
    Ok(manifest)
}

/// What the vault holds opens with the keys that are given.
async fn check_key(config: &Config, file: &Database, now: DateTime<Utc>) -> anyhow::Result<()> {
    let opened = Vault::open(file.clone(), &config.master_keys, now).await;
    match (opened, &config.master_keys.made_file) {
        (Ok(_), _) => Ok(()),
        (Err(error), None) => Err(error.into()),
        (Err(error), Some(made)) => Err(error).with_context(|| {
            format!("put the master key of the backup's server in the place of {made}, which was made just now")
        }),
    }
}

async fn sqlite(path: &Path) -> anyhow::Result<Database> {
    super::open(&format!("sqlite://{}", path.display())).await
}

/// A copy of the backup's database, so that bringing its schema up to date leaves the backup as it is.
struct Draft(PathBuf);

impl Draft {
    fn of(file: &Path, data_dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data_dir)?;
        let draft = Self(data_dir.join("restoring.db"));
        draft.remove();
        std::fs::copy(file, &draft.0).with_context(|| file.display().to_string())?;
        Ok(draft)
    }

    fn remove(&self) {
        for end in ["db", "db-wal", "db-shm", "migrate.lock"] {
            // What is not there need not go.
            let _ = std::fs::remove_file(self.0.with_extension(end));
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.remove();
    }
}
