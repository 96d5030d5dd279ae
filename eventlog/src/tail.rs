//! Tails: what follows the log behind a checkpoint.
//!
//! A tail never skips an event. One that it cannot take is tried a few times and then parks the tail: it stands still,
//! says so, and goes on when somebody lets it. What passes, as a database that is away, never parks it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{TailState, note_failure, tail_state};
use crate::upcast::Newest;
use crate::{Change, Database, DbError, Log, Projection, RecordedEvent, fold};

/// Events of one step.
pub(crate) const STEP: usize = 500;
/// How long a tail waits at most before it looks again.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// A tail that is not urgent lets this pass from one step to the next, so that under load a step takes many events. After
/// a quiet time it steps at once.
const PACE: Duration = Duration::from_millis(50);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(10);

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// There may be more.
    Moved,
    /// There is nothing more.
    Idle,
    /// The next event could not be taken and is tried again.
    Failed,
    /// Somebody paused the tail, or an event parked it.
    Held,
}

/// What follows the log in steps.
#[async_trait]
pub(crate) trait Follow: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Takes the next events.
    async fn step(&mut self, stop: &CancellationToken) -> Result<Step, DbError>;

    /// Reads where it stands and what holds it; nothing is taken.
    async fn look(&mut self) -> Result<Step, DbError>;

    /// Resolves when its next step must not wait.
    async fn urgent(&self) {
        std::future::pending::<()>().await;
    }
}

/// Waits until the pace allows another step, unless it is urgent.
async fn pace(tail: &dyn Follow, stepped: Option<Instant>, stop: &CancellationToken) {
    let Some(stepped) = stepped else { return };
    tokio::select! {
        () = tokio::time::sleep_until(stepped + PACE) => {}
        () = tail.urgent() => {}
        () = stop.cancelled() => {}
    }
}

/// Follows the log until told to stop.
pub(crate) async fn follow(tail: &mut dyn Follow, log: &Log, stop: &CancellationToken) {
    let mut head = log.watch_head();
    let mut backoff = Backoff::new(tail.name());
    let mut last = Step::Moved;
    let mut stepped = None;
    while !stop.is_cancelled() {
        head.mark_unchanged();
        let next = match last {
            Step::Held => tail.look().await,
            _ => tail.step(stop).await,
        };
        match next {
            Ok(done) => {
                match done {
                    Step::Moved => {
                        stepped = Some(Instant::now());
                        backoff.succeeded();
                    }
                    Step::Failed => backoff.wait(stop).await,
                    Step::Idle | Step::Held => {
                        backoff.succeeded();
                        idle(&mut head, done, stop).await;
                        pace(tail, stepped.take(), stop).await;
                    }
                }
                last = done;
            }
            Err(error) => backoff.failed(&error, stop).await,
        }
    }
}

