//! Older versions of events, in the form that the present code knows.
//!
//! A log keeps what was written. Whoever interprets an event gets it in its newest version; whoever exports it gets the
//! bytes that were stored. Golden files of every version stay in `golden/`, and the tests read them all.
//!
//! cqrs-es's own `SemanticVersionEventUpcaster` is not used: it writes the version in another form (`2.0.0`).

use chrono::{DateTime, Utc};
use cqrs_es::persist::{EventUpcaster, SerializedEvent};
use schemars::JsonSchema;
use serde_json::Value;

use crate::session::ExpireReason;

/// Every upcaster, older versions first.
pub fn upcasters() -> Vec<Box<dyn EventUpcaster>> {
    vec![Box::new(SessionExpiredTwo)]
}

/// The older versions of a session's events, for their schemas alone.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape is of use")]
pub(crate) enum FormerSessionEvent {
    /// The session's time was over. Version 2.0 names its reason.
    SessionExpired {
        /// Whether it had not been used for too long; left out when it had come to its absolute end.
        #[schemars(default)]
        is_idle: bool,
        /// When that was noted.
        at: DateTime<Utc>,
    },
}

/// `SessionExpired` 2.0 names its reason, as `SessionRevoked` does. 1.0 had a flag that was left out when it was false:
/// that a session had come to its absolute end stood nowhere in the event.
struct SessionExpiredTwo;

impl EventUpcaster for SessionExpiredTwo {
    fn can_upcast(&self, event_type: &str, event_version: &str) -> bool {
        event_type == "SessionExpired" && event_version == "1.0"
    }

    fn upcast(&self, event: SerializedEvent) -> SerializedEvent {
        let mut payload = event.payload;
        if let Some(Value::Object(data)) = payload.get_mut("SessionExpired") {
            let reason = match data.remove("is_idle") {
                Some(Value::Bool(true)) => ExpireReason::Idle,
                _ => ExpireReason::AbsoluteEnd,
            };
            data.insert("reason".to_owned(), reason.as_str().into());
        }
        SerializedEvent {
            event_version: "2.0".to_owned(),
            payload,
            ..event
        }
    }
}
