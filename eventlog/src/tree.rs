//! Reading the Merkle tree: tiles, roots and proofs at any size, from the stored tiles and the leaves behind them.
//!
//! This is the only reader of `log_tiles` and of `events.leaf_hash`, but for the writer, which goes on from them.

use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use crate::filter::position_before;
use crate::merkle::{Hash, node_hash, root_of};
use crate::proof::{Node, Span, consistency_spans, inclusion_spans};
use crate::tiles::{TILE_HEIGHT, TILE_WIDTH, Tile};
use crate::{Database, DbError, Engine, RecordedEvent, Row, Statement, archive};

/// Most commands are appended well within this time of when they were named.
const APPENDED_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// The longest time between the naming of a command and its append: a resumable upload is named when it begins, and may be
/// given so long before it ends.
const NAMED_WITHIN: TimeDelta = TimeDelta::days(31);
/// Positions of one step of looking for such a command.
const LOOK: u64 = 65_536;
/// Tiles of one step of filling in.
const STEP: u64 = 32;

/// The tree; cheap to clone.
#[derive(Debug, Clone)]
pub struct Tree {
    database: Database,
}

/// How many leaves there are, and the root over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Leaves, which is the position of the last event.
    pub size: u64,
    /// The root.
    pub root: Hash,
}

impl Tree {
    /// The tree of a log.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The tree as it is now, as the last append wrote it.
    ///
    /// # Errors
    /// The database failed; likewise below.
    pub async fn head(&self) -> Result<TreeHead, DbError> {
        let (size, root) = self.database.head_and_root().await?;
        Ok(TreeHead { size, root })
    }

    /// The first `width` hashes of a tile, at most [`TILE_WIDTH`]; `None` when the tree has not so many.
    pub async fn tile(
        &self,
        level: u32,
        index: u64,
        width: u64,
    ) -> Result<Option<Vec<Hash>>, DbError> {
        const STORED: &str = "SELECT hashes FROM log_tiles WHERE level = $1 AND tile = $2";
        if width == 0 || width > TILE_WIDTH || index > u64::MAX >> (TILE_HEIGHT + 1) {
            return Ok(None);
        }
        let params = [i64::from(level).into(), index.into()];
        let rows = self.database.query(STORED, &params).await?;
        if let Some(bytes) = rows
            .first()
            .map(|row| row.opt_bytes(0))
            .transpose()?
            .flatten()
        {
            let (hashes, _) = bytes.as_chunks::<32>();
            let wanted = hashes.iter().take(count(width));
            return Ok(Some(wanted.copied().collect()));
        }
        let hashes = self.lower(level, index * TILE_WIDTH, width).await?;
        Ok((hashes.len() as u64 == width).then_some(hashes))
    }

    /// The root of a full tile, without its hashes; `None` when the tree has no such tile.
    pub async fn tile_root(&self, level: u32, index: u64) -> Result<Option<Hash>, DbError> {
        let width = index % TILE_WIDTH + 1;
        let above = self.tile(level + 1, index / TILE_WIDTH, width).await?;
        Ok(above.and_then(|hashes| hashes.last().copied()))
    }

    /// The hashes of a level from `first` on, as the leaves or the tiles below have them; fewer where they end.
    async fn lower(&self, level: u32, first: u64, width: u64) -> Result<Vec<Hash>, DbError> {
        const LEAVES: &str =
            "SELECT leaf_hash FROM events WHERE position > $1 AND position <= $2 ORDER BY position";
        const ROOTS: &str = "SELECT root FROM log_tiles WHERE level = $1 AND tile >= $2 AND tile < $3 ORDER BY tile";
        let end = first + width;
        let rows = match level.checked_sub(1) {
            // Their rows may have gone to the archive, whose lines have the same leaves.
            None if first < archive::position(&self.database).await? => {
                return archive::leaves(&self.database, first, end).await;
            }
            None => {
                self.database
                    .query(LEAVES, &[first.into(), end.into()])
                    .await?
            }
            Some(below) => {
                let params = [i64::from(below).into(), first.into(), end.into()];
                self.database.query(ROOTS, &params).await?
            }
        };
        rows.iter().map(|row| hash(row, 0)).collect()
    }

