//! What the projections share: conversions between events, rows and domain types.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use eventlog::{DbError, ProjectionError, RecordedEvent, Row, Value, unreadable};
use serde::de::DeserializeOwned;

/// The event's payload as the aggregate's event type.
pub fn parse<T: DeserializeOwned>(event: &RecordedEvent) -> Result<T, ProjectionError> {
    serde_json::from_str(&event.payload)
        .map_err(|error| ProjectionError::new(unreadable(event, &error)))
}

/// A time in the form in which the database keeps it.
pub fn micros(time: DateTime<Utc>) -> Value {
    time.timestamp_micros().into()
}

/// The time in column `index`.
pub fn time(row: &Row, index: usize) -> Result<DateTime<Utc>, DbError> {
    let micros = row.int(index)?;
    DateTime::from_timestamp_micros(micros).ok_or_else(|| DbError::decode("a time out of range"))
}

/// The optional time in column `index`.
pub fn opt_time(row: &Row, index: usize) -> Result<Option<DateTime<Utc>>, DbError> {
    row.opt_int(index)?.map(|_| time(row, index)).transpose()
}

/// A text column as a domain type.
pub fn typed<T: FromStr>(row: &Row, index: usize) -> Result<T, DbError> {
    row.text(index)?
        .parse()
        .map_err(|_| DbError::decode("a text that is not of its type"))
}

/// A column of comma-separated names.
pub fn names<T: DeserializeOwned>(row: &Row, index: usize) -> Result<Vec<T>, DbError> {
    let text = row.text(index)?;
    let entries = text.split(',').filter(|entry| !entry.is_empty());
    entries.map(|entry| name(entry)).collect()
}

/// A snake-case name as the enum that serialises to it.
pub fn name<T: DeserializeOwned>(text: &str) -> Result<T, DbError> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| DbError::decode("an unknown name"))
}

/// The snake-case name that an enum serialises to.
pub fn to_name<T: serde::Serialize>(value: &T) -> Result<String, ProjectionError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        _ => Err(ProjectionError::new("a value that has no name".to_owned())),
    }
}

/// The names of a list, comma-separated.
pub fn to_names<T: serde::Serialize>(values: &[T]) -> Result<String, ProjectionError> {
    values
        .iter()
        .map(to_name)
        .collect::<Result<Vec<_>, _>>()
        .map(|names| names.join(","))
}

/// A count as the database's integer.
pub fn int(value: u64) -> Value {
    i64::try_from(value).unwrap_or(i64::MAX).into()
}

/// The database's integer as a count.
pub fn count(row: &Row, index: usize) -> Result<u64, DbError> {
    u64::try_from(row.int(index)?).map_err(|_| DbError::decode("a negative count"))
}
