//! Reactors: policies that answer events with commands, at least once.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{note_failure, tail_state};
use crate::tail::{Follow, STEP, Step, follow};
use crate::{Database, DbError, Log, RecordedEvent, TailState};

/// A reactor could not react. The same event comes again.
#[derive(Debug, thiserror::Error)]
pub enum ReactError {
    /// What it needs is away. The event comes again until it is there.
    #[error("{0}")]
    NotNow(String),
    /// The event cannot be handled. After a few tries the tail is parked at it. The text is stored: it holds no value of
    /// the event, nothing personal and no secret.
    #[error("{0}")]
    Event(String),
}

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
    position: watch::Sender<Option<u64>>,
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
        let (position, _) = watch::channel(None);
        Self {
            database,
            log,
            reactor,
            position,
        }
    }

    /// Its reactor's name.
    pub fn name(&self) -> &'static str {
        self.reactor.name()
    }

    /// How far it has come, with what it only passed; nothing before it has begun.
    pub fn watch(&self) -> watch::Receiver<Option<u64>> {
        self.position.subscribe()
    }

    /// Follows the log until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let mut following = Following {
            tail: self,
            place: None,
        };
        follow(&mut following, &self.log, &stop).await;
    }

    async fn state(&self) -> Result<TailState, DbError> {
        tail_state(&self.database, self.name()).await
    }

    /// Reacts to what follows `begun`: how far that went, and what stopped it.
    async fn react(
        &self,
        begun: u64,
        events: &[Arc<RecordedEvent>],
        stop: &CancellationToken,
    ) -> (u64, Option<(Arc<RecordedEvent>, ReactError)>) {
        let mut reached = begun;
        for event in events.iter().filter(|event| event.position > begun) {
            if stop.is_cancelled() {
                break;
            }
            if self.reactor.reacts_to(&event.aggregate_type)
                && let Err(error) = self.reactor.react(event).await
            {
                return (reached, Some((Arc::clone(event), error)));
            }
            reached = event.position;
        }
        (reached, None)
    }
}

/// How far a tail has come: as it is stored, and with what it only passed since.
#[derive(Debug)]
struct Place {
    stored: u64,
    passed: u64,
}

struct Following<'a> {
    tail: &'a ReactorTail,
    place: Option<Place>,
}

#[async_trait]
impl Follow for Following<'_> {
    fn name(&self) -> &'static str {
        self.tail.name()
    }

    /// Takes the next events. Events that it does not care for cost no write: they are only passed, and taken again
    /// after a restart.
    async fn step(&mut self, stop: &CancellationToken) -> Result<Step, DbError> {
        let Some(place) = &self.place else {
            return self.look().await;
        };
        let events = self.tail.log.read_next(place.passed, STEP).await?;
        let Some(last) = events.last().map(|event| event.position) else {
            return Ok(Step::Idle);
        };
        let cares = |event: &RecordedEvent| self.tail.reactor.reacts_to(&event.aggregate_type);
        if !events.iter().any(|event| cares(event)) && last - place.stored < STEP as u64 {
            return Ok(self.passed(place.stored, last));
        }
        // What another node has done by now is not done again, and what is held is not done at all.
        let state = self.tail.state().await?;
        if state.is_held() {
            return Ok(Step::Held);
        }
        let begun = place.passed.max(state.position);
        let (reached, failed) = self.tail.react(begun, &events, stop).await;
        if reached > state.position {
            let database = &self.tail.database;
            let advance = database.advance(self.name(), state.position, reached, Vec::new());
            if !advance.await? {
                // Another node was faster, or somebody holds it: what was done twice is idempotent.
                return self.look().await;
            }
        }
        self.passed(reached, reached);
        match failed {
            None => Ok(Step::Moved),
            Some((event, error)) => self.failed(&event, error).await,
        }
    }

    async fn look(&mut self) -> Result<Step, DbError> {
        let state = self.tail.state().await?;
        self.passed(state.position, state.position);
        Ok(if state.is_held() {
            Step::Held
        } else {
            Step::Moved
        })
    }
}

impl Following<'_> {
    fn passed(&mut self, stored: u64, passed: u64) -> Step {
        self.place = Some(Place { stored, passed });
        self.tail.position.send_replace(Some(passed));
        Step::Moved
    }

    async fn failed(&mut self, event: &RecordedEvent, error: ReactError) -> Result<Step, DbError> {
        let (tail, log) = (self.name(), &self.tail.log);
        let reason = match error {
            ReactError::NotNow(reason) => {
                let position = event.position;
                tracing::warn!(
                    tail,
                    position,
                    reason,
                    "a tail cannot go on and will try again"
                );
                return Ok(Step::Failed);
            }
            ReactError::Event(reason) => reason,
        };
        let state = note_failure(&self.tail.database, tail, event, &reason, log.now()).await?;
        self.passed(state.position, state.position);
        Ok(if state.is_held() {
            Step::Held
        } else {
            Step::Failed
        })
    }
}
