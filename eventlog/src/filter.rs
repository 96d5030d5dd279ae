//! Reading with a filter, for auditors.

use crate::repository::{recorded, select};
use crate::{DbError, Log, RecordedEvent, Value};

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
        let mut params: Vec<Value> = vec![after.into(), up_to.into()];
        let mut conditions = String::from("WHERE position > $1 AND position <= $2");
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
            self.inner.database.engine(),
            &format!("{conditions} ORDER BY position LIMIT ${}", params.len()),
        );
        let rows = self.inner.database.query(&sql, &params).await?;
        rows.iter().map(recorded).collect()
    }
}
