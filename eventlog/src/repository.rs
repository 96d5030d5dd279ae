//! Reading: the whole log by position, and streams through the cqrs-es persistence crates.

use chrono::DateTime;
use cqrs_es::persist::{PersistedEventRepository as _, PersistenceError, SerializedEvent};
use cqrs_es::{Aggregate, EventEnvelope};
use postgres_es::PostgresEventRepository;
use sqlite_es::SqliteEventRepository;

use crate::database::{DatabaseKind, LostConnections};
use crate::{
    Database, DbError, Engine, Log, RecordedEvent, Row, Upcasters, Value, archive, lines, postgres,
    unreadable,
};

const COLUMNS: &str = "position, recorded_at, aggregate_type, aggregate_id, sequence, event_type, event_version, \
                       leaf_hash";

/// Whoever asks for so many events at once replays the log.
const MANY: usize = 1000;

/// PostgreSQL's own types are shown as text.
pub(crate) fn select(engine: Engine, rest: &str) -> String {
    let texts = match engine {
        Engine::Sqlite => "event_id, payload, metadata",
        Engine::Postgres => "event_id::text, payload::text, metadata::text",
    };
    format!("SELECT {COLUMNS}, {texts} FROM events {rest}")
}

/// Keeps a read of the table from reaching below the archive's end, where it has gaps. It holds for the whole statement:
/// what is archived meanwhile is still there for it.
pub(crate) fn beyond_archive(after: &str) -> String {
    format!("{after} >= (SELECT COALESCE(MAX(last_position), 0) FROM log_segments)")
}

/// Events after a position, in order.
pub(crate) async fn read_all(
    database: &Database,
    after: u64,
    limit: usize,
) -> Result<Vec<RecordedEvent>, DbError> {
    if after >= archive::known_position(database) {
        let events = read_table(database, after, limit).await?;
        if !events.is_empty() || after >= archive::position(database).await? {
            return Ok(events);
        }
    }
    let mut events = Vec::new();
    archive::scan(database, after, u64::MAX, limit, &mut events, |_| true).await?;
    Ok(events)
}

/// Events after a position that is not below the archive's end, in order; none after one that is.
pub(crate) async fn read_table(
    database: &Database,
    after: u64,
    limit: usize,
) -> Result<Vec<RecordedEvent>, DbError> {
    if limit >= MANY {
        return read_many(database, after, limit).await;
    }
    let beyond = beyond_archive("$1");
    let rest = format!("WHERE position > $1 AND {beyond} ORDER BY position LIMIT $2");
    let sql = select(database.engine(), &rest);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = database
        .query(&sql, &[after.cast_signed().into(), limit.into()])
        .await?;
    rows.iter().map(recorded).collect()
}

/// As [`read_table`], straight from the rows: no value of a row is made but for the event.
async fn read_many(
    database: &Database,
    after: u64,
    limit: usize,
) -> Result<Vec<RecordedEvent>, DbError> {
    let beyond = beyond_archive(&after.to_string());
    let sql = format!(
        "SELECT {}, leaf_hash FROM events WHERE position > {after} AND {beyond} ORDER BY position LIMIT {limit}",
        lines::COLUMNS
    );
    match &*database.kind {
        DatabaseKind::Sqlite { readers, .. } => readers.events(sql).await,
        DatabaseKind::Postgres { pool, .. } => postgres::read_events(pool, &sql).await,
    }
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
    let events: Vec<_> = rows.iter().map(recorded).collect::<Result<_, _>>()?;
    if events.first().is_some_and(|event| event.sequence == 1) {
        return Ok(events);
    }
    let Some(ended) = archive::ended_stream(database, aggregate_type, aggregate_id).await? else {
        return Ok(events);
    };
    let archived = archive::whole_stream(database, aggregate_type, aggregate_id, ended).await?;
    let later = events
        .into_iter()
        .filter(|event| event.sequence > ended.version);
    Ok(archived.into_iter().chain(later).collect())
}

impl Log {
    /// The event number `sequence` of a stream that has not ended.
    ///
    /// # Errors
    /// The database failed.
    pub async fn read_one(
        &self,
        aggregate_type: &str,
        aggregate_id: &str,
        sequence: u64,
    ) -> Result<Option<RecordedEvent>, DbError> {
        let database = &self.inner.database;
        let rest = "WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence = $3";
        let sql = select(database.engine(), rest);
        let params = [aggregate_type.into(), aggregate_id.into(), sequence.into()];
        let rows = database.query(&sql, &params).await?;
        rows.first().map(recorded).transpose()
    }

