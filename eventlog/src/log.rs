//! The log: appending, reading, following.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, Building, Pending};
use crate::cache::AggregateCache;
use crate::database::DatabaseKind;
use crate::feed::{CommitObserver, Feed, head};
use crate::news::follow;
use crate::noted;
use crate::postgres::PostgresAppender;
use crate::snapshot::{Snapshots, Snapshotted};
use crate::sqlite::Durability;
use crate::tiles::Edge;
use crate::upcast::{Upcasters, newest};
use crate::{
    Append, AppendError, Database, DbError, Projection, RecordedEvent, Tree, repository, sqlite,
};

/// How often what could not be told is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How a log is opened.
#[derive(Clone)]
pub struct LogOptions {
    /// Appends that may wait; more are refused with [`AppendError::QueueFull`].
    pub queue_capacity: usize,
    /// Events of one transaction.
    pub batch_events: usize,
    /// The clock.
    pub clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// Aggregates that are kept in memory; 0 for none.
    pub aggregate_cache: usize,
    /// What brings events of older versions into the form that the code knows.
    pub upcasters: Upcasters,
    /// The kinds of aggregates that have snapshots.
    pub snapshots: Vec<Snapshotted>,
    /// Appends without leaves and tiles, to measure what these cost. Nothing of such a log can be proved.
    #[cfg(feature = "testing")]
    pub without_tree: bool,
}

impl LogOptions {
    #[cfg(feature = "testing")]
    fn has_tree(&self) -> bool {
        !self.without_tree
    }

    #[cfg(not(feature = "testing"))]
    #[expect(clippy::unused_self, reason = "only a benchmark can leave it out")]
    fn has_tree(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for LogOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LogOptions")
            .field("queue_capacity", &self.queue_capacity)
            .field("batch_events", &self.batch_events)
            .field("aggregate_cache", &self.aggregate_cache)
            .field("upcasters", &self.upcasters)
            .field("snapshots", &self.snapshots)
            .finish_non_exhaustive()
    }
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            queue_capacity: 4096,
            batch_events: 1024,
            clock: Arc::new(system_clock),
            aggregate_cache: 10_000,
            upcasters: Upcasters::default(),
            snapshots: Vec::new(),
            #[cfg(feature = "testing")]
            without_tree: false,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "only the default of an option that the server sets"
)]
fn system_clock() -> DateTime<Utc> {
    Utc::now()
}

