//! The archive: sealed segments of the log in a store of objects, read as the log itself is.
//!
//! Up to the archived position the log is read from segments only, beyond it from the table only. What a segment gives
//! is checked against the hashes that the database recorded when it was sealed: an object that is damaged or missing is
//! an error and never a gap.

mod frame;
mod lock;
mod prune;
mod seal;
mod sweep;

use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lru::LruCache;

pub use lock::ArchiveLock;
pub use prune::{Ending, Pruned};
pub use seal::{ArchiveError, SEGMENT_EVENTS_MAX, Sealed};
pub use sweep::ArchiveSweep;

pub(crate) use frame::ArchivedLine;

use crate::{Database, DbError, Hash, RecordedEvent};
use frame::{FRAME_EVENTS, FrameLines, Segment};

/// Lists of a segment's frames that are kept in memory, of 12 KiB each.
const SEGMENTS_KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);
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
    /// By the position of their last event.
    segments: Mutex<LruCache<u64, Arc<Segment>>>,
    frames: Mutex<LruCache<u64, Arc<FrameLines>>>,
}

impl Archive {
    pub(crate) fn new(store: Arc<dyn SegmentStore>) -> Self {
        Self {
            store,
            known: AtomicU64::new(0),
            segments: Mutex::new(LruCache::new(SEGMENTS_KEPT)),
            frames: Mutex::new(LruCache::new(FRAMES_KEPT)),
        }
    }

    fn of(database: &Database) -> Result<&Arc<Self>, DbError> {
        let none = || DbError::Archive("the log has segments, and their store is not given".into());
        database.archive.as_ref().ok_or_else(none)
    }

    /// The segment that holds an archived position. It never changes.
    async fn segment(&self, database: &Database, position: u64) -> Result<Arc<Segment>, DbError> {
        let kept = |segments: &Mutex<LruCache<u64, Arc<Segment>>>| {
            let mut segments = segments.lock().ok()?;
            let last = segments
                .iter()
                .find_map(|(last, segment)| segment.holds(position).then_some(*last))?;
            segments.get(&last).cloned()
        };
        if let Some(segment) = kept(&self.segments) {
            return Ok(segment);
        }
        let segment = Arc::new(Segment::find(database, position).await?);
        if let Ok(mut segments) = self.segments.lock() {
            segments.put(segment.last, Arc::clone(&segment));
        }
        Ok(segment)
    }

    /// The frame that holds a position.
    async fn frame(&self, database: &Database, position: u64) -> Result<Arc<FrameLines>, DbError> {
        let number = position.saturating_sub(1) / FRAME_EVENTS;
        let kept = |frames: &Mutex<LruCache<_, _>>| frames.lock().ok()?.get(&number).cloned();
        if let Some(frame) = kept(&self.frames) {
            return Ok(frame);
        }
        let segment = self.segment(database, position).await?;
        let place = segment.frame_of(position);
        let frame = segment.frames.get(place);
        let frame = frame.ok_or_else(|| DbError::decode("a broken list of frames"))?;
        let content = self.store.read(&segment.object, frame.bytes.clone()).await;
        let content = content.map_err(|error| segment.damaged(&error.0))?;
        let lines = frame.open(segment.first_of(place), &content);
        let lines = Arc::new(lines.map_err(|why| segment.damaged(why))?);
        if lines.size() <= FRAME_TEXT_KEPT
            && let Ok(mut frames) = self.frames.lock()
        {
            frames.put(number, Arc::clone(&lines));
        }
        Ok(lines)
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

/// Hands over the archived lines after `after`, up to `up_to`, one after the other, until `take` has enough. The position
/// that it has come to.
pub(crate) async fn walk(
    database: &Database,
    after: u64,
    up_to: u64,
    mut take: impl FnMut(ArchivedLine<'_>) -> Result<ControlFlow<()>, DbError>,
) -> Result<u64, DbError> {
    let archive = Archive::of(database)?;
    let end = position(database).await?.min(up_to);
    let mut reached = after;
    while reached < end {
        let frame = archive.frame(database, reached + 1).await?;
        for line in frame.behind(reached) {
            if line.position > end {
                break;
            }
            reached = line.position;
            if take(line)?.is_break() {
                return Ok(reached);
            }
        }
    }
    Ok(reached)
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
    if found.len() >= limit {
        return Ok(after);
    }
    let take = |line: ArchivedLine<'_>| {
        let event = line.event()?;
        if takes(&event) {
            found.push(event);
        }
        Ok(enough(found.len() >= limit))
    };
    walk(database, after, up_to, take).await
}

/// Whether to go on.
pub(crate) fn enough(is_enough: bool) -> ControlFlow<()> {
    if is_enough {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// The archived leaves after `after`, up to `up_to`.
pub(crate) async fn leaves(
    database: &Database,
    after: u64,
    up_to: u64,
) -> Result<Vec<Hash>, DbError> {
    let mut leaves = Vec::new();
    let take = |line: ArchivedLine<'_>| {
        leaves.push(line.leaf_hash);
        Ok(ControlFlow::Continue(()))
    };
    walk(database, after, up_to, take).await?;
    Ok(leaves)
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
    let mark = json_text(aggregate_id);
    let mut events = Vec::new();
    let take = |line: ArchivedLine<'_>| {
        if line.text.contains(&mark) {
            let event = line.event()?;
            if event.aggregate_type == aggregate_type && event.aggregate_id == aggregate_id {
                events.push(event);
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    let (after, up_to) = (ended.first_position.saturating_sub(1), ended.last_position);
    walk(database, after, up_to, take).await?;
    Ok(events)
}

/// A text as a line has it. A line without it need not be read as an event to know that it is not the one.
pub(crate) fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
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
