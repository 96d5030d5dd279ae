//! Hands decided events to cqrs-es.

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;

/// Writes `events` in order; the sink applies each of them to `aggregate`.
pub(crate) async fn write_all<A: Aggregate>(
    aggregate: &mut A,
    events: Vec<A::Event>,
    sink: &EventSink<A>,
) {
    for event in events {
        sink.write(event, aggregate).await;
    }
}
