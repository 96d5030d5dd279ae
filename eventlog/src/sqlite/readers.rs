//! Reading from SQLite. Its own connections step through the rows, in place or on a blocking thread: a row costs no message
//! between threads, and a line no copy but the one into it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::DateTime;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::in_place::InPlace;
use super::{BUSY_TIMEOUT, numbered};
use crate::database::Statement;
use crate::line::LineParts;
use crate::lines::Lines;
use crate::{DbError, RecordedEvent, Row, Value};

/// Connections that read at once.
const CONNECTIONS: u32 = 10;
/// Prepared statements that each keeps.
const STATEMENTS: usize = 256;
/// Where the leaf hash is, behind the columns of a line.
const LEAF_HASH: usize = 10;
/// How long a read waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that read.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    in_place: InPlace,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            in_place: InPlace::new(&path),
            path,
            places: Arc::new(Semaphore::new(CONNECTIONS as usize)),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// No more reads; those under way are waited for, but not for ever.
    pub(crate) async fn close(&self) {
        self.in_place.close();
        let all = self.places.acquire_many(CONNECTIONS);
        let ended = tokio::time::timeout(PATIENCE, all).await;
        self.places.close();
        drop(ended);
        if let Ok(mut idle) = self.idle.lock() {
            idle.clear();
        }
    }

    /// The rows of each query, all of one state of the database.
    pub(crate) async fn rows_of_each(
        self: &Arc<Self>,
        queries: Vec<Statement>,
    ) -> Result<Vec<Vec<Row>>, DbError> {
        let in_place = self
            .in_place
            .read(|connection| rows_of_each(connection, &queries));
        match in_place {
            Some(rows) => rows,
            None => {
                self.read(move |connection| rows_of_each(connection, &queries))
                    .await
            }
        }
    }

    /// The lines of a query for [`crate::lines::COLUMNS`].
    pub(crate) async fn lines(
        self: &Arc<Self>,
        sql: String,
        limit: usize,
    ) -> Result<Lines, DbError> {
        self.read(move |connection| lines(connection, &sql, limit))
            .await
    }

    /// The events of a query for [`crate::lines::COLUMNS`] and the leaf hash.
    pub(crate) async fn events(
        self: &Arc<Self>,
        sql: String,
    ) -> Result<Vec<RecordedEvent>, DbError> {
        self.read(move |connection| events(connection, &sql)).await
    }

    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let place = Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(PATIENCE, place).await;
        let place = place.map_err(|_| DbError::Busy)?;
        let place = place.map_err(|_| DbError::Closed)?;
        let readers = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let _held = place;
            let connection = readers.take()?;
            let done = read(&connection)?;
            readers.put_back(connection);
            Ok(done)
        });
        done.await.map_err(|_| DbError::Closed)?
    }

    fn take(&self) -> Result<Connection, DbError> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        if let Some(connection) = idle {
            return Ok(connection);
        }
        open(&self.path)
    }

    /// Keeps it for the next read, unless there are no more.
    fn put_back(&self, connection: Connection) {
        if let Ok(mut idle) = self.idle.lock()
            && !self.places.is_closed()
        {
            idle.push(connection);
        }
    }
}

pub(super) fn open(path: &Path) -> Result<Connection, DbError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    plan_once(&connection)?;
    Ok(connection)
}

/// Else a statement that compares what a partial index compares is planned anew whenever it is used.
pub(super) fn plan_once(connection: &Connection) -> Result<(), DbError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn rows_of_each(connection: &Connection, queries: &[Statement]) -> Result<Vec<Vec<Row>>, DbError> {
    // A statement alone is a transaction of its own.
    if let [(sql, params)] = queries {
        return Ok(vec![rows(connection, sql, params)?]);
    }
    let transaction = connection.unchecked_transaction()?;
    let each = queries.iter();
    each.map(|(sql, params)| rows(&transaction, sql, params))
        .collect()
}

fn rows(connection: &Connection, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
    let mut statement = connection.prepare_cached(&numbered(sql))?;
    let mut rows = statement.query(params_from_iter(params))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Row::from_rusqlite(row)?);
    }
    Ok(found)
}

fn lines(connection: &Connection, sql: &str, limit: usize) -> Result<Lines, DbError> {
    let mut lines = Lines::with_room_for(limit);
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if !lines.take(&parts(row)?) {
            break;
        }
    }
    Ok(lines)
}

fn events(connection: &Connection, sql: &str) -> Result<Vec<RecordedEvent>, DbError> {
    let mut events = Vec::new();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let leaf_hash = row.get(LEAF_HASH)?;
        events.push(parts(row)?.to_event(leaf_hash));
    }
    Ok(events)
}

/// What a row of [`crate::lines::COLUMNS`] has, where SQLite keeps it.
fn parts<'a>(row: &'a rusqlite::Row<'_>) -> Result<LineParts<'a>, DbError> {
    let text = |index: usize| {
        let text = row.get_ref(index)?.as_str();
        text.map_err(|_| DbError::decode("not a text column"))
    };
    let number = |index: usize| -> Result<i64, DbError> { Ok(row.get(index)?) };
    let positive = |index: usize| {
        u64::try_from(number(index)?).map_err(|_| DbError::decode("a negative number"))
    };
    Ok(LineParts {
        position: positive(0)?,
        event_id: Uuid::try_parse(text(1)?)
            .map_err(|_| DbError::decode("an event id that is none"))?,
        recorded_at: DateTime::from_timestamp_micros(number(2)?)
            .ok_or_else(|| DbError::decode("a time out of range"))?,
        aggregate_type: text(3)?,
        aggregate_id: text(4)?,
        sequence: positive(5)?,
        event_type: text(6)?,
        event_version: text(7)?,
        payload: text(8)?,
        metadata: text(9)?,
    })
}
