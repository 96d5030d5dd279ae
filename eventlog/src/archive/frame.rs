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

/// A segment, as the database has it.
#[derive(Debug)]
pub(super) struct Segment {
    /// The position of its first event.
    pub first: u64,
    /// The position of its last event.
    pub last: u64,
    /// The object's name.
    pub object: String,
    /// In the order of the log.
    pub frames: Vec<Frame>,
}

impl Segment {
    /// The one that holds an archived position.
    pub(super) async fn find(database: &Database, position: u64) -> Result<Self, DbError> {
        const SQL: &str = "SELECT first_position, last_position, object, frames FROM log_segments \
                           WHERE last_position >= $1 ORDER BY last_position LIMIT 1";
        let rows = database.query(SQL, &[position.into()]).await?;
        let none = || DbError::decode("no segment for an archived position");
        let row = rows.first().ok_or_else(none)?;
        let number = |index| u64::try_from(row.int(index)?).map_err(|_| none());
        let segment = Self {
            first: number(0)?,
            last: number(1)?,
            object: row.text(2)?,
            frames: list(&row.bytes(3)?)?,
        };
        if segment.holds(position) {
            Ok(segment)
        } else {
            Err(none())
        }
    }

    pub(super) fn holds(&self, position: u64) -> bool {
        (self.first..=self.last).contains(&position)
    }

    /// The number of the frame that holds a position.
    pub(super) fn frame_of(&self, position: u64) -> usize {
        let number = position.saturating_sub(self.first) / FRAME_EVENTS;
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    /// The position of the first event of a frame.
    pub(super) fn first_of(&self, frame: usize) -> u64 {
        self.first + frame as u64 * FRAME_EVENTS
    }

    /// What an object's content is when it is not this one's.
    pub(super) fn damaged(&self, why: &str) -> DbError {
        DbError::Archive(format!("the segment {}: {why}", self.object))
    }
}

/// The lines of a frame: byte for byte those that were sealed, which are those that an export writes.
#[derive(Debug)]
pub(super) struct FrameLines {
    first: u64,
    text: String,
    /// Where each line begins in the text, and its leaf.
    leaves: Vec<(usize, Hash)>,
}

/// A line of the archive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArchivedLine<'a> {
    pub position: u64,
    /// With its line end.
    pub text: &'a str,
    pub leaf_hash: Hash,
}

impl ArchivedLine<'_> {
    /// The event that the line was made of.
    pub(crate) fn event(&self) -> Result<RecordedEvent, DbError> {
        let event = from_line::read_as(self.text.trim_end_matches('\n'), self.leaf_hash);
        let event = event.ok().filter(|event| event.position == self.position);
        event.ok_or_else(|| DbError::Archive("a sealed line is not an exported one".to_owned()))
    }
}

impl Frame {
    /// Its lines, the first of which has this position. They are those that were sealed, or there are none.
    pub(super) fn open(&self, first: u64, content: &[u8]) -> Result<FrameLines, &'static str> {
        const DAMAGED: &str = "it does not hold what was sealed";
        let text = unpack(content).ok_or(DAMAGED)?;
        let mut tree = Frontier::default();
        let (mut begin, mut leaves) = (0, Vec::new());
        for line in text.split_inclusive('\n') {
            let leaf = crate::leaf_hash(line.strip_suffix('\n').ok_or(DAMAGED)?);
            tree.push(leaf);
            leaves.push((begin, leaf));
            begin += line.len();
        }
        if tree.size() != FRAME_EVENTS || tree.root() != self.root {
            return Err(DAMAGED);
        }
        Ok(FrameLines {
            first,
            text,
            leaves,
        })
    }
}

impl FrameLines {
    /// Bytes of the text.
    pub(super) fn size(&self) -> usize {
        self.text.len()
    }

    /// The lines behind a position.
    pub(super) fn behind(&self, position: u64) -> impl Iterator<Item = ArchivedLine<'_>> {
        let passed = (position + 1).saturating_sub(self.first);
        let passed = usize::try_from(passed).unwrap_or(usize::MAX);
        let lines = self
            .leaves
            .iter()
            .zip(self.first..)
            .enumerate()
            .skip(passed);
        lines.map(move |(number, (&(begin, leaf_hash), position))| {
            let end = self.leaves.get(number + 1).map(|next| next.0);
            let line = begin..end.unwrap_or(self.text.len());
            ArchivedLine {
                position,
                text: self.text.get(line).unwrap_or_default(),
                leaf_hash,
            }
        })
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn events() -> Vec<RecordedEvent> {
        let event = |position| RecordedEvent {
            position,
            event_id: Uuid::from_u128(position.into()),
            recorded_at: DateTime::UNIX_EPOCH,
            aggregate_type: "thing".to_owned(),
            aggregate_id: "a".to_owned(),
            sequence: position,
            event_type: "Happened".to_owned(),
            event_version: "1.0".to_owned(),
            payload: "{\"Happened\":{\"text\":\"\\u0041\\r\\n\"}}".to_owned(),
            metadata: "{}".to_owned(),
            leaf_hash: [0; 32],
        };
        let with_leaf = |event: RecordedEvent| RecordedEvent {
            leaf_hash: crate::leaf_hash(&cloud_event_line(&event)),
            ..event
        };
        (257..513).map(event).map(with_leaf).collect()
    }

    #[test]
    fn a_frame_gives_the_bytes_that_were_sealed_or_nothing() {
        let events = events();
        let (packed, entry) = pack(&events).unwrap();
        let frame = list(&entry).unwrap().remove(0);
        let lines = frame.open(257, &packed).unwrap();
        let text: String = lines.behind(0).map(|line| line.text).collect();
        assert_eq!(text.into_bytes(), zstd::decode_all(&*packed).unwrap());
        for after in [0, 256, 257, 400, 511, 512, 513] {
            let read: Result<Vec<_>, _> = lines.behind(after).map(|line| line.event()).collect();
            let behind = events.iter().filter(|event| event.position > after);
            assert_eq!(read.unwrap(), behind.cloned().collect::<Vec<_>>());
        }
        let wrong_place = frame.open(1, &packed).unwrap();
        assert!(wrong_place.behind(0).all(|line| line.event().is_err()));
    }

    /// Also what differs in white space only, which a reader of lines would not see.
    #[test]
    fn a_frame_of_other_bytes_is_refused() {
        let (packed, entry) = pack(&events()).unwrap();
        let frame = list(&entry).unwrap().remove(0);
        let good = String::from_utf8(zstd::decode_all(&*packed).unwrap()).unwrap();
        let repack = |text: &str| zstd::bulk::compress(text.as_bytes(), LEVEL).unwrap();
        assert!(frame.open(257, &repack(&good)).is_ok());
        let (first, rest) = good.split_once('\n').unwrap();
        for bad in [
            good.replace('\n', "\r\n"),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!("\n{good}"),
            format!("{good}{first}\n"),
            rest.to_owned(),
            format!("{rest}{first}\n"),
            good.replacen("Happened", "Happenet", 1),
            good.replacen("\\u0041", "A", 1),
            String::new(),
        ] {
            assert!(frame.open(257, &repack(&bad)).is_err(), "{bad:.300}");
        }
        assert!(frame.open(257, good.as_bytes()).is_err());
        assert!(frame.open(257, &packed[..packed.len() - 1]).is_err());
    }
}
