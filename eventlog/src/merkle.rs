//! The Merkle tree over the exported lines (RFC 6962, section 2.1): leaf hashes and the frontier, which is all
//! that appending needs.

use sha2::{Digest as _, Sha256};

/// A node of the tree.
pub type Hash = [u8; 32];

/// The hash of a leaf.
pub fn leaf_hash(line: &str) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(line)
        .finalize()
        .into()
}

/// The hash of an inner node.
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root of the tree over these leaves, or of the subtree over these nodes.
pub fn root_of(nodes: &[Hash]) -> Hash {
    let mut tree = Frontier::default();
    for node in nodes {
        tree.push(*node);
    }
    tree.root()
}

/// The roots of the complete subtrees of a tree, from the largest to the smallest: one for each one-bit of its
/// size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// Counts a leaf that has no hash: what is measured without the tree keeps its positions.
    pub(crate) fn grow(&mut self) {
        self.size += 1;
        self.peaks.resize(self.size.count_ones() as usize, [0; 32]);
    }

    /// The tree's root; of the empty tree the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else {
            return Sha256::digest([]).into();
        };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// The peaks, one after the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.concat()
    }

    /// The frontier of a tree of `size` leaves; `None` when the bytes are not one.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (peaks, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && peaks.len() == size.count_ones() as usize;
        fits.then(|| Self {
            size,
            peaks: peaks.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962's own recursive definition.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node_hash(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition_at_every_size() {
        let mut frontier = Frontier::default();
        let mut leaves = Vec::new();
        for n in 0..200 {
            assert_eq!(frontier.root(), naive_root(&leaves), "size {n}");
            let bytes = frontier.to_bytes();
            assert_eq!(Frontier::from_bytes(n, &bytes), Some(frontier.clone()));
            let leaf = leaf_hash(&n.to_string());
            frontier.push(leaf);
            leaves.push(leaf);
        }
        assert_eq!(Frontier::from_bytes(3, &[0; 32]), None);
    }
}
