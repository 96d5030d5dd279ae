//! Rebuilding and checking read models while servers run.
//!
//! A rebuild fills new tables beside the live ones from the first event on, and when it has caught up it puts them in
//! their place, in one transaction. Until then everybody reads and writes the live ones, afterwards the new ones. A
//! rebuild that is killed leaves the live tables as they were; the next one goes on where it was, if it is by the same
//! code and of a table of the same form.

mod beside;
mod lock;
mod resume;
pub(crate) mod schema;
mod swap;
mod verify;

use std::sync::Arc;
use std::time::Duration;

pub use verify::{Verified, verify};

use beside::{Beside, Purpose};
use chrono::{DateTime, Utc};
use lock::{Lock, With};
use resume::{KEPT, Origin};
use sqlx::PgConnection;

use crate::checkpoint::{BESIDE, tail_state};
use crate::tail::Step;
use crate::{Database, DbError, Hash, Log, Projection, ProjectionTail};

/// Events of one transaction of a rebuild.
const STEP: usize = 2_000;
/// How often the tables are tried to be put in place.
const SWAPS: usize = 50;
/// How often a lock is tried.
const LOOKS: usize = 100;
/// Between two of these.
const PAUSE: Duration = Duration::from_millis(50);

/// The longest between two tries to put the tables in place: each keeps appends waiting for a moment.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

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
    #[error("another rebuild or comparison of it, or a copy of the database, is under way")]
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
    /// From which position it went on, after one that was killed there.
    pub went_on_from: Option<u64>,
    /// Up to which position.
    pub position: u64,
    /// Rows of the tables.
    pub rows: u64,
}

/// Fills the projection's tables anew and puts them in the place of the live ones. One that was killed, or met a database
/// that failed, is gone on with by the next one of the same `code`: a digest, of which two that are equal make the same
/// rows.
///
/// # Errors
/// See [`RebuildError`].
pub async fn rebuild(
    database: &Database,
    log: &Log,
    projection: Arc<dyn Projection>,
    mode: Mode,
    code: &Hash,
) -> Result<Rebuilt, RebuildError> {
    let _lock = locked(database, projection.name()).await?;
    if !projection.not_from_events().is_empty() {
        return Err(RebuildError::NotFromEvents);
    }
    let tables = Arc::new(Beside::new(Arc::clone(&projection), Purpose::Rebuild));
    schema::check(database, projection.as_ref()).await?;
    let origin = Origin::new(database, projection.as_ref(), code, log.now()).await?;
    let goal = goal(database, log, projection.name(), mode).await?;
    let went_on_from = begin(database, &tables, &origin, goal).await?;
    let filled = fill_and_swap(database, log, projection.name(), &tables, mode).await;
    // What was live until now, or what was filled in vain. The next one goes on with anything else.
    if matches!(filled, Ok(_) | Err(RebuildError::Event { .. })) {
        schema::remove(database, &tables).await?;
    }
    Ok(Rebuilt {
        went_on_from,
        position: filled?,
        rows: rows(database, projection.as_ref()).await?,
    })
}

/// Makes empty tables, unless a rebuild like this one has left some that are filled no further than `goal`: up to which
/// position they are. What PostgreSQL still does for one that was killed can be in the way of a name, for a moment.
async fn begin(
    database: &Database,
    tables: &Beside,
    origin: &Origin,
    goal: u64,
) -> Result<Option<u64>, DbError> {
    for _ in 0..LOOKS {
        match try_begin(database, tables, origin, goal).await {
            Err(error) if error.is_of_the_data() => tokio::time::sleep(PAUSE).await,
            begun => return begun,
        }
    }
    try_begin(database, tables, origin, goal).await
}

