//! SQLite: one thread writes, in WAL mode with `synchronous=FULL`; the group commit is one transaction.

mod in_place;
mod readers;
mod writer;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params, params_from_iter};

pub(crate) use readers::Readers;

use crate::batch::{Batch, Conflict, Head};
use crate::checkpoint::MOVE;
use crate::database::Statement;
use crate::merkle::Hash;
use crate::projection::{Change, Table};
use crate::repository::{recorded, select};
use crate::tiles::{Edge, TILE_WIDTH, Tile, edge_tiles};
use crate::{DbError, Engine, RecordedEvent, Row, Value};

pub(crate) use writer::{Durability, SqliteWriter};

/// How long a statement waits for another process.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Only the owner may read the database; SQLite gives its side files the same mode.
pub(crate) fn create_file(path: &Path) -> Result<(), DbError> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    Ok(())
}

/// SQLite numbers `$2` by where it first stands, and `?2` by its number.
pub(crate) fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

/// Executes statements.
pub(crate) fn execute(
    connection: &Connection,
    statements: &[Statement],
) -> Result<Vec<u64>, DbError> {
    let mut affected = Vec::with_capacity(statements.len());
    for (sql, params) in statements {
        let rows = connection
            .prepare_cached(&numbered(sql))?
            .execute(params_from_iter(params))?;
        affected.push(rows as u64);
    }
    Ok(affected)
}

/// Moves a tail's checkpoint and applies its changes.
pub(crate) fn advance(
    connection: &Connection,
    tail: &str,
    from: u64,
    to: u64,
    changes: &[Change],
) -> Result<bool, DbError> {
    let moved = connection
        .prepare_cached(&numbered(MOVE))?
        .execute(params![number(to), tail, number(from)])?;
    if moved == 0 {
        return Ok(false);
    }
    apply(connection, changes)?;
    Ok(true)
}

/// Writes the batch; appends that conflict are answered here and are not in what comes back.
pub(crate) fn commit(connection: &Connection, mut batch: Batch) -> Result<Batch, (Batch, DbError)> {
    match try_commit(connection, &mut batch) {
        Ok(()) => Ok(batch),
        Err(error) => Err((batch, error)),
    }
}

fn try_commit(connection: &Connection, batch: &mut Batch) -> Result<(), DbError> {
    let head = read_head(connection)?;
    let conflicts = conflicts(connection, batch)?;
    if !conflicts.is_empty() {
        batch.refuse(&conflicts);
    }
    if batch.wants_edge(&head) {
        batch.edge = read_edge(connection, head.position())?;
    }
    batch.build(&head)?;
    if batch.appends.is_empty() {
        return Ok(());
    }
    insert(connection, batch)?;
    insert_tiles(connection, &batch.tiles)?;
    apply(connection, &batch.changes)?;
    write_head(connection, &batch.new_head)
}

fn read_head(connection: &Connection) -> Result<Head, DbError> {
    const SQL: &str = "SELECT position, recorded_at, frontier FROM log_head";
    let row: (i64, i64, Vec<u8>) = connection
        .prepare_cached(SQL)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Head::from_row(row.0, row.1, &row.2)
}

fn conflicts(connection: &Connection, batch: &Batch) -> Result<Vec<Conflict>, DbError> {
    const VERSION: &str = "SELECT COALESCE( \
        (SELECT MAX(sequence) FROM events WHERE aggregate_type = ?1 AND aggregate_id = ?2), \
        (SELECT version FROM log_ended_streams WHERE aggregate_type = ?1 AND aggregate_id = ?2), 0)";
    const KNOWN: &str = "SELECT 1 FROM events WHERE event_id = ?1";
    let mut version = connection.prepare_cached(VERSION)?;
    let mut known = connection.prepare_cached(KNOWN)?;
    let mut conflicts = Vec::new();
    for stream in batch.streams() {
        let actual: i64 = version
            .query_row(params![stream.aggregate_type, stream.aggregate_id], |row| {
                row.get(0)
            })?;
        if actual != number(stream.expected_version) {
            let actual =
                u64::try_from(actual).map_err(|_| DbError::decode("a negative version"))?;
            conflicts.push(Conflict::Version {
                append: stream.append,
                actual,
            });
        }
    }
    for (append, event_id) in batch.first_event_ids() {
        if known
            .query_row([event_id.to_string()], |_| Ok(()))
            .optional()?
            .is_some()
        {
            conflicts.push(Conflict::Duplicate { append });
        }
    }
    Ok(conflicts)
}

fn insert(connection: &Connection, batch: &Batch) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO events (position, event_id, recorded_at, aggregate_type, aggregate_id, \
        sequence, event_type, event_version, payload, metadata, leaf_hash) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let mut statement = connection.prepare_cached(SQL)?;
    for event in &batch.events {
        statement.execute(params![
            number(event.position),
            event.event_id.to_string(),
            event.recorded_at.timestamp_micros(),
            event.aggregate_type,
            event.aggregate_id,
            number(event.sequence),
            event.event_type,
            event.event_version,
            event.payload,
            event.metadata,
            event.leaf_hash,
        ])?;
    }
    Ok(())
}

