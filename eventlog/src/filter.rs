//! Which events an auditor wants, as a condition of a query, and where in the log a time is.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use crate::archive::json_text;
use crate::feed::head;
use crate::repository::read_all;
use crate::{Database, DbError, Engine, Log, Metadata, RecordedEvent};

/// Which events; an absent part takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The event's types, any of them; none takes every type.
    pub event_types: Vec<String>,
    /// The stream's identifier.
    pub subject: Option<String>,
    /// The stream, `<aggregate_type>/<aggregate_id>`.
    pub stream: Option<String>,
    /// Who acted.
    pub actor: Option<String>,
}

impl EventFilter {
    /// The filter as further conditions of a query, each with `AND` before it. Texts stand in it as hexadecimal digits,
    /// which nothing can break out of.
    pub(crate) fn conditions(&self, engine: Engine) -> String {
        let mut conditions = String::new();
        let mut also = |expression: &str, value: &str| {
            let _ = write!(conditions, " AND {expression} = {}", literal(engine, value));
        };
        if let Some(subject) = &self.subject {
            also("aggregate_id", subject);
        }
        if let Some(stream) = &self.stream {
            let (kind, id) = stream.split_once('/').unwrap_or((stream, ""));
            also("aggregate_type", kind);
            also("aggregate_id", id);
        }
        if let Some(actor) = &self.actor {
            also(actor_of(engine), actor);
        }
        if !self.event_types.is_empty() {
            let types: Vec<String> = self
                .event_types
                .iter()
                .map(|one| literal(engine, one))
                .collect();
            let _ = write!(conditions, " AND event_type IN ({})", types.join(", "));
        }
        conditions
    }

    /// Whether the filter takes an event, as the conditions do.
    pub(crate) fn takes(&self, event: &RecordedEvent) -> bool {
        let is = |wanted: &Option<String>, value: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        };
        let is_of_stream = self.stream.as_ref().is_none_or(|stream| {
            let (kind, id) = stream.split_once('/').unwrap_or((stream, ""));
            event.aggregate_type == kind && event.aggregate_id == id
        });
        let is_of_actor = || {
            let metadata: Metadata = serde_json::from_str(&event.metadata).unwrap_or_default();
            metadata.actor == self.actor
        };
        is(&self.subject, &event.aggregate_id)
            && is_of_stream
            && (self.event_types.is_empty() || self.event_types.contains(&event.event_type))
            && (self.actor.is_none() || is_of_actor())
    }

    /// What stands in each line that the filter takes.
    pub(crate) fn marks(&self) -> Marks {
        let stream = self.stream.as_ref().map(|stream| {
            let (kind, id) = stream.split_once('/').unwrap_or((stream, ""));
            format!("{kind}/{id}")
        });
        let texts = [&self.subject, &stream, &self.actor];
        let texts = texts.into_iter().flatten();
        let mut all: Vec<_> = texts.map(|text| vec![json_text(text)]).collect();
        if !self.event_types.is_empty() {
            all.push(self.event_types.iter().map(|one| json_text(one)).collect());
        }
        Marks(all)
    }

    /// Whether the filter takes every event.
    pub(crate) fn takes_all(&self) -> bool {
        *self == Self::default()
    }
}

/// Texts of a filter as they stand in a line, of each list at least one: most lines can be passed over without reading
/// them as events.
#[derive(Debug)]
pub(crate) struct Marks(Vec<Vec<String>>);

impl Marks {
    pub(crate) fn may_be_in(&self, line: &str) -> bool {
        let is_in = |mark: &String| line.contains(mark.as_str());
        self.0.iter().all(|marks| marks.iter().any(is_in))
    }
}

fn actor_of(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "json_extract(metadata, '$.actor')",
        Engine::Postgres => "(metadata->>'actor')",
    }
}

/// A text in a statement. `COPY` takes no parameters.
fn literal(engine: Engine, text: &str) -> String {
    let mut digits = String::with_capacity(2 * text.len());
    for byte in text.bytes() {
        let _ = write!(digits, "{byte:02x}");
    }
    match engine {
        Engine::Sqlite => format!("CAST(x'{digits}' AS TEXT)"),
        Engine::Postgres => format!("convert_from(decode('{digits}', 'hex'), 'UTF8')"),
    }
}

/// The kinds of stream that have one with this identifier. Kinds are few, and each is one look-up in the index of the
/// streams; those whose events are in the archive have left a summary.
pub(crate) async fn kinds_of(database: &Database, subject: &str) -> Result<Vec<String>, DbError> {
    let mut kinds = Vec::new();
    for table in ["events", "log_ended_streams"] {
        let sql = format!(
            "WITH RECURSIVE kinds (kind) AS (\
                SELECT MIN(aggregate_type) FROM {table} \
                UNION ALL \
                SELECT (SELECT MIN(aggregate_type) FROM {table} WHERE aggregate_type > kind) FROM kinds \
                WHERE kind IS NOT NULL\
            ) SELECT kind FROM kinds WHERE kind IS NOT NULL AND EXISTS (\
                SELECT 1 FROM {table} WHERE aggregate_type = kind AND aggregate_id = $1)"
        );
        for row in database.query(&sql, &[subject.into()]).await? {
            kinds.push(row.text(0)?);
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

/// The last position up to `head` whose event was recorded before `at`; 0 when none was. Times never fall along the log,
/// so this is a binary search by position and needs no index of its own.
pub(crate) async fn position_before(
    database: &Database,
    head: u64,
    at: DateTime<Utc>,
) -> Result<u64, DbError> {
    // Up to `low` all are before, behind `high` none is.
    let (mut low, mut high) = (0, head);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let events = read_all(database, middle - 1, 1).await?;
        let event = events
            .first()
            .ok_or_else(|| DbError::decode("a head beyond its events"))?;
        if event.recorded_at < at {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

impl Database {
    /// The last position whose event was recorded before `at`; 0 when none was.
    ///
    /// # Errors
    /// The database failed.
    pub async fn position_before(&self, at: DateTime<Utc>) -> Result<u64, DbError> {
        position_before(self, head(self).await?, at).await
    }
}

impl Log {
    /// As [`Database::position_before`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn position_before(&self, at: DateTime<Utc>) -> Result<u64, DbError> {
        self.inner.database.position_before(at).await
    }
}