    /// The last event of some types in a stream that has not ended, up to its number `sequence`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn read_last(
        &self,
        aggregate_type: &str,
        aggregate_id: &str,
        event_types: &[&str],
        sequence: u64,
    ) -> Result<Option<RecordedEvent>, DbError> {
        let database = &self.inner.database;
        let places: Vec<String> = (4..4 + event_types.len())
            .map(|place| format!("${place}"))
            .collect();
        let rest = format!(
            "WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence <= $3 AND event_type IN ({}) \
             ORDER BY sequence DESC LIMIT 1",
            places.join(", ")
        );
        let sql = select(database.engine(), &rest);
        let mut params: Vec<Value> =
            vec![aggregate_type.into(), aggregate_id.into(), sequence.into()];
        params.extend(event_types.iter().map(|kind| Value::from(*kind)));
        let rows = database.query(&sql, &params).await?;
        rows.first().map(recorded).transpose()
    }
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
    upcasters: &Upcasters,
    id: &str,
) -> Result<Vec<EventEnvelope<A>>, DbError> {
    let events = match &*database.kind {
        DatabaseKind::Sqlite { pool, .. } => {
            SqliteEventRepository::new(pool.clone())
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
    let events = with_archived::<A>(database, id, events).await?.into_iter();
    let envelopes = events.map(|event| EventEnvelope::try_from(upcasters.serialized(event)));
    envelopes
        .collect::<Result<_, PersistenceError>>()
        .map_err(DbError::from)
}

/// Of a stream that has ended, whose events went to the archive, the first and the last: they say as much as all.
async fn with_archived<A: Aggregate>(
    database: &Database,
    id: &str,
    events: Vec<SerializedEvent>,
) -> Result<Vec<SerializedEvent>, DbError> {
    if events.first().is_some_and(|event| event.sequence == 1) {
        return Ok(events);
    }
    let Some(ended) = archive::ended_stream(database, A::TYPE, id).await? else {
        return Ok(events);
    };
    let archived = archive::first_and_last(database, ended).await?;
    let archived: Vec<_> = archived
        .into_iter()
        .map(serialized)
        .collect::<Result<_, _>>()?;
    let later = events
        .into_iter()
        .filter(|event| event.sequence as u64 > ended.version);
    Ok(archived.into_iter().chain(later).collect())
}

/// As the cqrs-es persistence crates give it.
fn serialized(event: RecordedEvent) -> Result<SerializedEvent, DbError> {
    let json =
        |text: &str| serde_json::from_str(text).map_err(|error| DbError::Event(error.to_string()));
    Ok(SerializedEvent {
        payload: json(&event.payload)?,
        metadata: json(&event.metadata)?,
        sequence: usize::try_from(event.sequence)
            .map_err(|_| DbError::decode("a version out of range"))?,
        aggregate_id: event.aggregate_id,
        aggregate_type: event.aggregate_type,
        event_type: event.event_type,
        event_version: event.event_version,
    })
}

/// The events of a stream after a version, each with its own. The whole of a stream comes as [`load`] has it.
pub(crate) async fn load_after<A: Aggregate>(
    database: &Database,
    upcasters: &Upcasters,
    id: &str,
    version: u64,
) -> Result<Vec<(u64, A::Event)>, DbError> {
    if version == 0 {
        let events = load::<A>(database, upcasters, id).await?.into_iter();
        let events = events.map(|event| (event.sequence as u64, event.payload));
        return Ok(events.collect());
    }
    let sql = select(
        database.engine(),
        "WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence > $3 ORDER BY sequence",
    );
    let params = [A::TYPE.into(), id.into(), version.into()];
    let rows = database.query(&sql, &params).await?;
    let event = |row| {
        let event = recorded(row)?;
        let parsed = upcasters.parse(&event);
        let parsed = parsed.map_err(|error| DbError::Event(unreadable(&event, &error)))?;
        Ok((event.sequence, parsed))
    };
    rows.iter().map(event).collect()
}

/// As a parameter.
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(Some(number.cast_signed()))
    }
}
