//! Reactors: policies that answer events with commands, at least once.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::tail::{Backoff, STEP, checkpoint, idle};
use crate::{Database, DbError, Log, RecordedEvent};

/// A reactor could not react. The same event comes again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReactError(pub String);

/// Reacts to every event at least once, in order. What it does must be idempotent.
#[async_trait]
pub trait Reactor: Send + Sync + 'static {
    /// Its name, also that of its checkpoint.
    fn name(&self) -> &'static str;

    /// Whether it cares for events of this stream type at all.
    fn reacts_to(&self, aggregate_type: &str) -> bool;

    /// Reacts to one event.
    async fn react(&self, event: &RecordedEvent) -> Result<(), ReactError>;
}

/// A reactor that follows the log.
pub struct ReactorTail {
    database: Database,
    log: Log,
    reactor: Arc<dyn Reactor>,
}

impl std::fmt::Debug for ReactorTail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ReactorTail")
            .field("name", &self.reactor.name())
            .finish_non_exhaustive()
    }
}

impl ReactorTail {
    /// A tail for `reactor`.
    pub fn new(database: Database, log: Log, reactor: Arc<dyn Reactor>) -> Self {
        Self {
            database,
            log,
            reactor,
        }
    }

    /// Follows the log until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let mut head = self.log.watch_head();
        let mut backoff = Backoff::new(self.reactor.name());
        let mut place = None;
        while !stop.is_cancelled() {
            head.mark_unchanged();
            match self.step(&mut place, &stop).await {
                Ok(true) => backoff.succeeded(),
                Ok(false) => {
                    backoff.succeeded();
                    idle(&mut head, &stop).await;
                }
                Err(error) => backoff.failed(&error, &stop).await,
            }
        }
    }

    /// Takes the next events; false when there are none. Events that it does not care for cost no write: they are only
    /// passed, and taken again after a restart.
    async fn step(
        &self,
        place: &mut Option<Place>,
        stop: &CancellationToken,
    ) -> Result<bool, StepError> {
        let place = match place {
            Some(place) => place,
            None => place.insert(Place::at(self.checkpoint().await?)),
        };
        let events = self.log.read_next(place.passed, STEP).await?;
        let Some(last) = events.last().map(|event| event.position) else {
            return Ok(false);
        };
        let cares = |event: &RecordedEvent| self.reactor.reacts_to(&event.aggregate_type);
        if !events.iter().any(|event| cares(event)) && last - place.stored < STEP as u64 {
            place.passed = last;
            return Ok(true);
        }
        // What another node has done by now is not done again.
        place.stored = self.checkpoint().await?;
        let begun = place.passed.max(place.stored);
        let mut reached = begun;
        let mut failure = None;
        for event in events.iter().filter(|event| event.position > begun) {
            if stop.is_cancelled() {
                break;
            }
            if cares(event)
                && let Err(error) = self.reactor.react(event).await
            {
                failure = Some(StepError::React(error));
                break;
            }
            reached = event.position;
        }
        if reached > place.stored {
            // When another node was faster, what both did is idempotent.
            self.database
                .advance(self.reactor.name(), place.stored, reached, Vec::new())
                .await?;
            place.stored = reached;
        }
        place.passed = reached;
        failure.map_or(Ok(true), Err)
    }

    async fn checkpoint(&self) -> Result<u64, DbError> {
        checkpoint(&self.database, self.reactor.name()).await
    }
}

/// How far a tail has come: as it is stored, and with what it only passed since.
#[derive(Debug)]
struct Place {
    stored: u64,
    passed: u64,
}

impl Place {
    fn at(stored: u64) -> Self {
        Self {
            stored,
            passed: stored,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    React(#[from] ReactError),
}
