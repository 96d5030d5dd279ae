//! The aggregate that is measured, for stock cqrs-es and for ours alike, and its projection for both.

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope, View};
use eventlog::{Change, Column, Kind, Projection, ProjectionError, RecordedEvent, Table, Value};
use serde::{Deserialize, Serialize};

/// Counts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counter {
    total: u64,
}

/// Adds one.
#[derive(Debug, Clone)]
pub struct Increment {
    /// About as much text as a session's event carries.
    pub note: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CounterEvent {
    /// One more.
    Incremented {
        /// How much.
        by: u64,
        /// Some text.
        note: String,
    },
}

/// It never refuses.
#[derive(Debug, thiserror::Error)]
#[error("never")]
pub struct Never;

impl DomainEvent for CounterEvent {
    fn event_type(&self) -> String {
        "Incremented".to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

impl Aggregate for Counter {
    const TYPE: &'static str = "counter";
    type Command = Increment;
    type Event = CounterEvent;
    type Error = Never;
    type Services = ();

    async fn handle(
        &mut self,
        command: Increment,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Never> {
        sink.write(
            CounterEvent::Incremented {
                by: 1,
                note: command.note,
            },
            self,
        )
        .await;
        Ok(())
    }

    fn apply(&mut self, event: CounterEvent) {
        let CounterEvent::Incremented { by, .. } = event;
        self.total += by;
    }
}

/// Stock cqrs-es's projection of it, in a transaction of its own after the append.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Total {
    total: u64,
}

impl View<Counter> for Total {
    fn update(&mut self, event: &EventEnvelope<Counter>) {
        let CounterEvent::Incremented { by, .. } = &event.payload;
        self.total += by;
    }
}

/// Our projection of it, inside the append.
#[derive(Debug)]
pub struct Totals;

static TABLES: &[&Table] = &[&TABLE];
static TABLE: Table = Table {
    name: "bench_totals",
    columns: &[
        Column {
            name: "id",
            kind: Kind::Text,
        },
        Column {
            name: "total",
            kind: Kind::Int,
        },
    ],
};

impl Projection for Totals {
    fn name(&self) -> &'static str {
        "bench_totals"
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        let row: Vec<Value> = vec![event.aggregate_id.as_str().into(), event.sequence.into()];
        changes.push(Change::Upsert { table: &TABLE, row });
        Ok(())
    }
}
