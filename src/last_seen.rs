//! When each session was last seen: noted in memory, written in batches, never an event.
//!
//! A session's row is written at most once a minute however busy it is, and a note waits at most a minute for that. The
//! memory holds only sessions that were seen within the last minutes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use aggregates::values::SessionId;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError};

use crate::ports::clock::{self, micros};

/// How often what was noted is written.
pub const WRITE_EVERY: Duration = Duration::from_secs(10);
/// A row this fresh is not written again.
const GRAIN: TimeDelta = TimeDelta::seconds(60);
/// Statements in one transaction.
const BATCH: usize = 500;

/// The notes.
#[derive(Debug, Default)]
pub struct LastSeen {
    notes: Mutex<HashMap<SessionId, Note>>,
}

#[derive(Debug, Clone, Copy)]
struct Note {
    seen: DateTime<Utc>,
    written: Option<DateTime<Utc>>,
}

impl LastSeen {
    /// The session was seen now.
    pub fn note(&self, session: SessionId) {
        self.note_at(session, clock::now());
    }

    fn note_at(&self, session: SessionId, now: DateTime<Utc>) {
        if let Ok(mut notes) = self.notes.lock() {
            let note = notes.entry(session).or_insert(Note {
                seen: now,
                written: None,
            });
            note.seen = now;
        }
    }

    /// The newest note of a session, which may be newer than its row.
    pub fn get(&self, session: SessionId) -> Option<DateTime<Utc>> {
        self.notes.lock().ok()?.get(&session).map(|note| note.seen)
    }

    /// Writes every note that is a minute newer than its row, or that has waited for a minute, and forgets idle sessions.
    ///
    /// # Errors
    /// The database failed; the notes stay and are written the next time.
    pub async fn write(&self, database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
        let due = self.due(now);
        for batch in due.chunks(BATCH) {
            let statements = batch
                .iter()
                .map(|(session, seen)| upsert(*session, *seen))
                .collect();
            database.execute(statements).await?;
            self.mark_written(batch);
        }
        Ok(())
    }

    fn due(&self, now: DateTime<Utc>) -> Vec<(SessionId, DateTime<Utc>)> {
        let Ok(mut notes) = self.notes.lock() else {
            return Vec::new();
        };
        notes.retain(|_, note| note.written != Some(note.seen) || now - note.seen < GRAIN);
        let is_due = |note: &Note| {
            note.written.is_none_or(|written| {
                let is_idle = now - note.seen >= GRAIN && note.seen != written;
                note.seen - written >= GRAIN || is_idle
            })
        };
        notes
            .iter()
            .filter(|(_, note)| is_due(note))
            .map(|(id, note)| (*id, note.seen))
            .collect()
    }

    fn mark_written(&self, batch: &[(SessionId, DateTime<Utc>)]) {
        let Ok(mut notes) = self.notes.lock() else {
            return;
        };
        for (session, seen) in batch {
            if let Some(note) = notes.get_mut(session) {
                note.written = Some(*seen);
            }
        }
    }
}

/// Removes the rows of sessions that had ended by `ended_by`.
///
/// # Errors
/// The database failed.
pub async fn forget_ended(database: &Database, ended_by: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM session_activity WHERE session_id IN \
         (SELECT session_id FROM sessions WHERE ended_at <= $1)";
    let statement = (SQL.to_owned(), vec![micros(ended_by).into()]);
    database.execute(vec![statement]).await.map(drop)
}

/// The row only ever moves forward, also when two nodes write it. What was noted before a session was forgotten makes no
/// row behind it.
fn upsert(session: SessionId, seen: DateTime<Utc>) -> (String, Vec<eventlog::Value>) {
    const SQL: &str = "INSERT INTO session_activity (session_id, last_seen_at) \
         SELECT session_id, CAST($2 AS BIGINT) FROM sessions WHERE session_id = $1 \
         ON CONFLICT (session_id) DO UPDATE SET last_seen_at = excluded.last_seen_at \
         WHERE session_activity.last_seen_at < excluded.last_seen_at";
    (
        SQL.to_owned(),
        vec![session.to_string().into(), micros(seen).into()],
    )
}

#[cfg(test)]
mod tests {
    use eventlog::testing::TestPostgres;
    use uuid::Uuid;

    use super::*;

    const LIVE: SessionId = SessionId(Uuid::from_u128(1));
    const FORGOTTEN: SessionId = SessionId(Uuid::from_u128(2));

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
    }

    /// A new database with a session.
    async fn with_a_session(url: &str) -> Database {
        let sql = format!(
            "INSERT INTO sessions (session_id, user_id, access_token_hash, access_expires_at, refresh_token_hash, \
             refresh_expires_at, start_event_id, auth_methods, auth_time, created_at, expires_at) \
             VALUES ('{LIVE}', '', '', 0, '', 0, '', '', 0, 0, 0)"
        );
        let database = Database::open(url).await.unwrap();
        database.migrate().await.unwrap();
        database.execute(vec![(sql, Vec::new())]).await.unwrap();
        database
    }

    async fn rows(database: &Database) -> Vec<(String, i64)> {
        let sql = "SELECT session_id, last_seen_at FROM session_activity";
        let rows = database.query(sql, &[]).await.unwrap();
        let row = |row: &eventlog::Row| (row.text(0).unwrap(), row.int(1).unwrap());
        rows.iter().map(row).collect()
    }

    #[tokio::test]
    async fn every_note_is_written_and_then_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite://{}", folder.path().join("gatelog.db").display());
        let cluster = TestPostgres::shared().unwrap();
        for url in [sqlite, cluster.fresh_database().await.unwrap()] {
            let database = with_a_session(&url).await;
            let notes = LastSeen::default();
            let row = |seconds| vec![(LIVE.to_string(), micros(at(seconds)))];
            let write = async |seconds| notes.write(&database, at(seconds)).await.unwrap();
            notes.note_at(LIVE, at(0));
            write(5).await;
            assert_eq!(rows(&database).await, row(0), "{url}");
            // Once more soon after, and never again.
            notes.note_at(LIVE, at(30));
            write(35).await;
            assert_eq!(
                rows(&database).await,
                row(0),
                "{url}: at most once a minute"
            );
            write(89).await;
            assert_eq!(rows(&database).await, row(0), "{url}");
            write(90).await;
            assert_eq!(rows(&database).await, row(30), "{url}: none is lost");
            write(100).await;
            assert_eq!(
                notes.get(LIVE),
                None,
                "{url}: the memory is as small as it can be"
            );
            database.close().await;
        }
    }

    #[tokio::test]
    async fn a_note_of_a_session_that_is_forgotten_leaves_no_row() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite://{}", folder.path().join("gatelog.db").display());
        let cluster = TestPostgres::shared().unwrap();
        for url in [sqlite, cluster.fresh_database().await.unwrap()] {
            let database = with_a_session(&url).await;
            let notes = LastSeen::default();
            for session in [LIVE, FORGOTTEN] {
                notes.note_at(session, at(0));
            }
            notes.write(&database, at(5)).await.unwrap();
            let expected = [(LIVE.to_string(), micros(at(0)))];
            assert_eq!(rows(&database).await, expected, "{url}");
            notes.write(&database, at(70)).await.unwrap();
            assert_eq!(notes.get(FORGOTTEN), None, "{url}");
            database.close().await;
        }
    }
}