async fn try_begin(
    database: &Database,
    tables: &Beside,
    origin: &Origin,
    goal: u64,
) -> Result<Option<u64>, DbError> {
    let left = origin.left(database, tables, DateTime::UNIX_EPOCH).await?;
    if let Some(position) = left.filter(|position| *position <= goal) {
        let tables_beside = tables.name();
        tracing::info!(tables_beside, position, "a rebuild that was ended goes on");
        origin.renew(database, tables).await?;
        return Ok(Some(position));
    }
    schema::remove(database, tables).await?;
    schema::create(database, tables, Some(origin)).await?;
    Ok(None)
}

async fn fill_and_swap(
    database: &Database,
    log: &Log,
    name: &'static str,
    tables: &Arc<Beside>,
    mode: Mode,
) -> Result<u64, RebuildError> {
    let tail = filling(database, log, tables).await?;
    fill(database, &tail, goal(database, log, name, mode).await?).await?;
    index(database, tables).await?;
    let mut pause = PAUSE;
    for _ in 0..SWAPS {
        fill(database, &tail, goal(database, log, name, mode).await?).await?;
        let swap = swap::Swap::new(database, log, name, tables, mode, tail.position()).await?;
        match swap.run(database).await {
            Ok(Some(position)) => return Ok(position),
            Ok(None) => {}
            Err(error) if error.is_contention() => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Err(RebuildError::InUse)
}

/// Makes the indexes. PostgreSQL may still be at the same ones for a rebuild that was killed.
async fn index(database: &Database, tables: &Arc<Beside>) -> Result<(), DbError> {
    for _ in 0..LOOKS {
        match schema::create_indexes(database, tables).await {
            Err(error) if error.is_of_the_data() => tokio::time::sleep(PAUSE).await,
            made => return made,
        }
    }
    schema::create_indexes(database, tables).await
}

/// The tail that fills the tables.
async fn filling(
    database: &Database,
    log: &Log,
    tables: &Arc<Beside>,
) -> Result<ProjectionTail, DbError> {
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
        if let Some(lock) = lock::take(database, name, With::Nobody).await? {
            return Ok(lock);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(RebuildError::Running)
}

/// PostgreSQL: none of these projections is rebuilt or compared as long as the connection lives. The name of the first
/// that somebody is at.
pub(crate) async fn keep_off(
    connection: &mut PgConnection,
    projections: &[&str],
) -> Result<Option<String>, DbError> {
    for name in projections {
        let mut looks = 1;
        while !lock::take_on(connection, name, With::Others).await? {
            if looks == LOOKS {
                return Ok(Some((*name).to_owned()));
            }
            looks += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(None)
}

/// The name of the live table, of one that a rebuild or a comparison has made beside it; of any other its own.
pub fn live_name(table: &str) -> &str {
    let beside = table.split_once(BESIDE);
    beside
        .filter(|(_, suffix)| ["rebuild", "verify", "former"].contains(suffix))
        .map_or(table, |(live, _)| live)
}

/// Whether a projection is being rebuilt or compared at this moment, on whatever node.
///
/// # Errors
/// The database failed.
pub async fn is_under_way(database: &Database, name: &str) -> Result<bool, DbError> {
    Ok(lock::take(database, name, With::Others).await?.is_none())
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

/// Removes what killed rebuilds and comparisons have left of a projection, unless one is under way. What a rebuild by the
/// same `code` can go on with is kept for a day.
///
/// # Errors
/// The database failed.
pub async fn tidy(
    database: &Database,
    projection: Arc<dyn Projection>,
    code: &Hash,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let Some(_lock) = lock::take(database, projection.name(), With::Nobody).await? else {
        return Ok(());
    };
    let origin = Origin::new(database, projection.as_ref(), code, now).await?;
    let rebuilt = Beside::new(Arc::clone(&projection), Purpose::Rebuild);
    let kept = origin.left(database, &rebuilt, now - KEPT).await?;
    if kept.is_none() {
        schema::remove(database, &rebuilt).await?;
    }
    schema::remove(database, &Beside::new(projection, Purpose::Verify)).await
}
