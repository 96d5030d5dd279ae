//! Frames: the 256 events under one node of the tree, their exported lines compressed on their own, so that one of
//! them is read without the others. A segment is its frames one after the other, which any zstd program takes as one file.

use std::io::Read as _;
use std::ops::Range;

use crate::from_line;
use crate::merkle::{Frontier, Hash};
use crate::{Database, DbError, RecordedEvent, cloud_event_line};

/// Events of a frame: the leaves of a full tile.
pub(super) const FRAME_EVENTS: u64 = 256;
/// Bytes of a frame's entry in its segment's list: a length, and a hash.
const ENTRY: usize = 36;
/// zstd's level: a tenth better costs twice the time.
const LEVEL: i32 = 6;
/// The most text of a frame: more is not what was written.
const TEXT_MAX: u64 = 257 * 1024 * 1024;

/// A frame of a segment.
#[derive(Debug)]
pub(super) struct Frame {
    /// Where it stands in its object.
    pub bytes: Range<u64>,
    /// The root of its events' subtree.
    pub root: Hash,
}

/// A frame's bytes and its entry in the list.
pub(super) fn pack(events: &[RecordedEvent]) -> Result<(Vec<u8>, Vec<u8>), DbError> {
    let mut text = String::new();
    let mut tree = Frontier::default();
    for event in events {
        let line = cloud_event_line(event);
        tree.push(crate::leaf_hash(&line));
        text.push_str(&line);
        text.push('\n');
    }
    let packed = zstd::bulk::compress(text.as_bytes(), LEVEL)?;
    let length =
        u32::try_from(packed.len()).map_err(|_| DbError::decode("events that are too large"))?;
    let entry = [length.to_be_bytes().as_slice(), &tree.root()].concat();
    Ok((packed, entry))
}

/// The frames that a segment's list names.
pub(super) fn list(entries: &[u8]) -> Result<Vec<Frame>, DbError> {
    let broken = || DbError::decode("a broken list of frames");
    let (entries, rest) = entries.as_chunks::<ENTRY>();
    if !rest.is_empty() {
        return Err(broken());
    }
    let mut begin = 0_u64;
    let mut frames = Vec::with_capacity(entries.len());
    for entry in entries {
        let (length, root) = entry.split_first_chunk::<4>().ok_or_else(broken)?;
        let end = begin + u64::from(u32::from_be_bytes(*length));
        frames.push(Frame {
            bytes: begin..end,
            root: root.try_into().map_err(|_| broken())?,
        });
        begin = end;
    }
    Ok(frames)
}

/// The frame that holds an archived position, and its segment's object.
pub(super) async fn find(database: &Database, position: u64) -> Result<(String, Frame), DbError> {
    const SQL: &str = "SELECT first_position, object, frames FROM log_segments \
                       WHERE last_position >= $1 ORDER BY last_position LIMIT 1";
    let rows = database.query(SQL, &[position.into()]).await?;
    let none = || DbError::decode("no segment for an archived position");
    let row = rows.first().ok_or_else(none)?;
    let first = u64::try_from(row.int(0)?).map_err(|_| none())?;
    let number = position.checked_sub(first).ok_or_else(none)? / FRAME_EVENTS;
    let number = usize::try_from(number).map_err(|_| none())?;
    let frames = list(&row.bytes(2)?)?;
    let frame = frames.into_iter().nth(number).ok_or_else(none)?;
    Ok((row.text(1)?, frame))
}

impl Frame {
    /// Its events, the first of which has this position, and the size of their text. They are those that were sealed, or
    /// there are none.
    pub(super) fn open(
        &self,
        first: u64,
        content: &[u8],
    ) -> Result<(Vec<RecordedEvent>, usize), &'static str> {
        const DAMAGED: &str = "it does not hold what was sealed";
        let text = unpack(content).ok_or(DAMAGED)?;
        let mut tree = Frontier::default();
        let mut events = Vec::new();
        for (line, position) in text.lines().zip(first..) {
            let event = from_line::read(line).map_err(|_| DAMAGED)?;
            if event.position != position {
                return Err(DAMAGED);
            }
            tree.push(event.leaf_hash);
            events.push(event);
        }
        if tree.size() != FRAME_EVENTS || tree.root() != self.root {
            return Err(DAMAGED);
        }
        Ok((events, text.len()))
    }
}

/// The text of a frame, up to a bound.
fn unpack(content: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut frame = zstd::stream::read::Decoder::with_buffer(content)
        .ok()?
        .single_frame()
        .take(TEXT_MAX);
    frame.read_to_string(&mut text).ok()?;
    Some(text)
}
