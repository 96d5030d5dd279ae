//! Events: as they are appended, as they are recorded, and as they are exported.

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::AppendError;

/// The largest payload of one event, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 60 * 1024;
/// The largest payload that a log may hold: events from before the limit above are as large.
const STORED_PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// What an event's other texts may have together, in bytes.
const NAMES_BYTES_MAX: usize = 512;
/// The longest exported line, in bytes: an entry of a C2SP tlog-tiles bundle has a length of 16 bits. A payload and the
/// other texts stay below it together, even where each of their bytes is escaped as six.
pub const LINE_BYTES_MAX: usize = 65_535;
/// The most events of one append.
pub const EVENTS_PER_APPEND_MAX: usize = 256;

/// An event to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// For example `UserRegistered`.
    pub event_type: String,
    /// For example `1.0`.
    pub event_version: String,
    /// The exact JSON text: `{"<event_type>":{…}}`, as cqrs-es writes it.
    pub payload: String,
}

/// Who acted and for which request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The person or the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The request's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One command's events for one stream.
#[derive(Debug, Clone)]
pub struct Append {
    /// The kind of stream.
    pub aggregate_type: String,
    /// The stream.
    pub aggregate_id: String,
    /// The stream's version that the events follow; 0 for a new stream.
    pub expected_version: u64,
    /// Names the command; its events' identifiers follow from it.
    pub command_id: Uuid,
    /// At least one.
    pub events: Vec<NewEvent>,
    /// Who and for which request.
    pub metadata: Metadata,
}

impl Append {
    /// # Errors
    /// [`AppendError::Invalid`].
    pub(crate) fn check(&self) -> Result<(), AppendError> {
        if self.events.is_empty() {
            return Err(AppendError::Invalid("no events"));
        }
        if self.events.len() > EVENTS_PER_APPEND_MAX {
            return Err(AppendError::Invalid("too many events"));
        }
        if self.aggregate_type.contains(['/', '\0']) || self.aggregate_id.contains('\0') {
            return Err(AppendError::Invalid("the stream's name"));
        }
        self.events.iter().try_for_each(|event| {
            let names = self.names_bytes() + event.event_type.len() + event.event_version.len();
            if names > NAMES_BYTES_MAX {
                return Err(AppendError::Invalid("the names are too long"));
            }
            event.check()
        })
    }

    /// An exported line has the stream's identifier twice.
    fn names_bytes(&self) -> usize {
        let bytes = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let metadata = bytes(&self.metadata.actor) + bytes(&self.metadata.request_id);
        self.aggregate_type.len() + 2 * self.aggregate_id.len() + metadata
    }
}

impl NewEvent {
    /// What a database would refuse is refused here, where it concerns one caller and not a whole batch.
    pub(crate) fn check(&self) -> Result<(), AppendError> {
        self.check_within(PAYLOAD_BYTES_MAX)
    }

    /// As [`Self::check`], of an event that some log holds already.
    pub(crate) fn check_stored(&self) -> Result<(), AppendError> {
        self.check_within(STORED_PAYLOAD_BYTES_MAX)
    }

    fn check_within(&self, payload_bytes: usize) -> Result<(), AppendError> {
        if self.event_type.contains('\0') || self.event_version.contains('\0') {
            return Err(AppendError::Invalid("the event's type"));
        }
        if self.payload.len() > payload_bytes {
            return Err(AppendError::Invalid("a payload is too large"));
        }
        if inner(&self.payload, &self.event_type).is_none() || self.payload.contains(['\n', '\r']) {
            return Err(AppendError::Invalid(
                "a payload is not one line of the form {\"<type>\":{…}}",
            ));
        }
        if serde_json::from_str::<IgnoredAny>(&self.payload).is_err() {
            return Err(AppendError::Invalid("a payload is not JSON"));
        }
        Ok(())
    }
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place in the whole log, from 1, without gaps.
    pub position: u64,
    /// Follows from the command and the event's number in it: see [`event_id`].
    pub event_id: Uuid,
    /// When it was appended: never before the event before it.
    pub recorded_at: DateTime<Utc>,
    /// The kind of stream.
    pub aggregate_type: String,
    /// The stream.
    pub aggregate_id: String,
    /// Its place in its stream, from 1.
    pub sequence: u64,
    /// For example `UserRegistered`.
    pub event_type: String,
    /// For example `1.0`.
    pub event_version: String,
    /// The exact JSON text.
    pub payload: String,
    /// [`Metadata`] as JSON text.
    pub metadata: String,
    /// RFC 6962 hash of the exported line.
    pub leaf_hash: [u8; 32],
}

