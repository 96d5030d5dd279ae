//! What happened to an account and when, for its person: the events of its own stream, with the beginnings and ends of
//! its sessions as long as these are listed, and the last proof of identity in each. No table of its own: it is read where
//! it stands.

use aggregates::values::{SessionId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{Database, DbError, Row};

use crate::page::{Cursor, Page, probe_limit};
use crate::support::{time, typed};

/// The `event_type` of a session that ended, in whatever way.
pub const SESSION_ENDED: &str = "SessionEnded";

/// Each branch is read by an index from the cursor on and gives a page at most, so a page costs a page, however much has
/// happened. Its first condition is what the index knows; the second decides among those of one moment.
const SQL: &str = "SELECT at, id, event_type, session_id, end_reason, metadata FROM ( \
       SELECT * FROM (SELECT recorded_at AS at, CAST(event_id AS TEXT) AS id, event_type, \
         CAST(NULL AS TEXT) AS session_id, CAST(NULL AS TEXT) AS end_reason, \
         CAST(metadata AS TEXT) AS metadata \
       FROM events WHERE aggregate_type = 'user' AND aggregate_id = $1 \
         AND recorded_at <= $2 AND (recorded_at, CAST(event_id AS TEXT)) < ($2, $3) \
       ORDER BY recorded_at DESC, CAST(event_id AS TEXT) DESC LIMIT $4) AS own \
     UNION ALL \
       SELECT * FROM (SELECT created_at, start_event_id, 'SessionStarted', session_id, NULL, NULL \
       FROM sessions WHERE user_id = $1 \
         AND created_at <= $2 AND (created_at, start_event_id) < ($2, $3) \
       ORDER BY created_at DESC, start_event_id DESC LIMIT $4) AS begun \
     UNION ALL \
       SELECT * FROM (SELECT auth_time, start_event_id, 'SessionReauthenticated', session_id, NULL, NULL \
       FROM sessions WHERE user_id = $1 AND auth_time <> created_at \
         AND auth_time <= $2 AND (auth_time, start_event_id) < ($2, $3) \
       ORDER BY auth_time DESC, start_event_id DESC LIMIT $4) AS proved \
     UNION ALL \
       SELECT * FROM (SELECT ended_at, session_id, 'SessionEnded', session_id, end_reason, NULL \
       FROM sessions WHERE user_id = $1 AND ended_at IS NOT NULL \
         AND ended_at <= $2 AND (ended_at, session_id) < ($2, $3) \
       ORDER BY ended_at DESC, session_id DESC LIMIT $4) AS ended \
     ) AS happened ORDER BY at DESC, id DESC LIMIT $4";

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct ActivityRow {
    /// When.
    pub at: DateTime<Utc>,
    /// A UUID, distinct for each row of one moment.
    pub id: String,
    /// The event's type, or [`SESSION_ENDED`].
    pub event_type: String,
    /// The session that began, was proved anew, or ended.
    pub session_id: Option<SessionId>,
    /// Why a session ended.
    pub end_reason: Option<String>,
    /// The event's metadata as JSON text.
    pub metadata: Option<String>,
}

/// What happened to an account, newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    database: &Database,
    user: UserId,
    after: &Cursor,
    limit: usize,
) -> Result<Page<ActivityRow>, DbError> {
    let [at, id] = after.values();
    let params = [user.to_string().into(), at, id, probe_limit(limit)];
    let rows = database.query(SQL, &params).await?;
    let rows: Vec<ActivityRow> = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::from_rows(rows, limit, |row| Cursor {
        created_at: row.at.timestamp_micros(),
        id: row.id.clone(),
    }))
}

fn from_row(row: &Row) -> Result<ActivityRow, DbError> {
    let session = row.opt_text(3)?;
    Ok(ActivityRow {
        at: time(row, 0)?,
        id: row.text(1)?,
        event_type: row.text(2)?,
        session_id: session.map(|_| typed(row, 3)).transpose()?,
        end_reason: row.opt_text(4)?,
        metadata: row.opt_text(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_branch_of_a_page_is_read_by_an_index_in_the_order_of_time() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("plan.db").display());
        let database = Database::open(&url).await.unwrap();
        database.migrate().await.unwrap();
        let [at, id] = Cursor::start().values();
        let params = ["a".into(), at, id, probe_limit(50)];
        let sql = format!("EXPLAIN QUERY PLAN {SQL}");
        let plan = database.query(&sql, &params).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.text(3).unwrap()).collect();
        for (index, columns) in [
            ("events_of_users", "(aggregate_id=? AND recorded_at<?)"),
            ("sessions_by_user_and_begin", "(user_id=? AND created_at<?)"),
            ("sessions_by_user_and_proof", "AND auth_time<?)"),
            ("sessions_by_user_and_end", "AND ended_at<?)"),
        ] {
            let is_read = |step: &String| step.contains(index) && step.ends_with(columns);
            assert!(plan.iter().any(is_read), "{index}: {plan:#?}");
        }
        assert!(!plan.iter().any(|step| step.starts_with("SCAN events")));
    }
}
