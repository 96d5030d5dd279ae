//! Rebuilding and checking read models while servers run.
//!
//! A rebuild fills new tables beside the live ones from the first event on, and when it has caught up it puts them in
//! their place, in one transaction. Until then everybody reads and writes the live ones, afterwards the new ones. A
//! rebuild that is killed leaves the live tables as they were; the next one begins anew.

mod beside;
mod lock;
pub(crate) mod schema;
mod swap;
mod verify;

use std::sync::Arc;
use std::time::Duration;

pub use verify::{Verified, verify};

use beside::{Beside, Purpose};
use lock::Lock;

use crate::checkpoint::tail_state;
use crate::tail::Step;
use crate::{Database, DbError, Log, Projection, ProjectionTail};

/// Events of one transaction of a rebuild.
const STEP: usize = 2_000;
/// How often the tables are tried to be put in place.
const SWAPS: usize = 50;
/// How often a lock is tried.
const LOOKS: usize = 10;
/// Between two of these.
const PAUSE: Duration = Duration::from_millis(50);

/// How a projection's changes come into its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In the append's own transaction.
    Inline,
    /// By a tail.
    Tail,
}

/// Why a read model was not rebuilt or compared. The live tables are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// One at a time.
    #[error("another rebuild or comparison of it is under way")]
    Running,
    /// What was filled is gone: the lock was lost together with the connection that held it.
    #[error("another rebuild has taken over")]
    TakenOver,
    /// An event that the projection cannot take.
    #[error("the event at position {position} cannot be taken: {reason}")]
    Event {
        /// Where.
        position: u64,
        /// Why.
        reason: String,
    },
    /// The table and what the projection says of it differ.
    #[error(
        "the table {table} has or lacks the column {column}, of which its projection says nothing"
    )]
    Column {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: String,
    },
    /// A rebuild would lose them.
    #[error("it has columns that do not come from events")]
    NotFromEvents,
    /// Others held the tables all the time.
    #[error("the tables were in use all the time: try again")]
    InUse,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// What a rebuild did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Up to which position.
    pub position: u64,
    /// Rows of the tables.
    pub rows: u64,
}

/// Fills the projection's tables anew and puts them in the place of the live ones.
///
/// # Errors
/// See [`RebuildError`].
pub async fn rebuild(
    database: &Database,
    log: &Log,
    projection: Arc<dyn Projection>,
    mode: Mode,
) -> Result<Rebuilt, RebuildError> {
    let _lock = locked(database, projection.name()).await?;
    if !projection.not_from_events().is_empty() {
        return Err(RebuildError::NotFromEvents);
    }
    let tables = Arc::new(Beside::new(Arc::clone(&projection), Purpose::Rebuild));
    schema::check(database, projection.as_ref()).await?;
    remove_all(database, &projection).await?;
    let filled = fill_and_swap(database, log, projection.name(), &tables, mode).await;
    // What was live until now, or what was filled in vain.
    schema::remove(database, &tables).await?;
    Ok(Rebuilt {
        position: filled?,
        rows: rows(database, projection.as_ref()).await?,
    })
}

async fn fill_and_swap(
    database: &Database,
    log: &Log,
    name: &'static str,
    tables: &Arc<Beside>,
    mode: Mode,
) -> Result<u64, RebuildError> {
    let tail = begin(database, log, tables).await?;
    fill(database, &tail, goal(database, log, name, mode).await?).await?;
    schema::create_indexes(database, tables).await?;
    for _ in 0..SWAPS {
        fill(database, &tail, goal(database, log, name, mode).await?).await?;
        let swap = swap::Swap::new(database, log, name, tables, mode, tail.position()).await?;
        match swap.run(database).await {
            Ok(Some(position)) => return Ok(position),
            Ok(None) => {}
            Err(error) if error.is_contention() => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(RebuildError::InUse)
}

/// Empty tables, and the tail that fills them.
async fn begin(
    database: &Database,
    log: &Log,
    tables: &Arc<Beside>,
) -> Result<ProjectionTail, DbError> {
    schema::create(database, tables).await?;
    let projection: Arc<dyn Projection> = Arc::<Beside>::clone(tables);
    let tail = ProjectionTail::new(database.clone(), log.clone(), projection).await?;
    Ok(tail.with_step(STEP))
}

/// How far a rebuild goes: a tail that is paused stays where it is.
async fn goal(database: &Database, log: &Log, name: &str, mode: Mode) -> Result<u64, DbError> {
    let head = log.head().await?;
    if mode == Mode::Inline {
        return Ok(head);
    }
    let state = tail_state(database, name).await?;
    Ok(if state.paused_at.is_some() {
        state.position
    } else {
        head
    })
}

/// Takes every event up to `goal`.
async fn fill(database: &Database, tail: &ProjectionTail, goal: u64) -> Result<(), RebuildError> {
    while tail.position() < goal {
        let before = tail.position();
        match tail.step(goal).await? {
            Step::Moved if tail.position() > before => {}
            Step::Failed | Step::Held => {
                let state = tail_state(database, tail.name()).await?;
                let failure = state.failure.ok_or(RebuildError::TakenOver)?;
                return Err(RebuildError::Event {
                    position: failure.position,
                    reason: failure.reason,
                });
            }
            Step::Moved | Step::Idle => return Err(RebuildError::TakenOver),
        }
    }
    Ok(())
}

/// Somebody who only looks whether there is one holds the lock for a moment.
async fn locked(database: &Database, name: &str) -> Result<Lock, RebuildError> {
    for _ in 0..LOOKS {
        if let Some(lock) = lock::take(database, name).await? {
            return Ok(lock);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(RebuildError::Running)
}

/// Whether a projection is being rebuilt or compared at this moment, on whatever node.
///
/// # Errors
/// The database failed.
pub async fn is_under_way(database: &Database, name: &str) -> Result<bool, DbError> {
    Ok(lock::take(database, name).await?.is_none())
}

/// Rows of all the tables of a projection.
///
/// # Errors
/// The database failed.
pub async fn rows(database: &Database, projection: &dyn Projection) -> Result<u64, DbError> {
    let mut rows = 0;
    for table in projection.tables() {
        let sql = format!("SELECT COUNT(*) FROM {}", table.name);
        let counted = database.query(&sql, &[]).await?;
        let count = counted.first().map_or(Ok(0), |row| row.int(0))?;
        rows += u64::try_from(count).unwrap_or_default();
    }
    Ok(rows)
}

/// Removes what killed rebuilds and comparisons have left of a projection, unless one is under way.
///
/// # Errors
/// The database failed.
pub async fn tidy(database: &Database, projection: Arc<dyn Projection>) -> Result<(), DbError> {
    let Some(_lock) = lock::take(database, projection.name()).await? else {
        return Ok(());
    };
    remove_all(database, &projection).await
}

/// What both kinds leave: the indexes of their tables have the same names.
async fn remove_all(database: &Database, projection: &Arc<dyn Projection>) -> Result<(), DbError> {
    for purpose in [Purpose::Rebuild, Purpose::Verify] {
        schema::remove(database, &Beside::new(Arc::clone(projection), purpose)).await?;
    }
    Ok(())
}
