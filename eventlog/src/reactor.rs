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
        while !stop.is_cancelled() {
            head.mark_unchanged();
            match self.step(&stop).await {
                Ok(true) => backoff.succeeded(),
                Ok(false) => {
                    backoff.succeeded();
                    idle(&mut head, &stop).await;
                }
                Err(error) => backoff.failed(&error, &stop).await,
            }
        }
    }

    async fn step(&self, stop: &CancellationToken) -> Result<bool, StepError> {
        let from = checkpoint(&self.database, self.reactor.name()).await?;
        let events = self.log.read_all(from, STEP).await?;
        let mut reached = from;
        let mut failure = None;
        for event in &events {
            if stop.is_cancelled() {
                break;
            }
            if self.reactor.reacts_to(&event.aggregate_type)
                && let Err(error) = self.reactor.react(event).await
            {
                failure = Some(StepError::React(error));
                break;
            }
            reached = event.position;
        }
        if reached > from {
            // When another node was faster, what both did is idempotent.
            self.database
                .advance(self.reactor.name(), from, reached, Vec::new())
                .await?;
        }
        failure.map_or(Ok(reached > from), Err)
    }
}

#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    React(#[from] ReactError),
}