    /// The root of the tree when it had `size` leaves.
    pub async fn root(&self, size: u64) -> Result<Hash, DbError> {
        if size == 0 {
            return Ok(root_of(&[]));
        }
        self.span(Span {
            start: 0,
            end: size,
        })
        .await
    }

    /// The inclusion proof of leaf `index` in the tree of `size` leaves; `None` when it has no such leaf.
    pub async fn inclusion_proof(
        &self,
        index: u64,
        size: u64,
    ) -> Result<Option<Vec<Hash>>, DbError> {
        self.spans(inclusion_spans(index, size)).await
    }

    /// The consistency proof between the trees of `old` and of `new` leaves; `None` when the old one is the greater.
    pub async fn consistency_proof(
        &self,
        old: u64,
        new: u64,
    ) -> Result<Option<Vec<Hash>>, DbError> {
        self.spans(consistency_spans(old, new)).await
    }

    async fn spans(&self, spans: Option<Vec<Span>>) -> Result<Option<Vec<Hash>>, DbError> {
        let Some(spans) = spans else { return Ok(None) };
        let mut hashes = Vec::with_capacity(spans.len());
        for span in spans {
            hashes.push(self.span(span).await?);
        }
        Ok(Some(hashes))
    }

    async fn span(&self, span: Span) -> Result<Hash, DbError> {
        let mut root = None;
        for node in span.nodes().into_iter().rev() {
            let left = self.node(node).await?;
            root = Some(root.map_or(left, |right| node_hash(&left, &right)));
        }
        Ok(root.unwrap_or_else(|| root_of(&[])))
    }

    /// A complete subtree lies within one tile.
    async fn node(&self, node: Node) -> Result<Hash, DbError> {
        let (level, within) = (node.height / TILE_HEIGHT, node.height % TILE_HEIGHT);
        let first = node.index << within;
        let (tile, offset) = (first / TILE_WIDTH, first % TILE_WIDTH);
        let end = offset + (1 << within);
        let hashes = self.tile(level, tile, end).await?;
        let hashes = hashes.ok_or_else(|| DbError::decode("a tile is missing"))?;
        Ok(root_of(hashes.get(count(offset)..).unwrap_or_default()))
    }

    /// The position of an event.
    pub async fn position_of(&self, event_id: Uuid) -> Result<Option<u64>, DbError> {
        let sql = match self.database.engine() {
            Engine::Sqlite => "SELECT position FROM events WHERE event_id = $1",
            Engine::Postgres => "SELECT position FROM events WHERE event_id = $1::text::uuid",
        };
        let id = event_id.to_string().into();
        let rows = self.database.query(sql, &[id]).await?;
        match rows.first() {
            Some(row) => unsigned(row.int(0)?).map(Some),
            None => self.archived_position_of(event_id).await,
        }
    }

    /// Its stream may have ended and gone to the archive. There it is looked for around the time that its identifier
    /// begins with, and then in what came later.
    async fn archived_position_of(&self, event_id: Uuid) -> Result<Option<u64>, DbError> {
        let archived = archive::position(&self.database).await?;
        let millis = i64::try_from(event_id.as_u128() >> 80).ok();
        let at = millis.and_then(DateTime::from_timestamp_millis);
        let Some(at) = at.filter(|_| archived > 0) else {
            return Ok(None);
        };
        let after = position_before(&self.database, archived, at - APPENDED_WITHIN).await?;
        let up_to = position_before(&self.database, archived, at + APPENDED_WITHIN).await?;
        let is_it = |event: &RecordedEvent| event.event_id == event_id;
        let mut found = Vec::new();
        archive::scan(&self.database, after, up_to, 1, &mut found, is_it).await?;
        let (mut reached, mut last) = (up_to, up_to);
        if found.is_empty() && up_to < archived {
            last = position_before(&self.database, archived, at + NAMED_WITHIN).await?;
        }
        while found.is_empty() && reached < last {
            let end = last.min(reached + LOOK);
            reached = archive::scan(&self.database, reached, end, 1, &mut found, is_it).await?;
        }
        Ok(found.first().map(|event| event.position))
    }

