//! Commands: load, decide, append, and again when somebody else was first.

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, AggregateError, DomainEvent as _};
use uuid::Uuid;

use crate::archive;
use crate::repository::{load_after, read_stream};
use crate::{Append, AppendError, DbError, Log, Metadata, NewEvent, RecordedEvent, event_id};

/// How often a command that lost a race is decided anew.
const RETRIES: usize = 3;

/// What surrounds a command.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// Names the command: the same one again is recognised.
    pub command_id: Uuid,
    /// Who and for which request.
    pub metadata: Metadata,
    /// The command makes a new stream, so there is nothing to load.
    pub creates: bool,
}

/// What a command led to.
#[derive(Debug)]
pub struct Outcome<A> {
    /// The aggregate after it.
    pub aggregate: A,
    /// The stream's version after it.
    pub version: u64,
    /// The events; none when there was nothing to do.
    pub events: Vec<RecordedEvent>,
    /// The position of the last of them.
    pub position: Option<u64>,
}

/// Why a command led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E: std::error::Error> {
    /// The aggregate refuses.
    #[error(transparent)]
    Refused(E),
    /// Others were first, every time.
    #[error("the stream was written by others, several times over")]
    Conflict,
    /// The queue is full: nothing was written.
    #[error("too much waits to be appended")]
    Overloaded,
    /// An event of the aggregate has no JSON form.
    #[error("an event cannot be written: {0}")]
    Unwritable(String),
    /// Loading or appending failed.
    #[error(transparent)]
    Append(AppendError),
}

impl<E: std::error::Error> From<AppendError> for ExecuteError<E> {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::QueueFull | AppendError::Database(DbError::Busy) => Self::Overloaded,
            AppendError::VersionConflict { .. } => Self::Conflict,
            other => Self::Append(other),
        }
    }
}

/// An aggregate as it is decided on.
struct Loaded<A> {
    aggregate: A,
    version: u64,
    is_cached: bool,
}

impl Log {
    /// Executes one command on one stream.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn execute<A>(
        &self,
        id: &str,
        command: A::Command,
        context: &CommandContext,
    ) -> Result<Outcome<A>, ExecuteError<A::Error>>
    where
        A: Aggregate<Services = ()> + Clone + 'static,
        A::Command: Clone + Send + Sync,
        A::Error: Send,
    {
        for attempt in 0..=RETRIES {
            let mut loaded = self.prepare::<A>(id, attempt == 0, context.creates).await?;
            let decided = match decide(&mut loaded.aggregate, command.clone()).await {
                Ok(decided) => decided,
                // What memory has may be stale: only the log's own word is a refusal.
                Err(_) if loaded.is_cached => {
                    self.inner.cache.forget(A::TYPE, id);
                    continue;
                }
                Err(error) => return Err(ExecuteError::Refused(error)),
            };
            if decided.is_empty() {
                if loaded.is_cached {
                    self.inner.cache.forget(A::TYPE, id);
                    continue;
                }
                return Ok(unchanged(loaded));
            }
            match self
                .append(append::<A>(id, loaded.version, &decided, context)?)
                .await
            {
                Ok(events) => return Ok(self.remember(id, loaded.aggregate, events)),
                Err(AppendError::VersionConflict { .. }) => self.inner.cache.forget(A::TYPE, id),
                Err(AppendError::DuplicateEvent) => return self.earlier::<A>(id, context).await,
                Err(other) => return Err(other.into()),
            }
        }
        Err(ExecuteError::Conflict)
    }

    /// The aggregate and its version, from the log: from the last snapshot on, if there is one, else from the beginning.
    ///
    /// # Errors
    /// The stream cannot be read.
    pub async fn load<A: Aggregate>(&self, id: &str) -> Result<(A, u64), ExecuteError<A::Error>> {
        let loaded = self.try_load::<A>(id).await;
        Ok(loaded.map_err(AppendError::from)?)
    }

    async fn try_load<A: Aggregate>(&self, id: &str) -> Result<(A, u64), DbError> {
        let inner = &self.inner;
        let snapshot = inner.snapshots.find::<A>(&inner.database, id).await?;
        let (mut aggregate, begun) = snapshot.unwrap_or_default();
        let upcasters = &inner.options.upcasters;
        let mut events = load_after::<A>(&inner.database, upcasters, id, begun).await?;
        let mut version = begun;
        let sequences = events.iter().map(|(sequence, _)| *sequence);
        let mut is_whole = sequences.eq(begun + 1..=begun + events.len() as u64);
        if !is_whole || (events.is_empty() && begun > 0) {
            let ended = archive::ended_stream(&inner.database, A::TYPE, id).await?;
            match ended.filter(|ended| ended.version > begun) {
                // Its events went to the archive, and its first and last say as much as all of them.
                Some(_) => {
                    is_whole = false;
                    events = load_after::<A>(&inner.database, upcasters, id, 0).await?;
                    aggregate = A::default();
                }
                None if is_whole => {}
                None => return Err(DbError::decode("a stream that lacks an event")),
            }
        }
        for (sequence, event) in events {
            version = sequence;
            aggregate.apply(event);
        }
        if is_whole {
            inner.snapshots.keep(id, &aggregate, begun, version);
        }
        Ok((aggregate, version))
    }

    async fn prepare<A>(
        &self,
        id: &str,
        is_first: bool,
        creates: bool,
    ) -> Result<Loaded<A>, ExecuteError<A::Error>>
    where
        A: Aggregate + Clone + 'static,
    {
        if is_first && creates {
            return Ok(Loaded {
                aggregate: A::default(),
                version: 0,
                is_cached: false,
            });
        }
        if is_first && let Some((aggregate, version)) = self.inner.cache.get::<A>(A::TYPE, id) {
            return Ok(Loaded {
                aggregate,
                version,
                is_cached: true,
            });
        }
        let (aggregate, version) = self.load::<A>(id).await?;
        Ok(Loaded {
            aggregate,
            version,
            is_cached: false,
        })
    }

    fn remember<A>(&self, id: &str, aggregate: A, events: Vec<RecordedEvent>) -> Outcome<A>
    where
        A: Aggregate + Clone + 'static,
    {
        let (version, position) = events
            .last()
            .map_or((0, None), |last| (last.sequence, Some(last.position)));
        self.inner
            .cache
            .put(A::TYPE, id, aggregate.clone(), version);
        let before = version - events.len() as u64;
        self.inner.snapshots.keep(id, &aggregate, before, version);
        self.inner.snapshots.end(&events);
        Outcome {
            aggregate,
            version,
            events,
            position,
        }
    }

    /// The command ran before: its events are its outcome.
    async fn earlier<A: Aggregate>(
        &self,
        id: &str,
        context: &CommandContext,
    ) -> Result<Outcome<A>, ExecuteError<A::Error>> {
        let (aggregate, version) = self.load::<A>(id).await?;
        let stream = read_stream(&self.inner.database, A::TYPE, id)
            .await
            .map_err(AppendError::from)?;
        let first = event_id(context.command_id, 0);
        let own = stream
            .into_iter()
            .skip_while(|event| event.event_id != first);
        let numbered = own.enumerate();
        let events: Vec<_> = numbered
            .take_while(|(n, event)| event.event_id == event_id(context.command_id, *n))
            .map(|(_, event)| event)
            .collect();
        if events.is_empty() {
            return Err(ExecuteError::Append(AppendError::DuplicateEvent));
        }
        let position = events.last().map(|event| event.position);
        Ok(Outcome {
            aggregate,
            version,
            events,
            position,
        })
    }
}

