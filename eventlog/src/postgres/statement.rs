//! The one statement that appends a batch: its text, its parameters and its answer.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, Row as _};

use super::changes::{group_statement, groups};
use crate::DbError;
use crate::batch::{Batch, Conflict, Head};

/// What became of a statement.
pub(super) enum Outcome {
    Moved,
    /// Nothing was written: the head was another, or these conflict.
    NotMoved(Vec<Conflict>),
}

pub(super) fn append_statement(
    batch: &Batch,
    head: &Head,
) -> Result<(String, PgArguments), DbError> {
    let mut sql = String::with_capacity(4096);
    sql.push_str(APPEND);
    let mut arguments = PgArguments::default();
    bind_checks(&mut arguments, batch)?;
    bind_events(&mut arguments, batch)?;
    bind_head(&mut arguments, batch, head)?;
    if !batch.tiles.is_empty() {
        sql.push_str(TILES);
        bind_tiles(&mut arguments, batch)?;
    }
    for (n, group) in groups(&batch.changes).iter().enumerate() {
        let moved = "EXISTS (SELECT 1 FROM moved)";
        let change = group_statement(group, &batch.changes, &mut arguments, moved)?;
        for part in [", change", &n.to_string(), " AS (", &change, ")"] {
            sql.push_str(part);
        }
    }
    sql.push_str(RESULT);
    Ok((sql, arguments))
}

pub(super) fn outcome(row: &PgRow) -> Result<Outcome, DbError> {
    if row.try_get::<i64, _>(0)? == 1 {
        return Ok(Outcome::Moved);
    }
    let mut conflicts = Vec::new();
    let streams: Vec<i64> = row.try_get::<Option<Vec<i64>>, _>(1)?.unwrap_or_default();
    let versions: Vec<i64> = row.try_get::<Option<Vec<i64>>, _>(2)?.unwrap_or_default();
    for (append, actual) in streams.into_iter().zip(versions) {
        conflicts.push(Conflict::Version {
            append: count(append)?,
            actual: count(actual)? as u64,
        });
    }
    let duplicates: Vec<i64> = row.try_get::<Option<Vec<i64>>, _>(3)?.unwrap_or_default();
    for append in duplicates {
        conflicts.push(Conflict::Duplicate {
            append: count(append)?,
        });
    }
    Ok(Outcome::NotMoved(conflicts))
}

fn count(number: i64) -> Result<usize, DbError> {
    usize::try_from(number).map_err(|_| DbError::decode("a negative count"))
}

const APPEND: &str = "WITH stream AS (SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::bigint[]) \
       AS s(n, kind, id, expected)), \
     conflict AS (SELECT s.n, a.actual FROM stream s CROSS JOIN LATERAL \
       (SELECT COALESCE((SELECT e.sequence FROM events e WHERE e.aggregate_type = s.kind \
          AND e.aggregate_id = s.id ORDER BY e.sequence DESC LIMIT 1), \
          (SELECT z.version FROM log_ended_streams z WHERE z.aggregate_type = s.kind AND z.aggregate_id = s.id), \
          0) AS actual) a \
       WHERE a.actual <> s.expected), \
     duplicate AS (SELECT c.n FROM UNNEST($5::bigint[], $6::uuid[]) AS c(n, event_id) \
       WHERE EXISTS (SELECT 1 FROM events e WHERE e.event_id = c.event_id)), \
     moved AS (UPDATE log_head SET position = $17, recorded_at = $18, frontier = $19, root = $20 \
       WHERE position = $21 AND root = $22 AND NOT EXISTS (SELECT 1 FROM conflict) \
       AND NOT EXISTS (SELECT 1 FROM duplicate) RETURNING position), \
     inserted AS (INSERT INTO events (position, event_id, recorded_at, aggregate_type, aggregate_id, sequence, \
         event_type, event_version, payload, metadata, leaf_hash) \
       SELECT n.position, n.event_id, $18, n.kind, n.id, n.sequence, n.event_type, n.event_version, \
         n.payload::json, n.metadata::json, n.leaf_hash \
       FROM UNNEST($7::bigint[], $8::uuid[], $9::text[], $10::text[], $11::bigint[], $12::text[], \
         $13::text[], $14::text[], $15::text[], $16::bytea[]) \
       AS n(position, event_id, kind, id, sequence, event_type, event_version, payload, metadata, leaf_hash) \
       WHERE EXISTS (SELECT 1 FROM moved))";