impl RecordedEvent {
    /// The event's own data, without cqrs-es's tag.
    pub fn data_text(&self) -> &str {
        inner(&self.payload, &self.event_type).unwrap_or(&self.payload)
    }
}

/// The text inside `{"<event_type>":…}`.
pub(crate) fn inner<'a>(payload: &'a str, event_type: &str) -> Option<&'a str> {
    let rest = payload
        .strip_prefix("{\"")?
        .strip_prefix(event_type)?
        .strip_prefix("\":")?;
    rest.strip_suffix('}').filter(|data| data.starts_with('{'))
}

/// The identifier of a command's event number `n`, from 0. Known before the append, so that sealed fields can be
/// bound to their event.
///
/// A `UUIDv8` (RFC 9562): the command's first 48 bits, then those of the `UUIDv5` of the command and `n`. Commands are
/// named by `UUIDv7`, so identifiers come about in the order of time, and their unique index grows at its end: with
/// scattered ones a batch would touch as many pages of it as it has events.
pub fn event_id(command_id: Uuid, n: usize) -> Uuid {
    let mut bytes = Uuid::new_v5(&command_id, &(n as u64).to_be_bytes()).into_bytes();
    for (byte, time) in bytes.iter_mut().zip(command_id.into_bytes()).take(6) {
        *byte = time;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_event_line;

    #[test]
    fn the_longest_line_fits_into_an_entry_of_a_bundle() {
        let payload = format!(
            "{{\"E\":{{\"a\":\"{}\"}}}}",
            "x".repeat(PAYLOAD_BYTES_MAX - 14)
        );
        let mut append = Append {
            aggregate_type: "\u{1}".repeat(100),
            aggregate_id: "\u{1}".repeat(100),
            expected_version: u64::MAX >> 2,
            command_id: Uuid::nil(),
            events: vec![NewEvent {
                event_type: "E".to_owned(),
                event_version: "\u{1}".repeat(100),
                payload,
            }],
            metadata: Metadata {
                actor: Some("\u{1}".repeat(60)),
                request_id: Some("\u{1}".repeat(51)),
            },
        };
        append.check().unwrap();
        let event = RecordedEvent {
            position: u64::MAX >> 1,
            event_id: Uuid::nil(),
            recorded_at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            aggregate_type: append.aggregate_type.clone(),
            aggregate_id: append.aggregate_id.clone(),
            sequence: u64::MAX >> 1,
            event_type: "E".to_owned(),
            event_version: append.events[0].event_version.clone(),
            payload: append.events[0].payload.clone(),
            metadata: serde_json::to_string(&append.metadata).unwrap(),
            leaf_hash: [0; 32],
        };
        let bytes = cloud_event_line(&event).len();
        assert!((64_000..LINE_BYTES_MAX).contains(&bytes), "{bytes}");
        append.aggregate_id.push('x');
        assert!(append.check().is_err());
    }

    #[test]
    fn identifiers_follow_from_the_command() {
        let command = Uuid::from_u128(1);
        assert_eq!(event_id(command, 0), event_id(command, 0));
        assert_ne!(event_id(command, 0), event_id(command, 1));
        assert_eq!(event_id(command, 0).get_version_num(), 8);
    }

    #[test]
    fn identifiers_of_later_commands_are_greater() {
        let command =
            |millis| uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid();
        let ids: Vec<Uuid> = (1..100)
            .map(|millis| event_id(command(millis), 0))
            .collect();
        assert!(ids.is_sorted());
    }
}