fn unchanged<A>(loaded: Loaded<A>) -> Outcome<A> {
    Outcome {
        aggregate: loaded.aggregate,
        version: loaded.version,
        events: Vec::new(),
        position: None,
    }
}

async fn decide<A>(aggregate: &mut A, command: A::Command) -> Result<Vec<A::Event>, A::Error>
where
    A: Aggregate<Services = ()>,
{
    let sink = EventSink::default();
    aggregate.handle(command, &(), &sink).await?;
    Ok(sink.collect().await)
}

fn append<A: Aggregate>(
    id: &str,
    expected_version: u64,
    events: &[A::Event],
    context: &CommandContext,
) -> Result<Append, ExecuteError<A::Error>> {
    Ok(Append {
        aggregate_type: A::TYPE.to_owned(),
        aggregate_id: id.to_owned(),
        expected_version,
        command_id: context.command_id,
        events: new_events::<A>(events)
            .map_err(|error| ExecuteError::Unwritable(error.to_string()))?,
        metadata: context.metadata.clone(),
    })
}

/// The events in their stored form.
pub(crate) fn new_events<A: Aggregate>(
    events: &[A::Event],
) -> Result<Vec<NewEvent>, serde_json::Error> {
    let stored = |event: &A::Event| {
        Ok(NewEvent {
            event_type: event.event_type(),
            event_version: event.event_version(),
            payload: serde_json::to_string(event)?,
        })
    };
    events.iter().map(stored).collect()
}

/// The same for callers that hold a framework error.
impl<E: std::error::Error + Send + Sync + 'static> From<AppendError> for FrameworkError<E> {
    fn from(error: AppendError) -> Self {
        Self(match error {
            AppendError::VersionConflict { .. } => AggregateError::AggregateConflict,
            other => AggregateError::UnexpectedError(Box::new(other)),
        })
    }
}

/// cqrs-es's error, for [`crate::LogEventStore`].
pub(crate) struct FrameworkError<E: std::error::Error>(pub AggregateError<E>);
