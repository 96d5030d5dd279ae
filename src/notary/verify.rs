//! Verifying without the server: lines, a checkpoint and a public key are all that it takes.

use eventlog::{Frontier, TreeHead, leaf_hash};

/// Why a log is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// The checkpoint's tree is smaller than one that was verified before.
    #[error("the log was set back: its checkpoint has {size} events, an earlier one had {older}")]
    SetBack {
        /// Events by now.
        size: u64,
        /// Events of the earlier checkpoint.
        older: u64,
    },
    /// There are too few lines.
    #[error("there are {0} lines, fewer than the checkpoint has events")]
    TooShort(u64),
    /// The lines are not those that were signed.
    #[error("the first {0} lines are not those that the checkpoint was signed over")]
    Differs(u64),
    /// The lines are not those that an earlier checkpoint was signed over.
    #[error("the first {0} lines are not those of the earlier checkpoint: the log was forked")]
    Forked(u64),
}

/// Takes a log's lines one by one and says whether they are those of its checkpoints.
#[derive(Debug)]
pub struct Verifier {
    tree: Frontier,
    checkpoint: TreeHead,
    older: Option<TreeHead>,
}

impl Verifier {
    /// A verifier of lines against a checkpoint, and an older one of the same log.
    ///
    /// # Errors
    /// The older one is the greater, or another of the same size.
    pub fn new(checkpoint: TreeHead, older: Option<TreeHead>) -> Result<Self, Refusal> {
        if let Some(older) = older.filter(|older| older.size > checkpoint.size) {
            return Err(Refusal::SetBack {
                size: checkpoint.size,
                older: older.size,
            });
        }
        let mut verifier = Self {
            tree: Frontier::default(),
            checkpoint,
            older,
        };
        verifier.look_back()?;
        Ok(verifier)
    }

    /// Whether lines are still wanted: what comes after the checkpoint's tree says nothing.
    pub fn wants_more(&self) -> bool {
        self.tree.size() < self.checkpoint.size
    }

    /// Takes the next line, without its end.
    ///
    /// # Errors
    /// With it, the lines are not those of the older checkpoint.
    pub fn line(&mut self, line: &str) -> Result<(), Refusal> {
        self.tree.push(leaf_hash(line));
        self.look_back()
    }

    fn look_back(&mut self) -> Result<(), Refusal> {
        match self.older {
            Some(older) if older.size == self.tree.size() && older.root != self.tree.root() => {
                Err(Refusal::Forked(older.size))
            }
            _ => Ok(()),
        }
    }

    /// Whether all the lines were those of the checkpoint.
    ///
    /// # Errors
    /// They were not.
    pub fn finish(self) -> Result<(), Refusal> {
        if self.wants_more() {
            return Err(Refusal::TooShort(self.tree.size()));
        }
        if self.tree.root() != self.checkpoint.root {
            return Err(Refusal::Differs(self.checkpoint.size));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[&str]) -> TreeHead {
        let mut tree = Frontier::default();
        for line in lines {
            tree.push(leaf_hash(line));
        }
        TreeHead {
            size: tree.size(),
            root: tree.root(),
        }
    }

    fn verify(
        lines: &[&str],
        checkpoint: TreeHead,
        older: Option<TreeHead>,
    ) -> Result<(), Refusal> {
        let mut verifier = Verifier::new(checkpoint, older)?;
        for line in lines {
            if verifier.wants_more() {
                verifier.line(line)?;
            }
        }
        verifier.finish()
    }

    #[test]
    fn the_lines_that_were_signed_are_taken_and_no_others() {
        let good = ["a", "b", "c", "d"];
        let (now, then) = (head(&good), head(&good[..2]));
        assert_eq!(verify(&good, now, None), Ok(()));
        assert_eq!(verify(&good, now, Some(then)), Ok(()));
        assert_eq!(verify(&good, now, Some(now)), Ok(()));
        assert_eq!(verify(&["a", "b", "c", "d", "e"], now, Some(then)), Ok(()));
        assert_eq!(
            verify(&["a", "x", "c", "d"], now, None),
            Err(Refusal::Differs(4))
        );
        assert_eq!(
            verify(&["a", "c", "b", "d"], now, None),
            Err(Refusal::Differs(4))
        );
        assert_eq!(
            verify(&["a", "b", "d"], now, None),
            Err(Refusal::TooShort(3))
        );
        let fork = ["a", "x", "c", "d"];
        assert_eq!(
            verify(&fork, head(&fork), Some(then)),
            Err(Refusal::Forked(2))
        );
        let back = Refusal::SetBack { size: 2, older: 4 };
        assert_eq!(verify(&good[..2], then, Some(now)), Err(back));
    }
}
