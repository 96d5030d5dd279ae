//! A way through the whole archive, for who looks there for what no index knows: each byte of an object is read once, a
//! MiB at a time, and nothing of it takes the place of what others read often.

use std::ops::Range;
use std::sync::Arc;

use super::frame::{FRAME_EVENTS, Segment};
use super::{Archive, position};
use crate::{Database, DbError, RecordedEvent};

/// Bytes of one read of an object: as many frames as fit, and one at the least.
const RUN_BYTES: u64 = 1024 * 1024;

/// The way. It ends with the archive, and goes on when that has grown.
#[derive(Debug)]
pub struct ArchiveSweep {
    database: Database,
    reached: u64,
    run: Option<Run>,
}

/// Frames of a segment that were read at once.
#[derive(Debug)]
struct Run {
    segment: Arc<Segment>,
    /// Those that have not been opened yet.
    left: Range<usize>,
    /// Where the content begins in the object.
    begin: u64,
    content: Vec<u8>,
}

impl ArchiveSweep {
    /// A way that begins behind a position.
    pub fn new(database: &Database, after: u64) -> Self {
        Self {
            database: database.clone(),
            reached: after,
            run: None,
        }
    }

    /// How far it has come.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// Passes over everything up to a position.
    pub fn pass(&mut self, up_to: u64) {
        if up_to > self.reached {
            self.reached = up_to;
            self.run = None;
        }
    }

    /// Of the next frame, some hundred events, those in whose lines a text stands that JSON has no other form of, such
    /// as an identifier; nothing at the end of the archive. May be dropped at any point.
    ///
    /// # Errors
    /// The database or the store failed, or a segment does not hold what was sealed.
    pub async fn next(&mut self, text: &str) -> Result<Option<Vec<RecordedEvent>>, DbError> {
        let has_more = self.run.as_ref().is_some_and(|run| !run.left.is_empty());
        if !has_more {
            self.run = None;
            if position(&self.database).await? <= self.reached {
                return Ok(None);
            }
            self.run = Some(Run::read(&self.database, self.reached + 1).await?);
        }
        // Between two reads nothing is waited for, and others have their turn.
        tokio::task::yield_now().await;
        let Some(run) = &mut self.run else {
            return Ok(None);
        };
        let mut found = Vec::new();
        self.reached = run.open_next(self.reached, text, &mut found)?;
        Ok(Some(found))
    }
}

impl Run {
    /// From the frame that holds an archived position.
    async fn read(database: &Database, position: u64) -> Result<Self, DbError> {
        let archive = Archive::of(database)?;
        let segment = archive.segment(database, position).await?;
        let first = segment.frame_of(position);
        let frames = segment.frames.get(first..).unwrap_or_default();
        let begin = frames.first().map_or(0, |frame| frame.bytes.start);
        let fits = |end: u64| end - begin <= RUN_BYTES;
        let many = frames.iter().take_while(|frame| fits(frame.bytes.end));
        let left = first..first + many.count().max(1);
        let last = segment.frames.get(left.end - 1);
        let last = last.ok_or_else(|| DbError::decode("a broken list of frames"))?;
        let bytes = begin..last.bytes.end;
        let content = archive.store.read(&segment.object, bytes).await;
        Ok(Self {
            content: content.map_err(|error| segment.damaged(&error.0))?,
            segment,
            left,
            begin,
        })
    }

    /// Appends to `found` what the next frame has behind a position; the position of its last event.
    fn open_next(
        &mut self,
        after: u64,
        text: &str,
        found: &mut Vec<RecordedEvent>,
    ) -> Result<u64, DbError> {
        let broken = || self.segment.damaged("it is cut off");
        let number = self.left.start;
        let frame = self.segment.frames.get(number).ok_or_else(broken)?;
        let within = |at: u64| usize::try_from(at - self.begin).unwrap_or(usize::MAX);
        let bytes = within(frame.bytes.start)..within(frame.bytes.end);
        let content = self.content.get(bytes).ok_or_else(broken)?;
        let first = self.segment.first_of(number);
        let lines = frame.open(first, content);
        let lines = lines.map_err(|why| self.segment.damaged(why))?;
        for line in lines.behind(after) {
            if line.text.contains(text) {
                found.push(line.event()?);
            }
        }
        self.left.start += 1;
        Ok(first + FRAME_EVENTS - 1)
    }
}
