//! Checkpoints (C2SP tlog-checkpoint) and proofs (C2SP tlog-proof) as texts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eventlog::{Hash, TreeHead};

use super::note::{Note, VerifierKey};

/// The first line of a proof.
const PROOF: &str = "c2sp.org/tlog-proof@v1";

/// Which log, and its tree at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: String,
    /// Its tree.
    pub tree: TreeHead,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let root = STANDARD.encode(self.tree.root);
        format!("{}\n{}\n{root}\n", self.origin, self.tree.size)
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// Why it is no checkpoint.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err("is no checkpoint");
        };
        Ok(Self {
            origin: origin.to_owned(),
            tree: TreeHead {
                size: decimal(size).ok_or("has a size that is none")?,
                root: hash(root).ok_or("has a root that is none")?,
            },
        })
    }

    /// Reads a note that this key has signed, of the log that it is named after.
    ///
    /// # Errors
    /// Why it is not to be believed.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, &'static str> {
        let note = Note::parse(note)?;
        if !key.has_signed(&note) {
            return Err("is not signed by the key");
        }
        let checkpoint = Self::parse(&note.text)?;
        if checkpoint.origin != key.name() {
            return Err("is of another log");
        }
        Ok(checkpoint)
    }
}

/// That an event is in the tree of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Its place, from 0.
    pub index: u64,
    /// The inclusion proof.
    pub hashes: Vec<Hash>,
    /// The checkpoint, as it was signed.
    pub note: String,
}

impl Proof {
    /// Its text.
    pub fn text(&self) -> String {
        let hashes: String = self
            .hashes
            .iter()
            .map(|hash| STANDARD.encode(hash) + "\n")
            .collect();
        format!("{PROOF}\nindex {}\n{hashes}\n{}", self.index, self.note)
    }

    /// Reads a text; extra data is passed over.
    ///
    /// # Errors
    /// Why it is no proof.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (head, note) = text.split_once("\n\n").ok_or("has no checkpoint")?;
        let mut lines = head.lines();
        if lines.next() != Some(PROOF) {
            return Err("is no tlog-proof");
        }
        let mut line = lines.next().unwrap_or_default();
        if line.starts_with("extra ") {
            line = lines.next().unwrap_or_default();
        }
        let index = line.strip_prefix("index ").and_then(decimal);
        let hashes: Option<Vec<Hash>> = lines.map(hash).collect();
        Ok(Self {
            index: index.ok_or("has an index that is none")?,
            hashes: hashes.ok_or("has a hash that is none")?,
            note: note.to_owned(),
        })
    }
}

/// A number in its only spelling.
pub fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A hash in base64.
pub fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notary::note::{KeyKind, SigningKey};

    #[test]
    fn what_is_written_is_read_again_and_what_is_not_signed_is_not_believed() {
        let key = SigningKey::new("example.com/log", KeyKind::Note, &[1; 32]).unwrap();
        let tree = TreeHead {
            size: 7,
            root: [9; 32],
        };
        let checkpoint = Checkpoint {
            origin: "example.com/log".to_owned(),
            tree,
        };
        let note = key.sign(&checkpoint.text());
        assert_eq!(Checkpoint::open(&note, key.public()).unwrap(), checkpoint);
        for (from, to) in [("\n7\n", "\n8\n"), ("\n7\n", "\n07\n"), ("CQ", "CC")] {
            assert!(Checkpoint::open(&note.replacen(from, to, 1), key.public()).is_err());
        }
        let other = SigningKey::new("example.com/log", KeyKind::Note, &[2; 32]).unwrap();
        assert!(Checkpoint::open(&note, other.public()).is_err());
        let elsewhere = Checkpoint {
            origin: "example.com/other".to_owned(),
            tree,
        };
        assert!(Checkpoint::open(&key.sign(&elsewhere.text()), key.public()).is_err());
        for hashes in [Vec::new(), vec![[1; 32], [2; 32]]] {
            let proof = Proof {
                index: 3,
                hashes,
                note: note.clone(),
            };
            assert_eq!(Proof::parse(&proof.text()).unwrap(), proof);
        }
    }
}