/// A read model that follows the log: its changes and its checkpoint commit together.
#[derive(Debug)]
pub struct ProjectionTail {
    database: Database,
    log: Log,
    projection: Newest,
    position: watch::Sender<u64>,
    /// Whether somebody paused it or an event parked it, as it was seen last.
    held: watch::Sender<bool>,
    /// Told when somebody waits for a position.
    hurry: Notify,
    /// Whether the last step changed anything but the checkpoint.
    has_changed: AtomicBool,
    /// Events of one step.
    at_once: usize,
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
        let state = tail_state(&database, projection.name()).await?;
        let (position, _) = watch::channel(state.position);
        let upcasters = log.upcasters();
        Ok(Self {
            database,
            log,
            projection: Newest {
                projection,
                upcasters,
            },
            position,
            held: watch::Sender::new(state.is_held()),
            hurry: Notify::new(),
            has_changed: AtomicBool::new(true),
            at_once: STEP,
        })
    }

    /// The same with another number of events a step.
    pub(crate) fn with_step(self, at_once: usize) -> Self {
        Self { at_once, ..self }
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
        if self.position() < position {
            self.hurry.notify_one();
        }
        // The sender lives as long as `self`.
        let _ = self
            .position
            .subscribe()
            .wait_for(|reached| *reached >= position)
            .await;
    }

    /// Returns when it has come as far as `position`, or is seen to be paused or parked before.
    pub async fn wait_for_unless_held(&self, position: u64) {
        let mut held = self.held.subscribe();
        tokio::select! {
            () = self.wait_for(position) => {}
            // The sender lives as long as `self`.
            _ = held.wait_for(|held| *held) => {}
        }
    }

    /// Follows the log until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let mut following = Following(self);
        follow(&mut following, &self.log, &stop).await;
    }

    /// Takes the next events, none after `limit`. What comes before an event that cannot be taken is kept.
    pub(crate) async fn step(&self, limit: u64) -> Result<Step, DbError> {
        let from = self.position();
        let wanted = usize::try_from(limit.saturating_sub(from)).unwrap_or(usize::MAX);
        let wanted = wanted.min(self.at_once);
        // Whoever waits for a position must not take this node's memory for the log.
        let events = if limit == u64::MAX {
            self.log.read_next(from, wanted).await?
        } else {
            let events = self.log.read_all(from, wanted).await?;
            events.into_iter().map(Arc::new).collect()
        };
        if events.is_empty() {
            return Ok(Step::Idle);
        }
        match self.take(from, &events).await {
            // The database refuses what an event makes of a row: which one it is shows when each goes alone.
            Err(error) if error.is_of_the_data() => self.take_singly(&events).await,
            other => other,
        }
    }

    /// Takes these events, which follow the position `from`.
    async fn take(&self, from: u64, events: &[Arc<RecordedEvent>]) -> Result<Step, DbError> {
        let mut changes = Vec::new();
        let mut to = from;
        let mut refused = None;
        for event in events {
            let kept = changes.len();
            if let Err(error) = self.projection.project(event, &mut changes) {
                changes.truncate(kept);
                refused = Some((event, error));
                break;
            }
            to = event.position;
        }
        self.has_changed
            .store(!changes.is_empty(), Ordering::Relaxed);
        if to > from {
            if !self.advance(from, to, fold(changes)).await? {
                return self.look().await;
            }
            self.position.send_replace(to);
        }
        match refused {
            Some((event, error)) => self.fail(event, &error.to_string()).await,
            None => Ok(Step::Moved),
        }
    }

    async fn take_singly(&self, events: &[Arc<RecordedEvent>]) -> Result<Step, DbError> {
        for event in events {
            match self
                .take(event.position - 1, std::slice::from_ref(event))
                .await
            {
                Ok(Step::Moved) => {}
                Err(error) if error.is_of_the_data() => {
                    return self.fail(event, &error.without_values()).await;
                }
                other => return other,
            }
        }
        Ok(Step::Moved)
    }

    async fn advance(&self, from: u64, to: u64, changes: Vec<Change>) -> Result<bool, DbError> {
        self.database.advance(self.name(), from, to, changes).await
    }

    async fn fail(&self, event: &RecordedEvent, reason: &str) -> Result<Step, DbError> {
        let now = self.log.now();
        let state = note_failure(&self.database, self.name(), event, reason, now).await?;
        self.saw(&state);
        Ok(if state.is_held() {
            Step::Held
        } else {
            Step::Failed
        })
    }

    /// Another node has moved the checkpoint, or somebody holds it.
    async fn look(&self) -> Result<Step, DbError> {
        let state = tail_state(&self.database, self.name()).await?;
        self.saw(&state);
        Ok(if state.is_held() {
            Step::Held
        } else {
            Step::Moved
        })
    }

    fn saw(&self, state: &TailState) {
        self.position.send_replace(state.position);
        self.held.send_replace(state.is_held());
    }
}

struct Following<'a>(&'a ProjectionTail);

#[async_trait]
impl Follow for Following<'_> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn step(&mut self, _: &CancellationToken) -> Result<Step, DbError> {
        self.0.step(u64::MAX).await
    }

    async fn look(&mut self) -> Result<Step, DbError> {
        self.0.look().await
    }

    /// When somebody waits for it; and when its last events were of its own kind, as others may follow.
    async fn urgent(&self) {
        if !self.0.has_changed.load(Ordering::Relaxed) {
            self.0.hurry.notified().await;
        }
    }
}

/// Waits for news, for a while, or for the stop. A new event is no news to a tail that is held.
async fn idle(head: &mut watch::Receiver<u64>, last: Step, stop: &CancellationToken) {
    tokio::select! {
        _ = head.changed(), if last == Step::Idle => {}
        () = tokio::time::sleep(LOOK_AGAIN) => {}
        () = stop.cancelled() => {}
    }
}

/// What a failing tail does: it says so, waits and tries again.
struct Backoff {
    tail: &'static str,
    delay: Duration,
}

impl Backoff {
    fn new(tail: &'static str) -> Self {
        Self {
            tail,
            delay: FIRST_BACKOFF,
        }
    }

    fn succeeded(&mut self) {
        self.delay = FIRST_BACKOFF;
    }

    async fn failed(&mut self, error: &DbError, stop: &CancellationToken) {
        tracing::warn!(tail = self.tail, %error, "a tail cannot go on and will try again");
        self.wait(stop).await;
    }

    async fn wait(&mut self, stop: &CancellationToken) {
        stop.run_until_cancelled(tokio::time::sleep(self.delay))
            .await;
        self.delay = (self.delay * 2).min(LAST_BACKOFF);
    }
}