/// The log; cheap to clone.
#[derive(Debug, Clone)]
pub struct Log {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub database: Database,
    pub cache: AggregateCache,
    pub snapshots: Snapshots,
    pub options: LogOptions,
    queue: mpsc::Sender<Pending>,
    feed: Arc<Feed>,
    last_written: Arc<AtomicU64>,
    stop: CancellationToken,
    writer_done: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Log {
    /// Opens the log of a migrated database and starts its writer. Tiles of the Merkle tree that are missing are made
    /// first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn open(
        database: Database,
        inline: Vec<Arc<dyn Projection>>,
        options: LogOptions,
    ) -> Result<Self, DbError> {
        let filled = Tree::new(database.clone()).fill().await?;
        if filled > 0 {
            tracing::info!(tiles = filled, "tiles of the Merkle tree were made");
        }
        let head = head(&database).await?;
        let feed = Arc::new(Feed::new(database.clone(), head));
        let (queue, waiting) = mpsc::channel(options.queue_capacity);
        let (stop, writer_done) = (CancellationToken::new(), CancellationToken::new());
        let last_written = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            engine: EngineWriter::of(&database),
            waiting,
            feed: Arc::clone(&feed),
            building: Building {
                inline: newest(inline, &options.upcasters),
                has_tree: options.has_tree(),
            },
            last_written: Arc::clone(&last_written),
            stop: stop.clone(),
            done: writer_done.clone(),
            batch_events: options.batch_events,
            clock: Arc::clone(&options.clock),
            edge: None,
        };
        start(writer.run());
        start(follow(database.clone(), Arc::clone(&feed), stop.clone()));
        let cache = AggregateCache::new(options.aggregate_cache);
        let (snapshots, write_them) =
            Snapshots::new(&options.snapshots, database.clone(), stop.clone());
        start(write_them);
        let inner = Inner {
            database,
            cache,
            snapshots,
            options,
            queue,
            feed,
            last_written,
            stop,
            writer_done,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Appends one command's events.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub async fn append(&self, append: Append) -> Result<Vec<RecordedEvent>, AppendError> {
        append.check()?;
        if self.inner.stop.is_cancelled() {
            return Err(DbError::Closed.into());
        }
        self.inner.feed.check()?;
        let (reply, answer) = oneshot::channel();
        self.inner
            .queue
            .try_send(Pending { append, reply })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => AppendError::QueueFull,
                mpsc::error::TrySendError::Closed(_) => DbError::Closed.into(),
            })?;
        let outcome = answer.await.ok();
        noted::note(outcome.as_ref());
        outcome.ok_or(AppendError::Database(DbError::Closed))?
    }

    /// Events after a position, in order, without a gap.
    ///
    /// # Errors
    /// The database failed.
    pub async fn read_all(&self, after: u64, limit: usize) -> Result<Vec<RecordedEvent>, DbError> {
        repository::read_all(&self.inner.database, after, limit).await
    }

    /// What a tail takes next: from memory when this node has heard of it lately, else from the database. Empty when
    /// this node knows of nothing more; it asks for other nodes' events on its own.
    pub(crate) async fn read_next(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Arc<RecordedEvent>>, DbError> {
        self.inner.feed.check()?;
        if let Some(events) = self.inner.feed.recent().after(after, limit) {
            return Ok(events);
        }
        let events = self.read_all(after, limit).await?;
        Ok(events.into_iter().map(Arc::new).collect())
    }

    /// The events of a stream, in order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn read_stream(
        &self,
        aggregate_type: &str,
        aggregate_id: &str,
    ) -> Result<Vec<RecordedEvent>, DbError> {
        repository::read_stream(&self.inner.database, aggregate_type, aggregate_id).await
    }

    /// The position of the last event, from the database.
    ///
    /// # Errors
    /// The database failed.
    pub async fn head(&self) -> Result<u64, DbError> {
        head(&self.inner.database).await
    }

    /// The head as this node knows it: own commits at once, other nodes' as soon as they are heard of.
    pub fn watch_head(&self) -> watch::Receiver<u64> {
        self.inner.feed.watch()
    }

    /// The last position that this node wrote; 0 before the first.
    pub fn last_written(&self) -> u64 {
        self.inner.last_written.load(Ordering::SeqCst)
    }

    /// Reads the head now and tells the observers everything up to it. Callers at the same time share a read.
    ///
    /// # Errors
    /// The database failed.
    pub async fn catch_up(&self) -> Result<u64, DbError> {
        self.inner.feed.catch_up().await
    }

    /// Tells `observer` every event after `after`, once and in order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn attach_observer(
        &self,
        after: u64,
        observer: Arc<dyn CommitObserver>,
    ) -> Result<(), DbError> {
        self.inner.feed.attach(after, observer).await
    }

    /// Returns when the database was found to lack events that this process has followed: whatever it knows may be wrong by
    /// then, nothing is appended any more, and it must end.
    pub async fn set_back(&self) -> DbError {
        self.inner.feed.set_back().await
    }

    /// Refuses new appends, and returns when those that wait are committed.
    pub async fn shut_down(&self) {
        self.inner.stop.cancel();
        self.inner.writer_done.cancelled().await;
    }
}

/// What of an engine appends.
enum EngineWriter {
    Sqlite(Database),
    Postgres(Box<PostgresAppender>),
}

impl EngineWriter {
    fn of(database: &Database) -> Self {
        match &*database.kind {
            DatabaseKind::Sqlite { .. } => Self::Sqlite(database.clone()),
            DatabaseKind::Postgres { options, .. } => {
                Self::Postgres(Box::new(PostgresAppender::new((**options).clone())))
            }
        }
    }

    fn commit(&mut self, batch: Batch) -> BoxFuture<'_, Fate> {
        match self {
            Self::Sqlite(database) => Box::pin(commit_sqlite(database, batch)),
            Self::Postgres(appender) => {
                Box::pin(async move { appender.commit(batch).await.into() })
            }
        }
    }
}

/// What became of a batch.
enum Fate {
    /// It is in the log; appends that conflicted have been answered and are not in it any more.
    Committed(Batch),
    /// It is not in the log, or that is not known.
    Failed(Batch, AppendError),
    /// The writer is gone with it: its callers find their channel closed.
    Gone,
}

impl<E: Into<AppendError>> From<Result<Batch, (Batch, E)>> for Fate {
    fn from(result: Result<Batch, (Batch, E)>) -> Self {
        match result {
            Ok(batch) => Self::Committed(batch),
            Err((batch, error)) => Self::Failed(batch, error.into()),
        }
    }
}

