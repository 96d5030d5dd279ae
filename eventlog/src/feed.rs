//! The feed: every committed event, once and in order, to this node's observers and to whoever waits for the head.
//!
//! What was told cannot be taken back. So it also notices when the log in the database is not the one any more that it
//! has told: where a standby took over that lacked the last events, the head is before them, or others stand in their
//! place. Then it tells nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use crate::recent::Recent;
use crate::repository::read_all;
use crate::{Database, DbError, RecordedEvent};

/// Events of one read.
const STEP: usize = 1000;

/// Hears of every event of the log, own and other nodes', once and in order. Own events come before the caller of
/// the append is answered. It must be quick and must not block.
pub trait CommitObserver: Send + Sync {
    /// The next events.
    fn committed(&self, events: &[RecordedEvent]);
}

struct State {
    /// How far the observers have been told.
    position: u64,
    /// The event there, if one was told.
    last: Option<Uuid>,
    /// A read failed: whatever answers next may be another database.
    is_unsure: bool,
    /// The number of the last read of the head that has completed.
    completed_read: u64,
    observers: Vec<Arc<dyn CommitObserver>>,
}

/// The feed.
pub(crate) struct Feed {
    database: Database,
    state: Mutex<State>,
    started_reads: AtomicU64,
    head: watch::Sender<u64>,
    recent: Recent,
    /// The position up to which a log was followed that is not there any more.
    set_back: watch::Sender<Option<u64>>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Feed")
            .field("head", &*self.head.borrow())
            .finish_non_exhaustive()
    }
}

impl Feed {
    pub(crate) fn new(database: Database, head: u64) -> Self {
        let state = State {
            position: head,
            last: None,
            is_unsure: false,
            completed_read: 0,
            observers: Vec::new(),
        };
        let (head, _) = watch::channel(head);
        Self {
            database,
            recent: Recent::new(state.position),
            state: Mutex::new(state),
            started_reads: AtomicU64::new(0),
            head,
            set_back: watch::Sender::new(None),
        }
    }

    /// An error once the log was set back.
    pub(crate) fn check(&self) -> Result<(), DbError> {
        let position = *self.set_back.borrow();
        position.map_or(Ok(()), |position| Err(DbError::SetBack(position)))
    }

    /// Returns when the log was set back.
    pub(crate) async fn set_back(&self) -> DbError {
        let mut set_back = self.set_back.subscribe();
        // The sender lives as long as `self`.
        let found = set_back.wait_for(Option::is_some).await;
        let position = found.ok().and_then(|position| *position);
        DbError::SetBack(position.unwrap_or_default())
    }

    fn is_set_back(&self, state: &State) -> DbError {
        let error = DbError::SetBack(state.position);
        tracing::error!(%error, "nothing more is read from this log or appended to it");
        self.recent.forget();
        self.set_back.send_replace(Some(state.position));
        error
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// The newest events, in memory.
    pub(crate) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Tells `observer` everything after `after`, then all that follows.
    pub(crate) async fn attach(
        &self,
        after: u64,
        observer: Arc<dyn CommitObserver>,
    ) -> Result<(), DbError> {
        let mut state = self.state.lock().await;
        let mut position = after;
        while position < state.position {
            let wanted = usize::try_from(state.position - position)
                .unwrap_or(STEP)
                .min(STEP);
            let events = read_all(&self.database, position, wanted).await?;
            let Some(last) = events.last() else { break };
            position = last.position;
            observer.committed(&events);
        }
        // So that whatever takes the place of the last event is noticed from the beginning.
        if state.last.is_none() && state.position > 0 {
            let last = read_all(&self.database, state.position - 1, 1).await?;
            state.last = last.first().map(|event| event.event_id);
        }
        state.observers.push(observer);
        Ok(())
    }

    /// Own events. What other nodes wrote before them is read first.
    pub(crate) async fn deliver(&self, events: &[RecordedEvent]) -> Result<(), DbError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(());
        };
        let mut state = self.state.lock().await;
        self.check()?;
        if state.position < first.position {
            self.read_up_to(&mut state, first.position - 1).await?;
        }
        // A read that came between may have told the first of them, or all.
        let told = events.partition_point(|event| event.position <= state.position);
        if !self.recent.agrees(events.get(..told).unwrap_or_default()) {
            return Err(self.is_set_back(&state));
        }
        self.tell(&mut state, events.get(told..).unwrap_or_default());
        self.announce(last.position.max(state.position));
        Ok(())
    }

    /// Reads the head now and tells the observers everything up to it. Callers that come while a read is under way
    /// share the next one.
    pub(crate) async fn catch_up(&self) -> Result<u64, DbError> {
        let arrived = self.started_reads.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        self.check()?;
        if state.completed_read > arrived {
            return Ok(state.position);
        }
        let read = self.started_reads.fetch_add(1, Ordering::SeqCst) + 1;
        let caught_up = self.read_on(&mut state).await;
        if caught_up.is_err() {
            state.is_unsure = true;
            self.recent.forget();
        }
        caught_up?;
        state.completed_read = read;
        self.announce(state.position);
        Ok(state.position)
    }

    /// A position moves only after its commit: a head that is before it has gone back.
    async fn read_on(&self, state: &mut State) -> Result<(), DbError> {
        let head = head(&self.database).await?;
        if head < state.position {
            return Err(self.is_set_back(state));
        }
        self.read_up_to(state, head).await
    }

    /// Each read has the last event that was told before those that follow: it must be the same one.
    async fn read_up_to(&self, state: &mut State, target: u64) -> Result<(), DbError> {
        if state.observers.is_empty() && state.position < target {
            state.position = target;
            state.last = None;
            self.recent.skip_to(state.position);
        }
        while state.position < target || state.is_unsure {
            let events = self.news(state, target).await?;
            if events.is_empty() && state.position < target {
                return Err(DbError::decode("a head beyond its events"));
            }
            state.is_unsure = false;
            self.tell(state, &events);
        }
        Ok(())
    }

    /// The next events up to `target`, after that look.
    async fn news(&self, state: &State, target: u64) -> Result<Vec<RecordedEvent>, DbError> {
        let wanted = usize::try_from(target - state.position).unwrap_or(STEP);
        let wanted = wanted.min(STEP);
        if let Some(last) = state.last {
            let mut events = read_all(&self.database, state.position - 1, wanted + 1).await?;
            if events.first().is_none_or(|event| event.event_id != last) {
                return Err(self.is_set_back(state));
            }
            events.remove(0);
            // The archive may end between them.
            if !events.is_empty() || state.position == target {
                return Ok(events);
            }
        }
        read_all(&self.database, state.position, wanted).await
    }

    fn tell(&self, state: &mut State, events: &[RecordedEvent]) {
        let Some(last) = events.last() else {
            return;
        };
        for observer in &state.observers {
            observer.committed(events);
        }
        state.position = last.position;
        state.last = Some(last.event_id);
        self.recent.push(events);
    }

    fn announce(&self, position: u64) {
        self.head.send_if_modified(|head| {
            let is_news = position > *head;
            *head = position.max(*head);
            is_news
        });
    }
}

/// The position of the last event.
pub(crate) async fn head(database: &Database) -> Result<u64, DbError> {
    let rows = database.query("SELECT position FROM log_head", &[]).await?;
    let row = rows.first().ok_or_else(|| DbError::decode("no head"))?;
    u64::try_from(row.int(0)?).map_err(|_| DbError::decode("a negative position"))
}
