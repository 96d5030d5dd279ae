//! The log as a cqrs-es `EventStore`, so that `CqrsFramework` and everything built on it runs over the log.

use std::collections::HashMap;
use std::marker::PhantomData;

use cqrs_es::{Aggregate, AggregateContext, AggregateError, EventEnvelope, EventStore};
use uuid::Uuid;

use crate::execute::{FrameworkError, new_events};
use crate::repository::load;
use crate::{Append, DbError, Log, Metadata};

/// The store of one kind of aggregate. The identifier of a command comes in the metadata under `command_id`; without
/// it there is none to recognise a repetition by.
#[derive(Debug)]
pub struct LogEventStore<A> {
    log: Log,
    new_id: fn() -> Uuid,
    kind: PhantomData<fn() -> A>,
}

/// An aggregate on its way through the framework.
#[derive(Debug)]
pub struct LogContext<A> {
    aggregate_id: String,
    aggregate: A,
    version: u64,
}

impl<A> LogEventStore<A> {
    /// A store over `log`; `new_id` names commands that bring no identifier.
    pub fn new(log: Log, new_id: fn() -> Uuid) -> Self {
        Self {
            log,
            new_id,
            kind: PhantomData,
        }
    }
}

impl<A: Aggregate> AggregateContext<A> for LogContext<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

impl<A> EventStore<A> for LogEventStore<A>
where
    A: Aggregate,
    A::Error: Send + Sync + 'static,
{
    type AC = LogContext<A>;

    async fn load_events(
        &self,
        id: &str,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let events = load::<A>(
            &self.log.inner.database,
            &self.log.inner.options.upcasters,
            id,
        )
        .await;
        events.map_err(|error| match error {
            DbError::Event(_) => AggregateError::DeserializationError(Box::new(error)),
            other => AggregateError::DatabaseConnectionError(Box::new(other)),
        })
    }

    async fn load_aggregate(&self, id: &str) -> Result<LogContext<A>, AggregateError<A::Error>> {
        let mut context = LogContext {
            aggregate_id: id.to_owned(),
            aggregate: A::default(),
            version: 0,
        };
        for event in self.load_events(id).await? {
            context.version = event.sequence as u64;
            context.aggregate.apply(event.payload);
        }
        Ok(context)
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: LogContext<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let command_id = metadata.get("command_id").and_then(|id| id.parse().ok());
        let stored = new_events::<A>(&events);
        let append = Append {
            aggregate_type: A::TYPE.to_owned(),
            aggregate_id: context.aggregate_id,
            expected_version: context.version,
            command_id: command_id.unwrap_or_else(self.new_id),
            events: stored.map_err(|error| AggregateError::UnexpectedError(Box::new(error)))?,
            metadata: Metadata {
                actor: metadata.get("actor").cloned(),
                request_id: metadata.get("request_id").cloned(),
            },
        };
        let recorded = self
            .log
            .append(append)
            .await
            .map_err(|error| FrameworkError::from(error).0)?;
        let pairs = recorded.into_iter().zip(events);
        let envelope = |(recorded, payload): (crate::RecordedEvent, A::Event)| EventEnvelope {
            aggregate_id: recorded.aggregate_id,
            sequence: usize::try_from(recorded.sequence).unwrap_or(usize::MAX),
            payload,
            metadata: metadata.clone(),
        };
        Ok(pairs.map(envelope).collect())
    }
}
