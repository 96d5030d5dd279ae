//! Reading an exported line back into the event that it was made of.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::event::{Metadata, NewEvent, RecordedEvent};
use crate::line::cloud_event_line;
use crate::merkle::{Hash, leaf_hash};

/// A line is not one of an exported log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an exported line: {0}")]
pub struct LineError(&'static str);

/// The fields of a line, in its order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(rename = "specversion")]
    _specversion: String,
    id: Uuid,
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "type")]
    event_type: String,
    subject: String,
    time: DateTime<Utc>,
    #[serde(rename = "datacontenttype")]
    _datacontenttype: String,
    #[serde(borrow)]
    data: &'a RawValue,
    position: u64,
    stream: String,
    version: u64,
    eventversion: String,
    #[serde(default)]
    actor: Option<String>,
    #[serde(default)]
    requestid: Option<String>,
}

impl RecordedEvent {
    /// The event that [`cloud_event_line`] made this line of: exactly the one, or none. Where a line could be written in
    /// another way (other spaces, another order, another form of a time) it is refused.
    ///
    /// # Errors
    /// What keeps the line from being an exported one; nothing of its content.
    pub fn from_line(line: &str) -> Result<Self, LineError> {
        let event = read(line)?;
        let stored = NewEvent {
            event_type: event.event_type,
            event_version: event.event_version,
            payload: event.payload,
        };
        stored
            .check_stored()
            .map_err(|_| LineError("its data is not an event's"))?;
        let event = Self {
            event_type: stored.event_type,
            event_version: stored.event_version,
            payload: stored.payload,
            ..event
        };
        if cloud_event_line(&event) != line {
            return Err(LineError("it is not written as an export writes it"));
        }
        Ok(event)
    }
}

/// The event of a line that is known to be an exported one. Its leaf hash is that of the line, byte for byte.
fn read(line: &str) -> Result<RecordedEvent, LineError> {
    read_as(line, leaf_hash(line))
}

/// As [`read`], of a line whose leaf hash is known.
pub(crate) fn read_as(line: &str, leaf_hash: Hash) -> Result<RecordedEvent, LineError> {
    let fields: Line<'_> = serde_json::from_str(line)
        .map_err(|_| LineError("not JSON with the fields of an event"))?;
    let kind = fields
        .stream
        .strip_suffix(fields.subject.as_str())
        .and_then(|kind| kind.strip_suffix('/'))
        .filter(|kind| !kind.contains(['/', '\0']) && !fields.subject.contains('\0'))
        .ok_or(LineError("its stream is not that of its subject"))?;
    let metadata = Metadata {
        actor: fields.actor,
        request_id: fields.requestid,
    };
    Ok(RecordedEvent {
        position: fields.position,
        event_id: fields.id,
        recorded_at: fields.time,
        aggregate_type: kind.to_owned(),
        payload: payload(&fields.event_type, fields.data.get()),
        aggregate_id: fields.subject,
        sequence: fields.version,
        event_type: fields.event_type,
        event_version: fields.eventversion,
        metadata: serde_json::to_string(&metadata)
            .map_err(|_| LineError("its metadata has no JSON form"))?,
        leaf_hash,
    })
}

/// cqrs-es's form, as it was appended.
fn payload(event_type: &str, data: &str) -> String {
    ["{\"", event_type, "\":", data, "}"].concat()
}
