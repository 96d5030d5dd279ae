//! Reading with a filter, for auditors.

use crate::archive;
use crate::repository::{BEYOND_ARCHIVE, recorded, select};
use crate::{Database, DbError, Log, RecordedEvent, Value};

/// Which events; an absent part takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The event's type.
    pub event_type: Option<String>,
    /// The stream's identifier.
    pub subject: Option<String>,
    /// The stream, `<aggregate_type>/<aggregate_id>`.
    pub stream: Option<String>,
}

impl Log {
    /// Events after a position that the filter takes, in order, at most `limit`, and none beyond `up_to`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn read_filtered(
        &self,
        after: u64,
        up_to: u64,
        limit: usize,
        filter: &EventFilter,
    ) -> Result<Vec<RecordedEvent>, DbError> {
        let database = &self.inner.database;
        let (mut after, mut events) = (after, Vec::new());
        loop {
            if after < archive::known_position(database) {
                let takes = |event: &RecordedEvent| filter.takes(event);
                after = archive::scan(database, after, up_to, limit, &mut events, takes).await?;
            }
            if events.len() >= limit || after >= up_to {
                return Ok(events);
            }
            let more = read_table(database, after, up_to, limit - events.len(), filter).await?;
            // Nothing may also mean that the archive has grown beyond `after` since.
            if !more.is_empty() || after >= archive::position(database).await? {
                events.extend(more);
                return Ok(events);
            }
        }
    }
}

impl EventFilter {
    /// As the statement for the table does.
    fn takes(&self, event: &RecordedEvent) -> bool {
        let is = |wanted: &Option<String>, value: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        };
        let is_of_stream = self.stream.as_ref().is_none_or(|stream| {
            let (kind, id) = stream.split_once('/').unwrap_or((stream, ""));
            event.aggregate_type == kind && event.aggregate_id == id
        });
        is(&self.event_type, &event.event_type)
            && is(&self.subject, &event.aggregate_id)
            && is_of_stream
    }
}

/// What the table holds beyond the archive.
async fn read_table(
    database: &Database,
    after: u64,
    up_to: u64,
    limit: usize,
    filter: &EventFilter,
) -> Result<Vec<RecordedEvent>, DbError> {
    let mut params: Vec<Value> = vec![after.into(), up_to.into()];
    let mut conditions = format!("WHERE position > $1 AND position <= $2 AND {BEYOND_ARCHIVE}");
    let mut also = |column: &str, value: &str| {
        params.push(value.into());
        conditions = format!("{conditions} AND {column} = ${}", params.len());
    };
    if let Some(event_type) = &filter.event_type {
        also("event_type", event_type);
    }
    if let Some(subject) = &filter.subject {
        also("aggregate_id", subject);
    }
    if let Some(stream) = &filter.stream {
        let (kind, id) = stream.split_once('/').unwrap_or((stream, ""));
        also("aggregate_type", kind);
        also("aggregate_id", id);
    }
    params.push((limit as u64).into());
    let sql = select(
        database.engine(),
        &format!("{conditions} ORDER BY position LIMIT ${}", params.len()),
    );
    let rows = database.query(&sql, &params).await?;
    rows.iter().map(recorded).collect()
}
