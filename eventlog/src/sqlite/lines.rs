//! Reading lines from SQLite. Its own connections step through the rows on a blocking thread: a row costs no message
//! between threads and no copy but the one into the line.

use std::path::PathBuf;
use std::sync::Mutex;

use chrono::DateTime;
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::BUSY_TIMEOUT;
use crate::DbError;
use crate::line::LineParts;
use crate::lines::Lines;

/// Connections that are kept for the next step.
const KEPT: usize = 8;

/// Connections that read lines.
#[derive(Debug)]
pub(crate) struct LineReaders {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl LineReaders {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Forgets the connections that wait.
    pub(crate) fn close(&self) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.clear();
        }
    }

    fn take(&self) -> Result<Connection, DbError> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    }

    fn put_back(&self, connection: Connection) {
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < KEPT
        {
            idle.push(connection);
        }
    }
}

/// The lines of a query for [`crate::lines::COLUMNS`].
pub(crate) async fn read_lines(
    readers: &std::sync::Arc<LineReaders>,
    sql: String,
) -> Result<Lines, DbError> {
    let readers = std::sync::Arc::clone(readers);
    let step = tokio::task::spawn_blocking(move || {
        let connection = readers.take()?;
        let lines = read(&connection, &sql)?;
        readers.put_back(connection);
        Ok(lines)
    });
    step.await.map_err(|_| DbError::Closed)?
}

fn read(connection: &Connection, sql: &str) -> Result<Lines, DbError> {
    let mut lines = Lines::default();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text = |index: usize| {
            let text = row.get_ref(index)?.as_str();
            text.map_err(|_| DbError::decode("not a text column"))
        };
        let number = |index: usize| -> Result<i64, DbError> { Ok(row.get(index)?) };
        let positive = |index: usize| {
            u64::try_from(number(index)?).map_err(|_| DbError::decode("a negative number"))
        };
        let event = LineParts {
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
        };
        if !lines.take(&event) {
            break;
        }
    }
    Ok(lines)
}
