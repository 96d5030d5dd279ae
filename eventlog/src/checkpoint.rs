//! Where a tail stands and what holds it. One row of `tails` has it all, so that a checkpoint never moves while somebody
//! has paused the tail or an event has parked it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Database, DbError, RecordedEvent, Row, Value};

/// How often an event is tried before its tail is parked.
pub const TRIES: u64 = 5;
/// Characters of a reason that are kept.
const REASON_MAX: usize = 300;
/// Between the name of a projection and what is made beside it. No tail's name holds it.
pub(crate) const BESIDE: &str = "__";

/// A tail, as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailState {
    /// Its name.
    pub name: String,
    /// Its checkpoint.
    pub position: u64,
    /// Since when it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// The event after the checkpoint, if it could not be taken.
    pub failure: Option<TailFailure>,
}

/// An event that a tail could not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailFailure {
    /// Its position.
    pub position: u64,
    /// Its identifier.
    pub event_id: Uuid,
    /// Why, without any value of the event.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u64,
    /// Since when the tail is parked; until then it is tried again.
    pub parked_at: Option<DateTime<Utc>>,
}

impl TailState {
    /// The event that the tail is parked at.
    pub fn parked(&self) -> Option<&TailFailure> {
        let failure = self.failure.as_ref();
        failure.filter(|failure| failure.parked_at.is_some())
    }

    /// Whether the checkpoint stays where it is until somebody says otherwise.
    pub fn is_held(&self) -> bool {
        self.paused_at.is_some() || self.parked().is_some()
    }
}

const SELECT: &str = "SELECT name, position, paused_at, parked_at, failed_position, failed_event_id, failed_reason, \
                      attempts FROM tails";
/// Moves a checkpoint that nothing holds: `$1` to, `$2` name, `$3` from.
pub(crate) const MOVE: &str = "UPDATE tails SET position = $1, failed_position = NULL, failed_event_id = NULL, \
     failed_reason = NULL, attempts = 0 \
     WHERE name = $2 AND position = $3 AND paused_at IS NULL AND parked_at IS NULL";

impl Database {
    /// Every tail that ever ran, by name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn tails(&self) -> Result<Vec<TailState>, DbError> {
        let rows = self.query(&format!("{SELECT} ORDER BY name"), &[]).await?;
        let states = rows
            .iter()
            .map(state_of)
            .collect::<Result<Vec<_>, DbError>>()?;
        let is_tail = |state: &TailState| !state.name.contains(BESIDE);
        Ok(states.into_iter().filter(is_tail).collect())
    }

    /// Stops a tail at its checkpoint, on every node and over restarts; false when it was paused before. A reactor may
    /// finish what it does at this moment; after `resume` it does that again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn pause_tail(&self, name: &str, now: DateTime<Utc>) -> Result<bool, DbError> {
        const PAUSE: &str = "UPDATE tails SET paused_at = $1 WHERE name = $2 AND paused_at IS NULL";
        tail_state(self, name).await?;
        let params = vec![now.timestamp_micros().into(), name.into()];
        self.changes_one(PAUSE, params).await
    }

    /// Lets a paused tail go on; false when it was not paused.
    ///
    /// # Errors
    /// The database failed.
    pub async fn resume_tail(&self, name: &str) -> Result<bool, DbError> {
        const RESUME: &str =
            "UPDATE tails SET paused_at = NULL WHERE name = $1 AND paused_at IS NOT NULL";
        self.changes_one(RESUME, vec![name.into()]).await
    }

    /// Lets a parked tail try its event again; false when it was not parked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn retry_tail(&self, name: &str) -> Result<bool, DbError> {
        const RETRY: &str = "UPDATE tails SET parked_at = NULL, attempts = 0 \
                             WHERE name = $1 AND parked_at IS NOT NULL";
        self.changes_one(RETRY, vec![name.into()]).await
    }

    async fn changes_one(&self, sql: &str, params: Vec<Value>) -> Result<bool, DbError> {
        let changed = self.execute(vec![(sql.to_owned(), params)]).await?;
        Ok(changed.first().is_some_and(|rows| *rows > 0))
    }
}

/// A tail's row, which begins at 0.
pub(crate) async fn tail_state(database: &Database, name: &str) -> Result<TailState, DbError> {
    const INSERT: &str =
        "INSERT INTO tails (name, position) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING";
    let select = format!("{SELECT} WHERE name = $1");
    let mut rows = database.query(&select, &[name.into()]).await?;
    if rows.is_empty() {
        database
            .execute(vec![(INSERT.to_owned(), vec![name.into()])])
            .await?;
        rows = database.query(&select, &[name.into()]).await?;
    }
    let row = rows
        .first()
        .ok_or_else(|| DbError::decode("no checkpoint"))?;
    state_of(row)
}

/// Notes that a tail at the position before `event` could not take it. The state after it; another one when the tail
/// stands elsewhere by now, or is held.
pub(crate) async fn note_failure(
    database: &Database,
    name: &str,
    event: &RecordedEvent,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<TailState, DbError> {
    const NOTE: &str = "UPDATE tails SET failed_position = $1, failed_event_id = $2, failed_reason = $3, \
         parked_at = CASE WHEN attempts + 1 >= $4 THEN $5 ELSE NULL END, attempts = attempts + 1 \
         WHERE name = $6 AND position = $7 AND paused_at IS NULL AND parked_at IS NULL";
    let reason: String = reason.chars().take(REASON_MAX).collect();
    let params = vec![
        event.position.into(),
        event.event_id.to_string().into(),
        reason.into(),
        TRIES.into(),
        now.timestamp_micros().into(),
        name.into(),
        (event.position - 1).into(),
    ];
    let parks = database.changes_one(NOTE, params).await?;
    let state = tail_state(database, name).await?;
    if let Some(failure) = state.parked().filter(|_| parks) {
        // Once: the node that parks the tail says so. The metric goes on saying it.
        tracing::error!(tail = name, position = failure.position, event_id = %failure.event_id,
            event_type = event.event_type, reason = failure.reason, attempts = failure.attempts,
            "a tail is parked: it takes no event until somebody lets it try again");
    }
    Ok(state)
}

fn state_of(row: &Row) -> Result<TailState, DbError> {
    let number =
        |index| u64::try_from(row.int(index)?).map_err(|_| DbError::decode("a negative number"));
    let failure = match row.opt_int(4)? {
        None => None,
        Some(_) => Some(TailFailure {
            position: number(4)?,
            event_id: row
                .text(5)?
                .parse()
                .map_err(|_| DbError::decode("an event id that is none"))?,
            reason: row.text(6)?,
            attempts: number(7)?,
            parked_at: opt_time(row, 3)?,
        }),
    };
    Ok(TailState {
        name: row.text(0)?,
        position: number(1)?,
        paused_at: opt_time(row, 2)?,
        failure,
    })
}

fn opt_time(row: &Row, index: usize) -> Result<Option<DateTime<Utc>>, DbError> {
    let time = |micros| {
        DateTime::from_timestamp_micros(micros)
            .ok_or_else(|| DbError::decode("a time out of range"))
    };
    row.opt_int(index)?.map(time).transpose()
}
