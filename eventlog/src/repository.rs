//! Reading: the whole log by position, and streams through the cqrs-es persistence crates.

use chrono::DateTime;
use cqrs_es::persist::{PersistedEventRepository as _, PersistenceError};
use cqrs_es::{Aggregate, EventEnvelope};
use postgres_es::PostgresEventRepository;
use sqlite_es::SqliteEventRepository;

use crate::database::{DatabaseKind, LostConnections};
use crate::{Database, DbError, Engine, RecordedEvent, Row, Value};

const COLUMNS: &str = "position, recorded_at, aggregate_type, aggregate_id, sequence, event_type, event_version, \
                       leaf_hash";

/// PostgreSQL's own types are shown as text.
pub(crate) fn select(engine: Engine, rest: &str) -> String {
    let texts = match engine {
        Engine::Sqlite => "event_id, payload, metadata",
        Engine::Postgres => "event_id::text, payload::text, metadata::text",
    };
    format!("SELECT {COLUMNS}, {texts} FROM events {rest}")
}

/// Events after a position, in order.
pub(crate) async fn read_all(
    database: &Database,
    after: u64,
    limit: usize,
) -> Result<Vec<RecordedEvent>, DbError> {
    let sql = select(
        database.engine(),
        "WHERE position > $1 ORDER BY position LIMIT $2",
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = database
        .query(&sql, &[after.cast_signed().into(), limit.into()])
        .await?;
    rows.iter().map(recorded).collect()
}

/// The events of a stream, in order.
pub(crate) async fn read_stream(
    database: &Database,
    aggregate_type: &str,
    aggregate_id: &str,
) -> Result<Vec<RecordedEvent>, DbError> {
    let sql = select(
        database.engine(),
        "WHERE aggregate_type = $1 AND aggregate_id = $2 ORDER BY sequence",
    );
    let rows = database
        .query(&sql, &[aggregate_type.into(), aggregate_id.into()])
        .await?;
    rows.iter().map(recorded).collect()
}

pub(crate) fn recorded(row: &Row) -> Result<RecordedEvent, DbError> {
    let number =
        |index| u64::try_from(row.int(index)?).map_err(|_| DbError::decode("a negative number"));
    let leaf_hash = row
        .bytes(7)?
        .try_into()
        .map_err(|_| DbError::decode("a leaf hash that is none"))?;
    Ok(RecordedEvent {
        position: number(0)?,
        recorded_at: DateTime::from_timestamp_micros(row.int(1)?)
            .ok_or_else(|| DbError::decode("a time out of range"))?,
        aggregate_type: row.text(2)?,
        aggregate_id: row.text(3)?,
        sequence: number(4)?,
        event_type: row.text(5)?,
        event_version: row.text(6)?,
        leaf_hash,
        event_id: row
            .text(8)?
            .parse()
            .map_err(|_| DbError::decode("an event id that is none"))?,
        payload: row.text(9)?,
        metadata: row.text(10)?,
    })
}

/// The events of a stream as cqrs-es has them. Never the crates' replay streams or snapshots.
pub(crate) async fn load<A: Aggregate>(
    database: &Database,
    id: &str,
) -> Result<Vec<EventEnvelope<A>>, DbError> {
    let events = match &*database.kind {
        DatabaseKind::Sqlite { readers, .. } => {
            SqliteEventRepository::new(readers.clone())
                .get_events::<A>(id)
                .await?
        }
        DatabaseKind::Postgres { pool, .. } => {
            let repository = PostgresEventRepository::new(pool.clone());
            let mut lost = LostConnections::default();
            loop {
                let events = repository.get_events::<A>(id).await;
                let events = events.map_err(DbError::from);
                if !lost.again(&events) {
                    break events?;
                }
            }
        }
    };
    let envelopes = events.into_iter().map(EventEnvelope::try_from);
    envelopes
        .collect::<Result<_, PersistenceError>>()
        .map_err(DbError::from)
}

/// As a parameter.
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(Some(number.cast_signed()))
    }
}
