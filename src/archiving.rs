//! Archiving: sealed segments of the log go to the blob store, and what has ended leaves the database.
//!
//! Nothing is archived that a tail has not seen yet: a tail that is behind holds the archive back, as its end would be
//! read from segments otherwise.

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use eventlog::{ArchiveLock, Database, Ending, Pruned, Sealed};

use crate::{notary, policies};

/// How far to archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Up to the event before this position.
    Before(u64),
    /// Every event that was recorded before.
    OlderThan(DateTime<Utc>),
}

/// What was done.
#[derive(Debug, Default)]
pub struct Archived {
    /// The new segments.
    pub sealed: Vec<Sealed>,
    /// What left the database.
    pub pruned: Pruned,
    /// A tail that is behind and held the archive back, with its position.
    pub held_back_by: Option<(String, u64)>,
}

/// Which events end which streams.
pub fn endings() -> Vec<Ending> {
    let endings = aggregates::ended::ENDINGS.iter();
    endings
        .map(|&(aggregate_type, event_types)| Ending {
            aggregate_type,
            event_types,
        })
        .collect()
}

/// Archives, and removes what may go. Servers may run; it may be cut off at any point and run again.
///
/// # Errors
/// Another process archives, the log is not what its tree says, or the database or the store failed.
pub async fn archive(database: &Database, until: Until) -> anyhow::Result<Archived> {
    let Some(lock) = ArchiveLock::take(database).await? else {
        bail!("another process archives this log");
    };
    let mut archived = Archived::default();
    let mut up_to = match until {
        Until::Before(position) => position.saturating_sub(1),
        Until::OlderThan(time) => database.position_before(time).await?,
    };
    let (tail, position) = slowest_tail(database).await?;
    if position < up_to {
        up_to = position;
        archived.held_back_by = Some((tail, position));
    }
    database.check_root().await?;
    while let Some(sealed) = database.seal_segment(up_to).await? {
        tracing::info!(object = sealed.object, "a segment of the log is sealed");
        archived.sealed.push(sealed);
    }
    archived.pruned = database.prune_archived(&endings()).await?;
    let signed = notary::signed_size(database).await?;
    database.forget_archived_leaves(signed).await?;
    lock.release().await?;
    Ok(archived)
}

/// The tail that is furthest behind, and its position. A read model that never ran is at the beginning. What a rebuild or a
/// comparison has come to counts; what no part of this version is called left off following for good.
async fn slowest_tail(database: &Database) -> anyhow::Result<(String, u64)> {
    const SQL: &str = "SELECT name, position FROM tails ORDER BY position, name";
    let rows = database.query(SQL, &[]).await?;
    let mut known = Vec::with_capacity(rows.len());
    for row in rows {
        let (name, position) = (row.text(0)?, u64::try_from(row.int(1)?)?);
        if follows(&name) {
            known.push((name, position));
        } else {
            tracing::warn!(
                name,
                position,
                "nothing of this name follows the log any more"
            );
        }
    }
    for projection in projections::tails() {
        if !known.iter().any(|(name, _)| name == projection.name()) {
            return Ok((projection.name().to_owned(), 0));
        }
    }
    known.into_iter().next().context("no tail follows the log")
}

/// Whether something of this version has the name, or fills or compares the tables of what has it.
fn follows(name: &str) -> bool {
    let (name, _) = name.split_once("__").unwrap_or((name, ""));
    let read_models = projections::tails()
        .into_iter()
        .chain(projections::inline());
    policies::REACTORS.contains(&name)
        || read_models
            .into_iter()
            .any(|projection| projection.name() == name)
}
