//! The events that carry a person's texts, for that person: also former ones, and those of what no read model has any
//! more, such as sessions that are forgotten and files that are deleted. No table of its own: it is read where it stands,
//! up to the archive's end from its segments and behind it from the table, as the log itself is.

use aggregates::values::UserId;
use chrono::{DateTime, Utc};
use eventlog::{ArchiveSweep, Database, DbError, RecordedEvent, Row};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{time, typed};

/// Events of a person's own stream.
const OWN: &[&str] = &[
    "UserRegistered",
    "UserNameChanged",
    "EmailChangeRequested",
    "EmailChanged",
];
/// Events that begin a stream of something that is the person's, and the field that says so.
const THINGS: &[(&str, &str)] = &[("SessionStarted", "user_id"), ("MediaStored", "owner")];

/// Each branch is read by an index in its order; a stream's order is that of the log. The second one's condition stands in
/// the index `events_with_texts` word for word. Below the archive's end the table has gaps, so nothing is read there.
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
     ) AS theirs WHERE $2 >= (SELECT COALESCE(MAX(last_position), 0) FROM log_segments) ORDER BY position LIMIT $3";

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

/// A way through a person's events, in the order of the log.
#[derive(Debug)]
pub struct PersonalEvents {
    database: Database,
    user: String,
    after: i64,
    archive: ArchiveSweep,
}

impl PersonalEvents {
    /// From the registration on; nothing when there is no such person. What is archived is looked through for them,
    /// however little of it is theirs.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin(database: &Database, user: UserId) -> Result<Option<Self>, DbError> {
        const FIRST: &str = "SELECT position FROM events \
            WHERE aggregate_type = 'user' AND aggregate_id = $1 AND sequence = 1";
        let user = user.to_string();
        let rows = database.query(FIRST, &[user.as_str().into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let after = row.int(0)? - 1;
        Ok(Some(Self {
            archive: ArchiveSweep::new(database, unsigned(after)?),
            database: database.clone(),
            user,
            after,
        }))
    }

    /// The next ones, of the table at most `limit`. None among them means that a stretch of the archive has none; nothing,
    /// that there are no more.
    ///
    /// # Errors
    /// The database or the archive failed.
    pub async fn next(&mut self, limit: usize) -> Result<Option<Vec<PersonalEvent>>, DbError> {
        if let Some(found) = self.archive.next(&self.user).await? {
            self.after = signed(self.archive.reached())?;
            let theirs = found.into_iter().filter(|event| is_of(event, &self.user));
            return theirs
                .map(PersonalEvent::of)
                .collect::<Result<_, _>>()
                .map(Some);
        }
        let found = self.of_table(limit).await?;
        if let Some(last) = found.last() {
            self.after = last.position;
            self.archive.pass(unsigned(self.after)?);
            return Ok(Some(found));
        }
        // What is not in the table may have gone to the archive meanwhile.
        let has_grown = self.database.archived_position().await? > unsigned(self.after)?;
        Ok(has_grown.then(Vec::new))
    }

    async fn of_table(&self, limit: usize) -> Result<Vec<PersonalEvent>, DbError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params = [self.user.as_str().into(), self.after.into(), limit.into()];
        let rows = self.database.query(SQL, &params).await?;
        rows.iter().map(from_row).collect()
    }
}

impl PersonalEvent {
    fn of(event: RecordedEvent) -> Result<Self, DbError> {
        Ok(Self {
            position: signed(event.position)?,
            event_id: event.event_id,
            recorded_at: event.recorded_at,
            aggregate_type: event.aggregate_type,
            aggregate_id: event.aggregate_id,
            event_type: event.event_type,
            payload: event.payload,
        })
    }
}

/// Whether the table would have given this event.
fn is_of(event: &RecordedEvent, user: &str) -> bool {
    let event_type = event.event_type.as_str();
    if event.aggregate_type == "user" {
        return event.aggregate_id == user && OWN.contains(&event_type);
    }
    let owner = THINGS.iter().find(|(thing, _)| *thing == event_type);
    owner.is_some_and(|(thing, owner)| {
        let payload: Value = serde_json::from_str(&event.payload).unwrap_or_default();
        let owner = payload.get(thing).and_then(|data| data.get(owner));
        owner.and_then(Value::as_str) == Some(user)
    })
}

fn unsigned(position: i64) -> Result<u64, DbError> {
    u64::try_from(position).map_err(|_| DbError::decode("a negative position"))
}

fn signed(position: u64) -> Result<i64, DbError> {
    i64::try_from(position).map_err(|_| DbError::decode("a position out of range"))
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
        let things = THINGS.iter().map(|(thing, _)| thing);
        let archived: BTreeSet<&str> = OWN.iter().chain(things).copied().collect();
        assert_eq!(sealed, archived);
    }

    fn event(kind: &str, id: &str, event_type: &str, data: &str) -> RecordedEvent {
        RecordedEvent {
            position: 1,
            event_id: Uuid::nil(),
            recorded_at: DateTime::UNIX_EPOCH,
            aggregate_type: kind.to_owned(),
            aggregate_id: id.to_owned(),
            sequence: 1,
            event_type: event_type.to_owned(),
            event_version: "1.0".to_owned(),
            payload: format!("{{\"{event_type}\":{data}}}"),
            metadata: "{}".to_owned(),
            leaf_hash: [0; 32],
        }
    }

    #[test]
    fn an_archived_event_is_the_owners_whoever_else_it_names() {
        let (ada, bob) = ("0198-ada", "0198-bob");
        for (kind, id, event_type, data, of_ada) in [
            ("user", ada, "EmailChanged", "{}", true),
            ("user", ada, "PasswordChanged", "{}", false),
            ("user", bob, "EmailChanged", r#"{"by":"0198-ada"}"#, false),
            (
                "session",
                "s",
                "SessionStarted",
                r#"{"user_id":"0198-ada"}"#,
                true,
            ),
            (
                "session",
                "s",
                "SessionStarted",
                r#"{"user_id":"0198-bob"}"#,
                false,
            ),
            (
                "session",
                "s",
                "SessionStarted",
                r#"{"owner":"0198-ada"}"#,
                false,
            ),
            (
                "session",
                "s",
                "SessionRevoked",
                r#"{"by":"0198-ada"}"#,
                false,
            ),
            ("media", "m", "MediaStored", r#"{"owner":"0198-ada"}"#, true),
            (
                "media",
                "m",
                "MediaStored",
                r#"{"owner":"0198-bob","user_id":"0198-ada"}"#,
                false,
            ),
            ("media", ada, "MediaStored", "null", false),
        ] {
            let event = event(kind, id, event_type, data);
            assert_eq!(is_of(&event, ada), of_ada, "{event:?}");
        }
    }

    #[tokio::test]
    async fn each_branch_is_read_by_an_index_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("plan.db").display());
        let database = Database::open(&url).await.unwrap();
        database.migrate().await.unwrap();
        let params = ["a".into(), 0.into(), 50.into()];
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
