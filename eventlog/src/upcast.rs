//! Upcasting: events of older versions in the form that the code knows. It stands between the log and whoever interprets
//! a payload, never between the log and whoever exports it: an exported line keeps its bytes.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use cqrs_es::persist::{EventUpcaster, SerializedEvent};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Change, Log, Projection, ProjectionError, RecordedEvent, Table};

/// The upcasters, in the order in which they apply: one that makes 2.0 of 1.0 before one that makes 3.0 of 2.0.
#[derive(Clone, Default)]
pub struct Upcasters(Arc<[Box<dyn EventUpcaster>]>);

impl std::fmt::Debug for Upcasters {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Upcasters({})", self.0.len())
    }
}

impl Upcasters {
    /// These.
    pub fn new(upcasters: Vec<Box<dyn EventUpcaster>>) -> Self {
        Self(upcasters.into())
    }

    /// The payload as an aggregate's event type, whatever version was stored.
    ///
    /// # Errors
    /// It is none. The error may quote the payload.
    pub fn parse<T: DeserializeOwned>(&self, event: &RecordedEvent) -> serde_json::Result<T> {
        serde_json::from_str(&self.upcast(event).payload)
    }

    /// The event in its newest form. What is no JSON stays as it is: whoever reads it finds out.
    pub(crate) fn upcast<'a>(&self, event: &'a RecordedEvent) -> Cow<'a, RecordedEvent> {
        let (kind, version) = (&event.event_type, &event.event_version);
        if !self.0.iter().any(|one| one.can_upcast(kind, version)) {
            return Cow::Borrowed(event);
        }
        let Ok(payload) = serde_json::from_str(&event.payload) else {
            return Cow::Borrowed(event);
        };
        let stored = SerializedEvent {
            aggregate_id: event.aggregate_id.clone(),
            sequence: usize::try_from(event.sequence).unwrap_or(usize::MAX),
            aggregate_type: event.aggregate_type.clone(),
            event_type: event.event_type.clone(),
            event_version: event.event_version.clone(),
            payload,
            metadata: Value::Null,
        };
        let newest = self.serialized(stored);
        Cow::Owned(RecordedEvent {
            event_type: newest.event_type,
            event_version: newest.event_version,
            payload: newest.payload.to_string(),
            ..event.clone()
        })
    }

    /// The same for an event as cqrs-es reads it.
    pub(crate) fn serialized(&self, event: SerializedEvent) -> SerializedEvent {
        self.0.iter().fold(event, |event, upcaster| {
            if upcaster.can_upcast(&event.event_type, &event.event_version) {
                upcaster.upcast(event)
            } else {
                event
            }
        })
    }
}

impl Log {
    /// What brings events of older versions into the form that the code knows.
    pub fn upcasters(&self) -> Upcasters {
        self.inner.options.upcasters.clone()
    }

    /// The time, by the log's clock.
    pub fn now(&self) -> DateTime<Utc> {
        (self.inner.options.clock)()
    }
}

/// A log that is copied or imported has events of older versions, too.
pub(crate) fn newest(
    inline: Vec<Arc<dyn Projection>>,
    upcasters: &Upcasters,
) -> Arc<[Arc<dyn Projection>]> {
    let newest = |projection| -> Arc<dyn Projection> {
        let upcasters = upcasters.clone();
        Arc::new(Newest {
            projection,
            upcasters,
        })
    };
    inline.into_iter().map(newest).collect()
}

/// Why an event cannot be read, without anything of it but its type.
pub fn unreadable(event: &RecordedEvent, error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "it is none of the types that are known",
        _ => "its payload is no JSON",
    };
    let (name, version, column) = (&event.event_type, &event.event_version, error.column());
    format!("{name} {version} cannot be read: {what} (column {column})")
}

/// A projection that gets every event in its newest form.
#[derive(Debug)]
pub(crate) struct Newest {
    pub projection: Arc<dyn Projection>,
    pub upcasters: Upcasters,
}

impl Projection for Newest {
    fn name(&self) -> &'static str {
        self.projection.name()
    }

    fn tables(&self) -> &'static [&'static Table] {
        self.projection.tables()
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        let newest = self.upcasters.upcast(event);
        self.projection.project(&newest, changes)
    }
}
