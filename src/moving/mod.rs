//! Moving: the log from exported lines, and a whole database into another one, of either engine.

pub mod backup;
pub mod lines;
pub mod tables;

use anyhow::{Context as _, bail};
use eventlog::{Copied, Database, rebuild};

/// Opens a database and brings its schema up to date.
///
/// # Errors
/// The database or a migration failed.
pub async fn open(url: &str) -> anyhow::Result<Database> {
    let database = Database::open(url).await?;
    database.migrate().await?;
    Ok(database)
}

/// Copies every table that is to be copied into an empty database, then reads the log of the copy line by line and
/// compares its root with that of the original at the moment of the copy. Both must have the store of the log's segments.
///
/// # Errors
/// See [`eventlog::CopyError`]; or the copy is not the same log, and must not be used.
pub async fn copy(from: &Database, to: &Database) -> anyhow::Result<Copied> {
    let known = tables::decided();
    for database in [from, to] {
        let unknown: Vec<_> = database
            .table_names()
            .await?
            .into_iter()
            .filter(|name| !known.contains(&rebuild::live_name(name)))
            .collect();
        if !unknown.is_empty() {
            bail!("tables that are not Gatelog's: {}", unknown.join(", "));
        }
    }
    let read_models = [projections::inline(), projections::tails()].concat();
    let read_models: Vec<&str> = read_models.iter().map(|one| one.name()).collect();
    let copied = from.copy_to(to, &tables::copied(), &read_models).await?;
    let lines = to.recompute_root().await.context("reading the copy")?;
    let head = to.head_and_root().await?;
    let original = (copied.position, copied.root);
    if lines != original || head != original {
        bail!("the copy does not have the root of the original: do not use it");
    }
    Ok(copied)
}
