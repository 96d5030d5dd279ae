//! The feed: every committed event, once and in order, to this node's observers and to whoever waits for the head.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, watch};

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
        }
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
        state.observers.push(observer);
        Ok(())
    }

    /// Own events. What other nodes wrote before them is read first.
    pub(crate) async fn deliver(&self, events: &[RecordedEvent]) -> Result<(), DbError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(());
        };
        let mut state = self.state.lock().await;
        if state.position + 1 < first.position {
            self.read_up_to(&mut state, first.position - 1).await?;
        }
        // A read that came between may have told the first of them, or all.
        let told = events.partition_point(|event| event.position <= state.position);
        self.tell(&mut state, events.get(told..).unwrap_or_default());
        self.announce(last.position.max(state.position));
        Ok(())
    }

    /// Reads the head now and tells the observers everything up to it. Callers that come while a read is under way
    /// share the next one.
    pub(crate) async fn catch_up(&self) -> Result<u64, DbError> {
        let arrived = self.started_reads.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        if state.completed_read > arrived {
            return Ok(state.position);
        }
        let read = self.started_reads.fetch_add(1, Ordering::SeqCst) + 1;
        let head = head(&self.database).await?;
        self.read_up_to(&mut state, head).await?;
        state.completed_read = read;
        self.announce(state.position);
        Ok(state.position)
    }

    async fn read_up_to(&self, state: &mut State, target: u64) -> Result<(), DbError> {
        if state.observers.is_empty() {
            state.position = state.position.max(target);
            self.recent.skip_to(state.position);
        }
        while state.position < target {
            let wanted = usize::try_from(target - state.position)
                .unwrap_or(STEP)
                .min(STEP);
            let events = read_all(&self.database, state.position, wanted).await?;
            if events.is_empty() {
                return Err(DbError::decode("a head beyond its events"));
            }
            self.tell(state, &events);
        }
        Ok(())
    }

    fn tell(&self, state: &mut State, events: &[RecordedEvent]) {
        let Some(last) = events.last() else {
            return;
        };
        for observer in &state.observers {
            observer.committed(events);
        }
        state.position = last.position;
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
