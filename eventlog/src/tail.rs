//! Tails: what follows the log behind a checkpoint.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Database, DbError, Log, Projection, ProjectionError, fold};

/// Events of one step.
pub(crate) const STEP: usize = 500;
/// How long a tail waits at most before it looks again.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(500);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(10);

/// A tail cannot go on. It tries the same event again, and skips nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TailError {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Projection(#[from] ProjectionError),
}

/// A read model that follows the log: its changes and its checkpoint commit together.
#[derive(Debug)]
pub struct ProjectionTail {
    database: Database,
    log: Log,
    projection: Arc<dyn Projection>,
    position: watch::Sender<u64>,
}

impl ProjectionTail {
    /// A tail at its checkpoint.
    ///
    /// # Errors
    /// The database failed.
    pub async fn new(
        database: Database,
        log: Log,
        projection: Arc<dyn Projection>,
    ) -> Result<Self, DbError> {
        let position = checkpoint(&database, projection.name()).await?;
        let (position, _) = watch::channel(position);
        Ok(Self {
            database,
            log,
            projection,
            position,
        })
    }

    /// Its projection's name.
    pub fn name(&self) -> &'static str {
        self.projection.name()
    }

    /// How far it has come.
    pub fn position(&self) -> u64 {
        *self.position.borrow()
    }

    /// Its position, as it moves.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }

    /// Returns when it has come as far as `position`.
    pub async fn wait_for(&self, position: u64) {
        // The sender lives as long as `self`.
        let _ = self
            .position
            .subscribe()
            .wait_for(|reached| *reached >= position)
            .await;
    }

    /// Follows the log until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let mut head = self.log.watch_head();
        let mut backoff = Backoff::new(self.name());
        while !stop.is_cancelled() {
            head.mark_unchanged();
            match self.step().await {
                Ok(true) => backoff.succeeded(),
                Ok(false) => {
                    backoff.succeeded();
                    idle(&mut head, &stop).await;
                }
                Err(error) => backoff.failed(&error, &stop).await,
            }
        }
    }

    /// Takes the next events; false when there are none.
    async fn step(&self) -> Result<bool, TailError> {
        let from = self.position();
        let events = self.log.read_next(from, STEP).await?;
        let Some(to) = events.last().map(|event| event.position) else {
            return Ok(false);
        };
        let mut changes = Vec::new();
        for event in &events {
            self.projection.project(event, &mut changes)?;
        }
        let reached = if self
            .database
            .advance(self.name(), from, to, fold(changes))
            .await?
        {
            to
        } else {
            // Another node has moved the checkpoint.
            checkpoint(&self.database, self.name()).await?
        };
        self.position.send_replace(reached);
        Ok(true)
    }

    /// Empties the projection's tables and takes every event again, up to the head. Only while no tail of the same
    /// projection runs.
    ///
    /// # Errors
    /// The database failed, or an event cannot be understood.
    pub async fn rebuild(&self) -> Result<(), DbError> {
        let mut statements: Vec<_> = self
            .projection
            .tables()
            .iter()
            .map(|table| (format!("DELETE FROM {}", table.name), Vec::new()))
            .collect();
        let reset = "UPDATE tails SET position = 0 WHERE name = $1".to_owned();
        statements.push((reset, vec![self.name().into()]));
        self.database.execute(statements).await?;
        self.position.send_replace(0);
        while self.step().await.map_err(|error| match error {
            TailError::Database(error) => error,
            TailError::Projection(_) => DbError::decode("an event that a projection does not know"),
        })? {}
        Ok(())
    }
}

/// The stored position of a tail, which begins at 0.
pub(crate) async fn checkpoint(database: &Database, name: &str) -> Result<u64, DbError> {
    const INSERT: &str =
        "INSERT INTO tails (name, position) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING";
    const SELECT: &str = "SELECT position FROM tails WHERE name = $1";
    let mut rows = database.query(SELECT, &[name.into()]).await?;
    if rows.is_empty() {
        database
            .execute(vec![(INSERT.to_owned(), vec![name.into()])])
            .await?;
        rows = database.query(SELECT, &[name.into()]).await?;
    }
    let row = rows
        .first()
        .ok_or_else(|| DbError::decode("no checkpoint"))?;
    u64::try_from(row.int(0)?).map_err(|_| DbError::decode("a negative checkpoint"))
}

/// Waits for news of the head, for a while, or for the stop.
pub(crate) async fn idle(head: &mut watch::Receiver<u64>, stop: &CancellationToken) {
    tokio::select! {
        _ = head.changed() => {}
        () = tokio::time::sleep(LOOK_AGAIN) => {}
        () = stop.cancelled() => {}
    }
}

/// What a failing tail does: it says so, shows it in a metric, waits and tries again.
pub(crate) struct Backoff {
    tail: &'static str,
    delay: Duration,
}

impl Backoff {
    pub(crate) fn new(tail: &'static str) -> Self {
        Self {
            tail,
            delay: FIRST_BACKOFF,
        }
    }

    pub(crate) fn succeeded(&mut self) {
        if self.delay != FIRST_BACKOFF {
            metrics::gauge!("gatelog_tail_parked", "tail" => self.tail).set(0.0);
        }
        self.delay = FIRST_BACKOFF;
    }

    pub(crate) async fn failed(
        &mut self,
        error: &(dyn std::error::Error + Sync),
        stop: &CancellationToken,
    ) {
        tracing::error!(tail = self.tail, %error, "a tail is parked and will try again");
        metrics::gauge!("gatelog_tail_parked", "tail" => self.tail).set(1.0);
        stop.run_until_cancelled(tokio::time::sleep(self.delay))
            .await;
        self.delay = (self.delay * 2).min(LAST_BACKOFF);
    }
}