fn read_edge(connection: &Connection, size: u64) -> Result<Option<Edge>, DbError> {
    const LEAVES: &str = "SELECT leaf_hash FROM events WHERE position > ?1 ORDER BY position";
    const ROOTS: &str =
        "SELECT root FROM log_tiles WHERE level = ?2 - 1 AND tile >= ?1 ORDER BY tile";
    let mut levels = Vec::new();
    for (level, tile, _) in edge_tiles(size) {
        let first = number(tile * TILE_WIDTH);
        let hashes: Result<Vec<Hash>, _> = if level == 0 {
            let mut statement = connection.prepare_cached(LEAVES)?;
            statement.query_map([first], |row| row.get(0))?.collect()
        } else {
            let mut statement = connection.prepare_cached(ROOTS)?;
            statement
                .query_map(params![first, level], |row| row.get(0))?
                .collect()
        };
        levels.push(hashes?);
    }
    Ok(Edge::new(size, levels))
}

fn insert_tiles(connection: &Connection, tiles: &[Tile]) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO log_tiles (level, tile, root, hashes) VALUES (?1, ?2, ?3, ?4) \
                       ON CONFLICT (level, tile) DO NOTHING";
    for tile in tiles {
        let row = params![
            tile.level,
            number(tile.index),
            tile.root,
            tile.hashes.concat()
        ];
        connection.prepare_cached(SQL)?.execute(row)?;
    }
    Ok(())
}

fn write_head(connection: &Connection, head: &Head) -> Result<(), DbError> {
    const SQL: &str =
        "UPDATE log_head SET position = ?1, recorded_at = ?2, frontier = ?3, root = ?4";
    connection.prepare_cached(SQL)?.execute(params![
        number(head.position()),
        head.recorded_at_micros,
        head.frontier.to_bytes(),
        head.frontier.root(),
    ])?;
    Ok(())
}

/// Events after a position, as the connection's transaction sees them.
pub(crate) fn read_all(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> Result<Vec<RecordedEvent>, DbError> {
    let rest = "WHERE position > ?1 ORDER BY position LIMIT ?2";
    let mut statement = connection.prepare_cached(&select(Engine::Sqlite, rest))?;
    let mut rows = statement.query(params![number(after), number(limit as u64)])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(recorded(&Row::from_rusqlite(row)?)?);
    }
    Ok(events)
}

pub(crate) fn apply(connection: &Connection, changes: &[Change]) -> Result<(), DbError> {
    // Most of a batch's changes are upserts of one table after the other, each with the statement of the one before.
    let mut last: Option<(&Table, CachedStatement<'_>)> = None;
    for change in changes {
        let Change::Upsert { table, row } = change else {
            let (sql, values) = statement_of(change);
            let mut statement = connection.prepare_cached(&sql)?;
            statement.execute(params_from_iter(values))?;
            continue;
        };
        let (_, statement) = match last.take() {
            Some(known) if std::ptr::eq(known.0, *table) => last.insert(known),
            _ => last.insert((table, connection.prepare_cached(&upsert(table))?)),
        };
        statement.execute(params_from_iter(row))?;
    }
    Ok(())
}

pub(crate) fn statement_of(change: &Change) -> (String, Vec<&Value>) {
    match change {
        Change::Upsert { table, row } => (upsert(table), row.iter().collect()),
        Change::Update { table, key, set } => {
            let columns = set.iter().enumerate();
            let columns: Vec<String> = columns
                .map(|(n, (index, _))| format!("{} = ?{}", column(table, *index), n + 1))
                .collect();
            let sql = format!(
                "UPDATE {} SET {} WHERE {} = ?{}",
                table.name,
                columns.join(", "),
                column(table, 0),
                set.len() + 1
            );
            (
                sql,
                set.iter().map(|(_, value)| value).chain([key]).collect(),
            )
        }
        Change::Delete { table, key } => (
            format!("DELETE FROM {} WHERE {} = ?1", table.name, column(table, 0)),
            vec![key],
        ),
        // Before the changes of single rows, which therefore need not be spared.
        Change::DeleteWhere {
            table,
            column: index,
            value,
        } => (
            format!(
                "DELETE FROM {} WHERE {} = ?1",
                table.name,
                column(table, *index)
            ),
            vec![value],
        ),
    }
}

fn upsert(table: &Table) -> String {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let places: Vec<String> = (1..=names.len()).map(|n| format!("?{n}")).collect();
    // Not `INSERT OR REPLACE`, which would also remove other rows that a unique column conflicts with.
    let set: Vec<String> = names
        .iter()
        .skip(1)
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}",
        table.name,
        names.join(", "),
        places.join(", "),
        column(table, 0),
        set.join(", ")
    )
}

fn column(table: &Table, index: usize) -> &'static str {
    table.columns.get(index).map_or("", |column| column.name)
}

/// Positions and versions stay far below 2^63.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
