//! Sealing: a part of the log becomes an object, is read back, and is recorded. A crash between any two steps leaves at
//! most an object that nothing refers to; the next run writes it again.

use std::fmt::Write as _;

use crate::merkle::{Frontier, Hash};
use crate::{Database, DbError, RecordedEvent, Value};

use super::frame::{self, FRAME_EVENTS};
use super::{Archive, SegmentError, position};

/// Events of a segment at most; one never reaches over a multiple of it.
pub const SEGMENT_EVENTS_MAX: u64 = 65_536;
/// Bytes of a segment after which no further frame is put into it: it is made in memory.
const SEGMENT_BYTES: usize = 32 * 1024 * 1024;
/// Leaf hashes of one read.
const STEP: i64 = 10_000;

/// Why nothing more was archived. What was sealed before stays sealed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The store failed.
    #[error("the archive's store: {0}")]
    Store(#[from] SegmentError),
    /// The database was opened without a store.
    #[error("no store for segments is given")]
    NoStore,
    /// What the table holds is not what its tree says.
    #[error("the log does not have the root that its head tells: nothing was archived")]
    WrongRoot,
    /// The store gave back something else than it was given.
    #[error("the segment {0} could not be read back as it was written")]
    NotReadBack(String),
}

/// A segment that was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The position of its first event.
    pub first_position: u64,
    /// The position of its last event.
    pub last_position: u64,
    /// The object's name.
    pub object: String,
    /// The object's size.
    pub bytes: u64,
}

/// The tree at the end of the archive.
async fn archived_tree(database: &Database) -> Result<Frontier, DbError> {
    const SQL: &str =
        "SELECT last_position, frontier FROM log_segments ORDER BY last_position DESC LIMIT 1";
    let rows = database.query(SQL, &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(Frontier::default());
    };
    let size = u64::try_from(row.int(0)?).unwrap_or_default();
    Frontier::from_bytes(size, &row.bytes(1)?).ok_or_else(|| DbError::decode("a broken frontier"))
}

impl Database {
    /// Holds the tree of the archive and the leaves in the table against the root of the head.
    ///
    /// # Errors
    /// They do not give that root, or the database failed.
    pub async fn check_root(&self) -> Result<(), ArchiveError> {
        const HEAD: &str = "SELECT position, root FROM log_head";
        const LEAVES: &str = "SELECT position, leaf_hash FROM events \
                              WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3";
        let mut tree = archived_tree(self).await?;
        let rows = self.query(HEAD, &[]).await?;
        let head = rows.first().ok_or_else(|| DbError::decode("no head"))?;
        let end = u64::try_from(head.int(0)?).unwrap_or_default();
        while tree.size() < end {
            let params = [tree.size().into(), end.into(), STEP.into()];
            let leaves = self.query(LEAVES, &params).await?;
            if leaves.is_empty() {
                return Err(ArchiveError::WrongRoot);
            }
            for row in leaves {
                let hash: Hash = row
                    .bytes(1)?
                    .try_into()
                    .map_err(|_| DbError::decode("a leaf hash that is none"))?;
                if u64::try_from(row.int(0)?).ok() != Some(tree.size() + 1) {
                    return Err(ArchiveError::WrongRoot);
                }
                tree.push(hash);
            }
        }
        if tree.size() == end && tree.root().as_slice() == head.bytes(1)? {
            Ok(())
        } else {
            Err(ArchiveError::WrongRoot)
        }
    }

    /// Seals the next segment, if there are whole frames of events up to `up_to` beyond the archive's end. Only under
    /// [`super::ArchiveLock`], and after [`Self::check_root`].
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub async fn seal_segment(&self, up_to: u64) -> Result<Option<Sealed>, ArchiveError> {
        let archive = self.archive.as_ref().ok_or(ArchiveError::NoStore)?;
        let mut tree = archived_tree(self).await?;
        let first = tree.size() + 1;
        let up_to = up_to.min(crate::feed::head(self).await?);
        let end = up_to.min((tree.size() / SEGMENT_EVENTS_MAX + 1) * SEGMENT_EVENTS_MAX);
        let end = end - end % FRAME_EVENTS;
        let (mut content, mut entries, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
        while tree.size() < end && content.len() < SEGMENT_BYTES {
            let events = next_frame(self, tree.size()).await?;
            let (packed, entry) = frame::pack(&events)?;
            content.extend(packed);
            entries.extend(entry);
            for event in events {
                tree.push(event.leaf_hash);
                leaves.push(event.leaf_hash);
            }
        }
        if content.is_empty() {
            return Ok(None);
        }
        let sealed = Sealed {
            first_position: first,
            last_position: tree.size(),
            object: object(first, &tree),
            bytes: content.len() as u64,
        };
        archive.store.write(&sealed.object, content).await?;
        read_back(archive, &sealed, &entries, &leaves).await?;
        record(self, &sealed, entries, &tree).await?;
        position(self).await?;
        Ok(Some(sealed))
    }
}

fn object(first: u64, tree: &Frontier) -> String {
    let mut name = format!("log/{first:020}-{:020}-", tree.size());
    for byte in tree.root() {
        let _ = write!(name, "{byte:02x}");
    }
    name + ".ndjson.zst"
}

/// The next 256 events, as they stand in the table.
async fn next_frame(database: &Database, after: u64) -> Result<Vec<RecordedEvent>, ArchiveError> {
    let frame = usize::try_from(FRAME_EVENTS).unwrap_or_default();
    let events = crate::repository::read_table(database, after, frame).await?;
    let is_dense = events
        .iter()
        .zip(after + 1..)
        .all(|(event, position)| event.position == position);
    if events.len() == frame && is_dense {
        Ok(events)
    } else {
        Err(ArchiveError::WrongRoot)
    }
}

/// Reads the object frame by frame and compares each leaf with the table's.
async fn read_back(
    archive: &Archive,
    sealed: &Sealed,
    entries: &[u8],
    leaves: &[Hash],
) -> Result<(), ArchiveError> {
    let wrong = || ArchiveError::NotReadBack(sealed.object.clone());
    let mut leaves = leaves.iter();
    for (frame, n) in frame::list(entries)?.into_iter().zip(0..) {
        let content = archive
            .store
            .read(&sealed.object, frame.bytes.clone())
            .await?;
        let first = sealed.first_position + n * FRAME_EVENTS;
        let lines = frame.open(first, &content).map_err(|_| wrong())?;
        for line in lines.behind(first - 1) {
            if leaves.next() != Some(&line.leaf_hash) || line.event().is_err() {
                return Err(wrong());
            }
        }
    }
    match leaves.next() {
        None => Ok(()),
        Some(_) => Err(wrong()),
    }
}

async fn record(
    database: &Database,
    sealed: &Sealed,
    entries: Vec<u8>,
    tree: &Frontier,
) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO log_segments \
        (last_position, first_position, object, bytes, frames, frontier, root) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let params: Vec<Value> = vec![
        sealed.last_position.into(),
        sealed.first_position.into(),
        sealed.object.as_str().into(),
        sealed.bytes.into(),
        entries.into(),
        tree.to_bytes().into(),
        tree.root().to_vec().into(),
    ];
    database.execute(vec![(SQL.to_owned(), params)]).await?;
    Ok(())
}