    /// Stores the full tiles that are missing: those of events from before there were tiles. Several processes may do
    /// so at once, and it may be cut off at any point. Gives how many were missing.
    pub async fn fill(&self) -> Result<u64, DbError> {
        let mut filled = 0;
        let size = self.head().await?.size;
        let full = |level: u32| size.checked_shr(TILE_HEIGHT * (level + 1)).unwrap_or(0);
        // Leaves below a tile of the next level may be forgotten.
        let above = self.has_all(1, 0, full(1)).await?;
        let first = if above { full(1) * TILE_WIDTH } else { 0 };
        for (level, first) in (0..8).zip([first, 0, 0, 0, 0, 0, 0, 0]) {
            if !self.has_all(level, first, full(level)).await? {
                filled += self.fill_level(level, first, full(level)).await?;
            }
        }
        Ok(filled)
    }

    /// Whether all of these tiles are stored.
    async fn has_all(&self, level: u32, first: u64, end: u64) -> Result<bool, DbError> {
        const SQL: &str =
            "SELECT COUNT(*) FROM log_tiles WHERE level = $1 AND tile >= $2 AND tile < $3";
        if first >= end {
            return Ok(true);
        }
        let params = [i64::from(level).into(), first.into(), end.into()];
        let rows = self.database.query(SQL, &params).await?;
        let row = rows.first().ok_or_else(|| DbError::decode("no answer"))?;
        Ok(unsigned(row.int(0)?)? == end - first)
    }

    async fn fill_level(&self, level: u32, from: u64, full: u64) -> Result<u64, DbError> {
        let mut filled = 0;
        for first in (from..full).step_by(count(STEP)) {
            let end = full.min(first + STEP);
            let stored = self.stored(level, first, end).await?;
            let mut statements = Vec::new();
            for index in (first..end).filter(|index| !stored.contains(index)) {
                let hashes = self.lower(level, index * TILE_WIDTH, TILE_WIDTH).await?;
                if hashes.len() as u64 != TILE_WIDTH {
                    return Err(DbError::decode("leaves that are missing"));
                }
                statements.push(insert(&Tile::new(level, index, hashes)));
            }
            filled += statements.len() as u64;
            if !statements.is_empty() {
                self.database.execute(statements).await?;
            }
        }
        Ok(filled)
    }

    async fn stored(&self, level: u32, first: u64, end: u64) -> Result<Vec<u64>, DbError> {
        const SQL: &str = "SELECT tile FROM log_tiles WHERE level = $1 AND tile >= $2 AND tile < $3 ORDER BY tile";
        let params = [i64::from(level).into(), first.into(), end.into()];
        let rows = self.database.query(SQL, &params).await?;
        rows.iter().map(|row| unsigned(row.int(0)?)).collect()
    }
}

fn insert(tile: &Tile) -> Statement {
    const SQL: &str = "INSERT INTO log_tiles (level, tile, root, hashes) VALUES ($1, $2, $3, $4) \
                       ON CONFLICT (level, tile) DO NOTHING";
    let params = vec![
        i64::from(tile.level).into(),
        tile.index.into(),
        tile.root.to_vec().into(),
        tile.hashes.concat().into(),
    ];
    (SQL.to_owned(), params)
}

fn hash(row: &Row, column: usize) -> Result<Hash, DbError> {
    let bytes = row.bytes(column)?.try_into();
    bytes.map_err(|_| DbError::decode("a hash that is none"))
}

fn unsigned(number: i64) -> Result<u64, DbError> {
    u64::try_from(number).map_err(|_| DbError::decode("a negative number"))
}

/// At most a few hundred.
fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
