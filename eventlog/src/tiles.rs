//! The Merkle tree in tiles (C2SP tlog-tiles): 256 hashes each, of which those of level 0 are leaves and each hash of a
//! higher level is the root over a full tile below.

use crate::merkle::{Hash, root_of};

/// Hashes of a full tile.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;
/// Levels of the tree from one tile to the one above.
pub(crate) const TILE_HEIGHT: u32 = 8;

/// A full tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tile {
    pub level: u32,
    pub index: u64,
    pub hashes: Vec<Hash>,
    pub root: Hash,
}

impl Tile {
    pub(crate) fn new(level: u32, index: u64, hashes: Vec<Hash>) -> Self {
        let root = root_of(&hashes);
        Self {
            level,
            index,
            hashes,
            root,
        }
    }
}

/// The tiles at the right edge of the tree, which are not full yet; one for each level, the leaves first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge of a tree of `size` leaves; `None` when the hashes are not as many as its tiles have.
    pub(crate) fn new(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let widths = levels.iter().map(|hashes| hashes.len() as u64);
        let fits = widths.eq(edge_tiles(size).map(|(_, _, width)| width));
        fits.then_some(Self { size, levels })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf, and to `full` each tile that it fills.
    pub(crate) fn push(&mut self, leaf: Hash, full: &mut Vec<Tile>) {
        self.size += 1;
        let (mut level, mut hash) = (0, leaf);
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(row) = self.levels.get_mut(level) else {
                return;
            };
            row.push(hash);
            if row.len() as u64 != TILE_WIDTH {
                return;
            }
            let hashes = std::mem::take(row);
            // A tree has at most eight levels of tiles.
            let height = u32::try_from(level).unwrap_or(u32::MAX);
            let index = (self.size >> (TILE_HEIGHT * (height + 1))) - 1;
            let tile = Tile::new(height, index, hashes);
            hash = tile.root;
            full.push(tile);
            level += 1;
        }
    }
}

/// Level, index and width of the tile at the right edge of each level of a tree of `size` leaves. The width is 0 where
/// the level ends with a full tile.
pub(crate) fn edge_tiles(size: u64) -> impl Iterator<Item = (u32, u64, u64)> {
    let on = move |level: u32| size.checked_shr(TILE_HEIGHT * level).unwrap_or(0);
    (0..8)
        .map(move |level| (level, on(level)))
        .take_while(|(_, hashes)| *hashes > 0)
        .map(|(level, hashes)| (level, hashes / TILE_WIDTH, hashes % TILE_WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;

    #[test]
    fn tiles_come_when_they_are_full_and_higher_ones_hold_the_roots_of_lower_ones() {
        let size = 256 * 256 + 300;
        let leaves: Vec<Hash> = (0..size).map(|n: u64| leaf_hash(&n.to_string())).collect();
        let (mut edge, mut tiles) = (Edge::default(), Vec::new());
        for (n, leaf) in leaves.iter().enumerate() {
            assert_eq!(edge.size(), n as u64);
            edge.push(*leaf, &mut tiles);
        }
        let (upper, lower): (Vec<Tile>, Vec<Tile>) =
            tiles.into_iter().partition(|tile| tile.level > 0);
        assert_eq!((lower.len(), upper.len()), (257, 1));
        for (n, tile) in lower.iter().enumerate() {
            assert_eq!(tile.index, n as u64);
            assert_eq!(tile.hashes, leaves[n * 256..][..256]);
        }
        let roots: Vec<Hash> = lower.iter().map(|tile| tile.root).collect();
        assert_eq!((upper[0].index, upper[0].level), (0, 1));
        assert_eq!(upper[0].hashes, roots[..256]);
        assert_eq!(upper[0].root, root_of(&leaves[..65536]));
        let at_the_edge = vec![
            leaves[257 * 256..].to_vec(),
            vec![roots[256]],
            vec![upper[0].root],
        ];
        assert_eq!(Edge::new(size, at_the_edge.clone()), Some(edge));
        assert_eq!(Edge::new(size + 1, at_the_edge), None);
    }

    #[test]
    fn the_edge_is_as_the_specification_says() {
        let edge = |size| edge_tiles(size).collect::<Vec<_>>();
        assert_eq!(edge(70_000), [(0, 273, 112), (1, 1, 17), (2, 0, 1)]);
        assert_eq!(edge(256), [(0, 1, 0), (1, 0, 1)]);
        assert_eq!(edge(0), []);
        assert_eq!(Edge::new(0, Vec::new()), Some(Edge::default()));
    }
}
