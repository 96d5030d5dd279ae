//! Short reads, done in place by whoever asks. To give a read of some ten microseconds to another thread and to be woken
//! by it costs several times as much. What turns out to be longer is broken off and left to the threads that may block.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::readers::open;
use crate::DbError;

/// Steps of SQLite's virtual machine after which a read is broken off: about a quarter of a millisecond. SQLite counts
/// those of a prepared statement on from one use to the next, so that now and then a shorter one is, too.
const STEPS: i32 = 5_000;

/// Connections for short reads: as many as threads that ask at once.
#[derive(Debug)]
pub(super) struct InPlace {
    path: PathBuf,
    /// None when there are no more reads.
    idle: Mutex<Option<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connections: Vec<Connection>,
    /// How many more may be opened.
    unopened: usize,
}

impl InPlace {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::new(Some(Idle {
                connections: Vec::new(),
                unopened: threads(),
            })),
        }
    }

    /// No more reads.
    pub(super) fn close(&self) {
        if let Ok(mut idle) = self.idle.lock() {
            *idle = None;
        }
    }

    /// What is read, unless it takes long, somebody holds the database, or all connections are in use.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, DbError>,
    ) -> Option<Result<T, DbError>> {
        let connection = self.take()?;
        let done = read(&connection);
        self.put_back(connection);
        match done {
            Err(DbError::Sqlite(error)) if is_not_now(&error) => None,
            done => Some(done),
        }
    }

    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().ok()?;
        let idle = idle.as_mut()?;
        if let Some(connection) = idle.connections.pop() {
            return Some(connection);
        }
        idle.unopened = idle.unopened.checked_sub(1)?;
        let opened = open(&self.path).and_then(|connection| {
            connection.busy_timeout(Duration::ZERO)?;
            connection.progress_handler(STEPS, Some(|| true));
            Ok(connection)
        });
        if opened.is_err() {
            idle.unopened += 1;
        }
        opened.ok()
    }

    fn put_back(&self, connection: Connection) {
        if let Ok(mut idle) = self.idle.lock()
            && let Some(idle) = idle.as_mut()
        {
            idle.connections.push(connection);
        }
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Whether a read that may wait can go well where this one did not.
fn is_not_now(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::OperationInterrupted | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000) \
                        SELECT COUNT(*) FROM numbers";

    fn number(connection: &Connection, sql: &str) -> Result<i64, DbError> {
        Ok(connection
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))?)
    }

    /// How many read at once.
    fn depth(reads: &InPlace) -> usize {
        let deeper = reads.read(|_| Ok(1 + depth(reads)));
        deeper.map_or(0, Result::unwrap)
    }

    #[test]
    fn a_short_read_is_answered_and_a_long_one_is_left_to_others() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let reads = InPlace::new(file.path());
        for _ in 0..3 {
            let short = reads.read(|connection| number(connection, "SELECT 7"));
            assert_eq!(short.unwrap().unwrap(), 7);
            assert!(reads.read(|connection| number(connection, LONG)).is_none());
        }
        let wrong = reads.read(|connection| number(connection, "SELECT 1 FROM nothing"));
        assert!(wrong.unwrap().is_err(), "what is wrong is wrong everywhere");
        reads.close();
        assert!(
            reads
                .read(|connection| number(connection, "SELECT 7"))
                .is_none()
        );
    }

    #[test]
    fn nobody_waits_for_somebody_else_who_reads_or_holds_the_database() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let reads = InPlace::new(file.path());
        let holder = Connection::open(file.path()).unwrap();
        holder
            .execute_batch("CREATE TABLE t (n); BEGIN EXCLUSIVE")
            .unwrap();
        assert!(
            reads
                .read(|connection| number(connection, "SELECT COUNT(*) FROM t"))
                .is_none()
        );
        holder.execute_batch("COMMIT").unwrap();
        assert_eq!(depth(&reads), threads());
    }
}
