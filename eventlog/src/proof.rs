//! Inclusion and consistency proofs (RFC 9162, section 2.1): which subtrees they name, and whether they hold.
//!
//! Nothing here reads a log, so that whoever verifies needs no more than this.

use crate::merkle::{Hash, node_hash};

/// Leaves `start..end` that make up one node of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: u64,
    pub end: u64,
}

/// A complete subtree of `2^height` leaves, the `index`-th of its height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    pub height: u32,
    pub index: u64,
}

impl Span {
    /// The complete subtrees that the span consists of, from the left.
    pub(crate) fn nodes(self) -> Vec<Node> {
        let mut start = self.start;
        let mut nodes = Vec::new();
        while start < self.end {
            let height = (self.end - start).ilog2();
            let index = start >> height;
            nodes.push(Node { height, index });
            start += 1 << height;
        }
        nodes
    }
}

/// The largest power of two below `width`, which is at least 2.
fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// What the inclusion proof of leaf `index` in a tree of `size` consists of, from the leaf's sibling upwards.
pub(crate) fn inclusion_spans(index: u64, size: u64) -> Option<Vec<Span>> {
    if index >= size {
        return None;
    }
    let (mut start, mut end) = (0, size);
    let mut spans = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            spans.push(Span { start: middle, end });
            end = middle;
        } else {
            spans.push(Span { start, end: middle });
            start = middle;
        }
    }
    spans.reverse();
    Some(spans)
}

/// What the consistency proof between trees of `old` and `new` leaves consists of.
pub(crate) fn consistency_spans(old: u64, new: u64) -> Option<Vec<Span>> {
    if old > new {
        return None;
    }
    let (mut start, mut end) = (0, new);
    let mut spans = Vec::new();
    if old == 0 {
        return Some(spans);
    }
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            spans.push(Span { start: middle, end });
            end = middle;
        } else {
            spans.push(Span { start, end: middle });
            start = middle;
        }
    }
    if start > 0 {
        spans.push(Span { start, end });
    }
    spans.reverse();
    Some(spans)
}

/// Whether `proof` shows that `leaf` is at `index` of the tree with this size and root.
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, root: &Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `old` leaves is the beginning of that of `new` leaves. Every tree follows the
/// empty one.
pub fn verify_consistency(
    (old, old_root): (u64, &Hash),
    (new, new_root): (u64, &Hash),
    proof: &[Hash],
) -> bool {
    if old > new || old == 0 || old == new {
        return proof.is_empty() && (old == 0 && new > 0 || old == new && old_root == new_root);
    }
    let mut rest = proof.iter();
    let first = if old.is_power_of_two() {
        Some(old_root)
    } else {
        rest.next()
    };
    let Some(first) = first else { return false };
    let shift = (old - 1).trailing_ones();
    let (mut at, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small trees")]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::merkle::{leaf_hash, root_of};

    fn leaves(size: u64) -> Vec<Hash> {
        (0..size).map(|n| leaf_hash(&n.to_string())).collect()
    }

    /// RFC 6962's own recursive definitions.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() < 2 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut path, other) = if index < left.len() {
            (naive_path(index, left), right)
        } else {
            (naive_path(index - left.len(), right), left)
        };
        path.push(naive_root(other));
        path
    }

    fn naive_proof(old: usize, leaves: &[Hash], is_whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if is_whole {
                Vec::new()
            } else {
                vec![naive_root(leaves)]
            };
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut proof, other) = if old <= left.len() {
            (naive_proof(old, left, is_whole), right)
        } else {
            (naive_proof(old - left.len(), right, false), left)
        };
        proof.push(naive_root(other));
        proof
    }

    /// A span's hash from its complete subtrees, as it is made of tiles.
    fn hashes(spans: &[Span], leaves: &[Hash]) -> Vec<Hash> {
        let node = |node: Node| {
            let start = (node.index << node.height) as usize;
            root_of(&leaves[start..start + (1 << node.height)])
        };
        let hash = |span: &Span| {
            let nodes = span.nodes().into_iter().map(node).rev();
            nodes
                .reduce(|right, left| node_hash(&left, &right))
                .unwrap()
        };
        spans.iter().map(hash).collect()
    }

    #[test]
    fn every_inclusion_proof_is_that_of_the_definition_and_holds_for_nothing_else() {
        for size in 1..36_u64 {
            let leaves = leaves(size);
            let root = naive_root(&leaves);
            for index in 0..size {
                let proof = hashes(&inclusion_spans(index, size).unwrap(), &leaves);
                assert_eq!(
                    proof,
                    naive_path(index as usize, &leaves),
                    "{index} of {size}"
                );
                for other in 0..size {
                    let leaf = leaves[other as usize];
                    let holds = verify_inclusion(leaf, index, size, &root, &proof);
                    assert_eq!(holds, other == index, "{other} at {index} of {size}");
                }
            }
            assert_eq!(inclusion_spans(size, size), None);
        }
    }

    #[test]
    fn every_consistency_proof_is_that_of_the_definition() {
        for new in 1..36_u64 {
            let leaves = leaves(new);
            let root = naive_root(&leaves);
            for old in 1..=new {
                let old_root = naive_root(&leaves[..old as usize]);
                let proof = hashes(&consistency_spans(old, new).unwrap(), &leaves);
                assert_eq!(
                    proof,
                    naive_proof(old as usize, &leaves, true),
                    "{old} {new}"
                );
                assert!(verify_consistency((old, &old_root), (new, &root), &proof));
                assert!(old == new || !verify_consistency((old, &root), (new, &root), &proof));
                assert!(
                    old == new || !verify_consistency((old, &old_root), (new, &old_root), &proof)
                );
            }
            assert_eq!(consistency_spans(new + 1, new), None);
            assert!(verify_consistency((0, &naive_root(&[])), (new, &root), &[]));
            assert!(!verify_consistency(
                (new, &root),
                (0, &naive_root(&[])),
                &[]
            ));
        }
    }

    proptest! {
        #[test]
        fn a_proof_with_one_changed_bit_does_not_hold(
            (new, old, index) in (2_u64..600).prop_flat_map(|new| (Just(new), 1..new, 0..new)),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let leaves = leaves(new);
            let (root, old_root) = (naive_root(&leaves), naive_root(&leaves[..old as usize]));
            let leaf = leaves[index as usize];
            let mut path = hashes(&inclusion_spans(index, new).unwrap(), &leaves);
            let mut proof = hashes(&consistency_spans(old, new).unwrap(), &leaves);
            prop_assert!(verify_inclusion(leaf, index, new, &root, &path));
            prop_assert!(verify_consistency((old, &old_root), (new, &root), &proof));
            let n = at.index(path.len());
            path[n][0] ^= 1 << bit;
            prop_assert!(!verify_inclusion(leaf, index, new, &root, &path));
            let n = at.index(proof.len());
            proof[n][31] ^= 1 << bit;
            prop_assert!(!verify_consistency((old, &old_root), (new, &root), &proof));
            proof.pop();
            prop_assert!(!verify_consistency((old, &old_root), (new, &root), &proof));
        }
    }
}
