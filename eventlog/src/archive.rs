//! The archive: sealed segments of the log in a store of objects, read as the log itself is.
//!
//! Up to the archived position the log is read from segments only, beyond it from the table only. What a segment gives
//! is checked against the hashes that the database recorded when it was sealed: an object that is damaged or missing is
//! an error and never a gap.

mod frame;
mod lock;
mod prune;
mod seal;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lru::LruCache;

pub use lock::ArchiveLock;
pub use prune::{Ending, Pruned};
pub use seal::{ArchiveError, SEGMENT_EVENTS_MAX, Sealed};

use crate::{Database, DbError, RecordedEvent};
use frame::FRAME_EVENTS;

/// Frames that are kept in memory, and the most text of one that is kept: 256 events each.
const FRAMES_KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(31);
const FRAME_TEXT_KEPT: usize = 2 * 1024 * 1024;

/// An object could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SegmentError(pub String);

/// Where segments are kept.
#[async_trait]
pub trait SegmentStore: Send + Sync + std::fmt::Debug {
    /// Writes an object whole or not at all; one of the same name gives way to it.
    async fn write(&self, object: &str, content: Vec<u8>) -> Result<(), SegmentError>;

    /// These bytes of an object.
    async fn read(&self, object: &str, range: Range<u64>) -> Result<Vec<u8>, SegmentError>;
}

/// The archive of one database.
#[derive(Debug)]
pub(crate) struct Archive {
    store: Arc<dyn SegmentStore>,
    /// As far as is known. It only grows, and what it says stays true.
    known: AtomicU64,
    frames: Mutex<LruCache<u64, Arc<Vec<RecordedEvent>>>>,
}

impl Archive {
    pub(crate) fn new(store: Arc<dyn SegmentStore>) -> Self {
        Self {
            store,
            known: AtomicU64::new(0),
            frames: Mutex::new(LruCache::new(FRAMES_KEPT)),
        }
    }

    /// The frame that holds a position.
    async fn frame(
        &self,
        database: &Database,
        position: u64,
    ) -> Result<Arc<Vec<RecordedEvent>>, DbError> {
        let number = position.saturating_sub(1) / FRAME_EVENTS;
        let kept = |frames: &Mutex<LruCache<_, _>>| frames.lock().ok()?.get(&number).cloned();
        if let Some(frame) = kept(&self.frames) {
            return Ok(frame);
        }
        let (object, frame) = frame::find(database, position).await?;
        let damaged = |why: &str| DbError::Archive(format!("the segment {object}: {why}"));
        let content = self.store.read(&object, frame.bytes.clone()).await;
        let content = content.map_err(|error| damaged(&error.0))?;
        let first = number * FRAME_EVENTS + 1;
        let (events, text) = frame.open(first, &content).map_err(damaged)?;
        let events = Arc::new(events);
        if text <= FRAME_TEXT_KEPT
            && let Ok(mut frames) = self.frames.lock()
        {
            frames.put(number, Arc::clone(&events));
        }
        Ok(events)
    }
}

/// The archived position, as far as this process knows it.
pub(crate) fn known_position(database: &Database) -> u64 {
    let archive = database.archive.as_ref();
    archive.map_or(0, |archive| archive.known.load(Ordering::SeqCst))
}

impl Database {
    /// The position of the last event in the archive; 0 when there is none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn archived_position(&self) -> Result<u64, DbError> {
        position(self).await
    }
}

/// The position of the last event in the archive; 0 when there is none.
pub(crate) async fn position(database: &Database) -> Result<u64, DbError> {
    const SQL: &str = "SELECT COALESCE(MAX(last_position), 0) FROM log_segments";
    let rows = database.query(SQL, &[]).await?;
    let row = rows.first().ok_or_else(|| DbError::decode("no answer"))?;
    let position =
        u64::try_from(row.int(0)?).map_err(|_| DbError::decode("a negative position"))?;
    if let Some(archive) = &database.archive {
        archive.known.fetch_max(position, Ordering::SeqCst);
    }
    Ok(position)
}

/// Appends to `found` the archived events after `after`, up to `up_to`, that `takes` takes, until it has `limit`. The
/// position that it has come to.
pub(crate) async fn scan(
    database: &Database,
    after: u64,
    up_to: u64,
    limit: usize,
    found: &mut Vec<RecordedEvent>,
    takes: impl Fn(&RecordedEvent) -> bool,
) -> Result<u64, DbError> {
    let archive = database.archive.as_ref().ok_or_else(|| {
        DbError::Archive("the log has segments, and their store is not given".to_owned())
    })?;
    let end = position(database).await?.min(up_to);
    let mut reached = after;
    while reached < end && found.len() < limit {
        let frame = archive.frame(database, reached + 1).await?;
        for event in frame.iter() {
            if event.position <= reached || event.position > end {
                continue;
            }
            if found.len() == limit {
                break;
            }
            if takes(event) {
                found.push(event.clone());
            }
            reached = event.position;
        }
    }
    Ok(reached)
}

/// A stream whose events went to the archive: which is the last of them, and where its first and last stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndedStream {
    pub version: u64,
    pub first_position: u64,
    pub last_position: u64,
}

/// The stream's summary, if its events went to the archive.
pub(crate) async fn ended_stream(
    database: &Database,
    aggregate_type: &str,
    aggregate_id: &str,
) -> Result<Option<EndedStream>, DbError> {
    const SQL: &str = "SELECT version, first_position, last_position FROM log_ended_streams \
                       WHERE aggregate_type = $1 AND aggregate_id = $2";
    let params = [aggregate_type.into(), aggregate_id.into()];
    let rows = database.query(SQL, &params).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let number =
        |index| u64::try_from(row.int(index)?).map_err(|_| DbError::decode("a negative number"));
    Ok(Some(EndedStream {
        version: number(0)?,
        first_position: number(1)?,
        last_position: number(2)?,
    }))
}

/// Every archived event of a stream.
pub(crate) async fn whole_stream(
    database: &Database,
    aggregate_type: &str,
    aggregate_id: &str,
    ended: EndedStream,
) -> Result<Vec<RecordedEvent>, DbError> {
    let mut events = Vec::new();
    let takes = |event: &RecordedEvent| {
        event.aggregate_type == aggregate_type && event.aggregate_id == aggregate_id
    };
    let (after, up_to) = (ended.first_position.saturating_sub(1), ended.last_position);
    scan(database, after, up_to, usize::MAX, &mut events, takes).await?;
    Ok(events)
}

/// The first and the last archived event of a stream, which say as much of an ended one as all of them.
pub(crate) async fn first_and_last(
    database: &Database,
    ended: EndedStream,
) -> Result<Vec<RecordedEvent>, DbError> {
    let mut events = Vec::new();
    let mut places = vec![ended.first_position, ended.last_position];
    places.dedup();
    for place in places {
        let limit = events.len() + 1;
        scan(database, place - 1, place, limit, &mut events, |_| true).await?;
    }
    Ok(events)
}
