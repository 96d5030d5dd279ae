//! The events that carry a person's texts, for that person: also former ones, and those of what no read model has any
//! more, such as sessions that are forgotten and files that are deleted. No table of its own: it is read where it stands.
//! What has left the database for the archive is not found.

use aggregates::values::UserId;
use chrono::{DateTime, Utc};
use eventlog::{Database, DbError, Row};
use uuid::Uuid;

use crate::page::{Cursor, Page, probe_limit};
use crate::support::{time, typed};

/// Each branch is read by an index in its order; a stream's order is that of the log. The second one's condition stands in
/// the index `events_with_texts` word for word.
const SQL: &str = "SELECT position, CAST(event_id AS TEXT), recorded_at, aggregate_type, aggregate_id, event_type, \
       CAST(payload AS TEXT) FROM ( \
       SELECT * FROM (SELECT position, event_id, recorded_at, aggregate_type, aggregate_id, event_type, payload \
       FROM events WHERE aggregate_type = 'user' AND aggregate_id = $1 AND position > $2 \
         AND event_type IN ('UserRegistered', 'UserNameChanged', 'EmailChangeRequested', 'EmailChanged') \
       ORDER BY sequence LIMIT $3) AS own \
     UNION ALL \
       SELECT * FROM (SELECT position, event_id, recorded_at, aggregate_type, aggregate_id, event_type, payload \
       FROM events WHERE event_type IN ('SessionStarted', 'MediaStored') AND position > $2 \
         AND COALESCE(payload -> 'SessionStarted' ->> 'user_id', payload -> 'MediaStored' ->> 'owner') = $1 \
       ORDER BY position LIMIT $3) AS things \
     ) AS theirs ORDER BY position LIMIT $3";

/// One event, its texts still sealed.
#[derive(Debug, Clone)]
pub struct PersonalEvent {
    /// Its place in the log.
    pub position: i64,
    /// Which; the texts are sealed for it.
    pub event_id: Uuid,
    /// When it was appended.
    pub recorded_at: DateTime<Utc>,
    /// The kind of stream.
    pub aggregate_type: String,
    /// The stream.
    pub aggregate_id: String,
    /// For example `UserRegistered`.
    pub event_type: String,
    /// Its data, under its type, as JSON text.
    pub payload: String,
}

/// Where the list begins.
pub fn start() -> Cursor {
    behind(0)
}

fn behind(position: i64) -> Cursor {
    Cursor {
        created_at: position,
        id: String::new(),
    }
}

/// A person's events that carry texts of theirs, in the order of the log.
///
/// # Errors
/// The database failed.
pub async fn list(
    database: &Database,
    user: UserId,
    after: &Cursor,
    limit: usize,
) -> Result<Page<PersonalEvent>, DbError> {
    let params = [
        user.to_string().into(),
        after.created_at.into(),
        probe_limit(limit),
    ];
    let rows = database.query(SQL, &params).await?;
    let rows: Vec<PersonalEvent> = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::from_rows(rows, limit, |row| behind(row.position)))
}

fn from_row(row: &Row) -> Result<PersonalEvent, DbError> {
    Ok(PersonalEvent {
        position: row.int(0)?,
        event_id: typed(row, 1)?,
        recorded_at: time(row, 2)?,
        aggregate_type: row.text(3)?,
        aggregate_id: row.text(4)?,
        event_type: row.text(5)?,
        payload: row.text(6)?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aggregates::schema::event_schemas;

    use super::*;

    /// A property that the schema marks as sealed, wherever it stands.
    fn is_sealed(schema: &serde_json::Value) -> bool {
        schema.to_string().contains("\"^v1[.]\"")
    }

    #[test]
    fn every_type_of_event_that_carries_texts_is_looked_for() {
        let schemas = event_schemas();
        let sealed = schemas.iter().filter(|schema| is_sealed(&schema.data));
        let sealed: BTreeSet<&str> = sealed.map(|schema| schema.event_type.as_str()).collect();
        let known = schemas.iter().map(|schema| schema.event_type.as_str());
        let found: BTreeSet<&str> = known
            .filter(|event_type| SQL.contains(&format!("'{event_type}'")))
            .collect();
        assert!(sealed.len() > 3);
        assert_eq!(sealed, found);
    }

    #[tokio::test]
    async fn each_branch_is_read_by_an_index_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("plan.db").display());
        let database = Database::open(&url).await.unwrap();
        database.migrate().await.unwrap();
        let params = ["a".into(), 0.into(), probe_limit(50)];
        let sql = format!("EXPLAIN QUERY PLAN {SQL}");
        let plan = database.query(&sql, &params).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.text(3).unwrap()).collect();
        for (index, columns) in [
            (
                "sqlite_autoindex_events",
                "(aggregate_type=? AND aggregate_id=?)",
            ),
            ("events_with_texts", "(<expr>=? AND position>?)"),
        ] {
            let is_read = |step: &String| step.contains(index) && step.ends_with(columns);
            assert!(plan.iter().any(is_read), "{index}: {plan:#?}");
        }
        assert!(!plan.iter().any(|step| step.starts_with("SCAN events")));
    }
}