const TILES: &str = ", filled AS (INSERT INTO log_tiles (level, tile, root, hashes) \
       SELECT t.level, t.tile, t.root, t.hashes \
       FROM UNNEST($23::bigint[], $24::bigint[], $25::bytea[], $26::bytea[]) AS t(level, tile, root, hashes) \
       WHERE EXISTS (SELECT 1 FROM moved) ON CONFLICT (level, tile) DO NOTHING)";

const RESULT: &str = " SELECT (SELECT COUNT(*) FROM (SELECT pg_notify('gatelog_log', position::text) FROM moved) m), \
     (SELECT array_agg(n ORDER BY n) FROM conflict), (SELECT array_agg(actual ORDER BY n) FROM conflict), \
     (SELECT array_agg(n) FROM duplicate)";

pub(crate) fn bind<'a, T>(arguments: &mut PgArguments, value: T) -> Result<(), DbError>
where
    T: sqlx::Encode<'a, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + 'a,
{
    arguments
        .add(value)
        .map_err(|error| sqlx::Error::Encode(error).into())
}

/// `$1` to `$6`.
fn bind_checks(arguments: &mut PgArguments, batch: &Batch) -> Result<(), DbError> {
    let streams = batch.streams();
    bind(
        arguments,
        streams
            .iter()
            .map(|s| s.append.cast_signed() as i64)
            .collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        streams.iter().map(|s| s.aggregate_type).collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        streams.iter().map(|s| s.aggregate_id).collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        streams
            .iter()
            .map(|s| s.expected_version.cast_signed())
            .collect::<Vec<_>>(),
    )?;
    let firsts = batch.first_event_ids();
    bind(
        arguments,
        firsts
            .iter()
            .map(|(n, _)| n.cast_signed() as i64)
            .collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        firsts.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
    )
}

/// `$7` to `$16`.
fn bind_events(arguments: &mut PgArguments, batch: &Batch) -> Result<(), DbError> {
    let events = &batch.events;
    bind(
        arguments,
        events
            .iter()
            .map(|e| e.position.cast_signed())
            .collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        events.iter().map(|e| e.event_id).collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        events
            .iter()
            .map(|e| e.aggregate_type.as_str())
            .collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        events
            .iter()
            .map(|e| e.aggregate_id.as_str())
            .collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        events
            .iter()
            .map(|e| e.sequence.cast_signed())
            .collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        events
            .iter()
            .map(|e| e.event_type.as_str())
            .collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        events
            .iter()
            .map(|e| e.event_version.as_str())
            .collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        events
            .iter()
            .map(|e| e.payload.as_str())
            .collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        events
            .iter()
            .map(|e| e.metadata.as_str())
            .collect::<Vec<_>>(),
    )?;
    bind(
        arguments,
        events
            .iter()
            .map(|e| e.leaf_hash.as_slice())
            .collect::<Vec<_>>(),
    )
}

/// `$17` to `$22`. Of a log that was set back and has grown to the same length the root is another.
fn bind_head(arguments: &mut PgArguments, batch: &Batch, head: &Head) -> Result<(), DbError> {
    let new = &batch.new_head;
    bind(arguments, new.position().cast_signed())?;
    bind(arguments, new.recorded_at_micros)?;
    bind(arguments, new.frontier.to_bytes())?;
    bind(arguments, new.frontier.root().to_vec())?;
    bind(arguments, head.position().cast_signed())?;
    bind(arguments, head.frontier.root().to_vec())
}

/// `$23` to `$26`.
fn bind_tiles(arguments: &mut PgArguments, batch: &Batch) -> Result<(), DbError> {
    let tiles = &batch.tiles;
    let levels = tiles.iter().map(|tile| i64::from(tile.level));
    bind(arguments, levels.collect::<Vec<_>>())?;
    let indexes = tiles.iter().map(|tile| tile.index.cast_signed());
    bind(arguments, indexes.collect::<Vec<_>>())?;
    let roots = tiles.iter().map(|tile| tile.root.as_slice());
    bind(arguments, roots.collect::<Vec<_>>())?;
    let hashes = tiles.iter().map(|tile| tile.hashes.concat());
    bind(arguments, hashes.collect::<Vec<_>>())
}