async fn commit_sqlite(database: &Database, batch: Batch) -> Fate {
    let DatabaseKind::Sqlite { writer, .. } = &*database.kind else {
        return Fate::Gone;
    };
    let job = move |connection: Result<&_, _>| match connection {
        Ok(connection) => sqlite::commit(connection, batch),
        Err(error) => Err((batch, error)),
    };
    let durable = Durability::Durable;
    match writer
        .write(durable, job, |batch, error| (batch, error))
        .await
    {
        Ok(result) => result.into(),
        Err(error) => {
            tracing::error!(%error, "the SQLite writer did not take a batch");
            Fate::Gone
        }
    }
}

struct Writer {
    engine: EngineWriter,
    waiting: mpsc::Receiver<Pending>,
    feed: Arc<Feed>,
    building: Building,
    last_written: Arc<AtomicU64>,
    stop: CancellationToken,
    done: CancellationToken,
    batch_events: usize,
    clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// The Merkle tree's right edge behind the last commit, where this node knows it.
    edge: Option<Edge>,
}

impl Writer {
    /// Takes all that waits into one transaction, and while it commits the next collects.
    async fn run(mut self) {
        let mut waiting: Vec<Pending> = Vec::new();
        while self.gather(&mut waiting).await {
            let now = (self.clock)();
            let mut batch =
                Batch::take(&mut waiting, self.batch_events, self.building.clone(), now);
            batch.edge = self.edge.take();
            self.commit(batch).await;
        }
        self.done.cancel();
    }

    /// When a constraint refuses a batch of several, each goes in alone, so that one fails and not all.
    async fn commit(&mut self, batch: Batch) {
        match self.engine.commit(batch).await {
            Fate::Committed(batch) => self.publish(batch).await,
            Fate::Failed(batch, AppendError::Database(error))
                if error.is_of_the_data() && batch.appends.len() > 1 =>
            {
                tracing::warn!(%error, "a batch is taken apart");
                for single in batch.singly() {
                    match self.engine.commit(single).await {
                        Fate::Committed(batch) => self.publish(batch).await,
                        Fate::Failed(batch, error) => batch.fail(&error),
                        Fate::Gone => {}
                    }
                }
            }
            Fate::Failed(batch, error) => batch.fail(&error),
            Fate::Gone => {}
        }
    }

    /// False when nothing waits and nothing more will come.
    async fn gather(&mut self, waiting: &mut Vec<Pending>) -> bool {
        if waiting.is_empty() {
            tokio::select! {
                biased;
                pending = self.waiting.recv() => match pending {
                    Some(pending) => waiting.push(pending),
                    None => return false,
                },
                () = self.stop.cancelled() => {
                    self.waiting.close();
                    match self.waiting.recv().await {
                        Some(pending) => waiting.push(pending),
                        None => return false,
                    }
                }
            }
        }
        // Those whose answers came a moment ago get their turn to ask again: else a batch goes without them, and they
        // wait for a commit that has room for them.
        let mut known = 0;
        while known < waiting.len() && waiting.len() < self.batch_events {
            known = waiting.len();
            tokio::task::yield_now().await;
            while waiting.len() < self.batch_events
                && let Ok(pending) = self.waiting.try_recv()
            {
                waiting.push(pending);
            }
        }
        true
    }

    /// Observers first, then the callers: whoever is answered finds the observers up to date.
    async fn publish(&mut self, mut batch: Batch) {
        self.edge = batch.new_edge.take();
        let Some(last) = batch.events.last().map(|event| event.position) else {
            return;
        };
        metrics::histogram!("gatelog_log_batch_events").record(float(batch.events.len() as u64));
        metrics::gauge!("gatelog_log_position").set(float(last));
        while let Err(error) = self.feed.deliver(&batch.events).await {
            if matches!(error, DbError::SetBack(_)) {
                return batch.fail(&AppendError::OutcomeUnknown);
            }
            tracing::error!(%error, "the log's observers cannot be brought up to date; trying again");
            tokio::time::sleep(RETRY).await;
        }
        self.last_written.fetch_max(last, Ordering::SeqCst);
        batch.answer();
    }
}

/// For metrics: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "a metric needs no more")]
fn float(number: u64) -> f64 {
    number as f64
}

/// The one place that starts this crate's tasks; each ends when its log is shut down or dropped.
#[expect(
    clippy::disallowed_methods,
    reason = "the log's own tasks; they end with it or with whom they work for"
)]
pub(crate) fn start(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
