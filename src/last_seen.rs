//! When each session was last seen: noted in memory, written in batches, never an event.
//!
//! A session's row is written at most once a minute however busy it is. The memory holds only sessions that
//! were seen since the last write, so it is bounded by the live sessions.

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
        let now = clock::now();
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

    /// Writes every note that is a minute newer than its row, and forgets idle sessions.
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
            note.written
                .is_none_or(|written| note.seen - written >= GRAIN)
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

/// The row only ever moves forward, also when two nodes write it.
fn upsert(session: SessionId, seen: DateTime<Utc>) -> (String, Vec<eventlog::Value>) {
    const SQL: &str = "INSERT INTO session_activity (session_id, last_seen_at) VALUES ($1, $2) \
         ON CONFLICT (session_id) DO UPDATE SET last_seen_at = excluded.last_seen_at \
         WHERE session_activity.last_seen_at < excluded.last_seen_at";
    (
        SQL.to_owned(),
        vec![session.to_string().into(), micros(seen).into()],
    )
}
