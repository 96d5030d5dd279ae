//! What was signed last with a key, for every node that has it: in the blob store, beside neither the database nor the
//! files of a node, and never in a backup. A node that knows nothing of its own learns from it that the database was set
//! back.
//!
//! An object is named by the size and the root that it records. A larger one is written before the smaller go, so that
//! the largest is there whoever writes at the same time: the store needs no lock and no conditions, only that a list
//! shows what was written.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use eventlog::{Hash, TreeHead};
use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use super::NotaryError;
use super::checkpoint::Checkpoint;
use super::note::VerifierKey;
use crate::ports::blobs::{BlobError, Blobs, Listed, SIGNED};

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the name of a latch begins with.
const REFUSED: &str = "refused-";
/// The largest object.
const BYTES_MAX: u64 = 16 * 1024;

/// The record of a key.
#[derive(Debug, Clone)]
pub(super) struct SharedRecord {
    blobs: Blobs,
    key: VerifierKey,
    folder: String,
}

/// What is on record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Known {
    /// Trees that were signed, or were about to be; mostly one.
    pub trees: Vec<TreeHead>,
    /// What a witness had seen when it refused this log; nothing is signed meanwhile.
    pub refused: Option<u64>,
}

/// One object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Tree(TreeHead),
    Refused(u64),
}

impl Entry {
    fn parse(name: &str) -> Option<Self> {
        if let Some(seen) = name.strip_prefix(REFUSED) {
            return Some(Self::Refused(seen.parse().ok()?));
        }
        let (size, root) = name.split_once('-')?;
        let size = size.parse().ok()?;
        let root = Hash::try_from(hex::decode(root).ok()?).ok()?;
        Some(Self::Tree(TreeHead { size, root }))
    }

    fn name(self) -> String {
        match self {
            Self::Tree(tree) => format!("{}-{}", tree.size, hex::encode(tree.root)),
            Self::Refused(seen) => format!("{REFUSED}{seen}"),
        }
    }
}

impl SharedRecord {
    pub(super) fn new(blobs: Blobs, key: &VerifierKey) -> Self {
        let name = hex::encode(Sha256::digest(key.to_string()));
        Self {
            blobs,
            key: key.clone(),
            folder: format!("{SIGNED}/{name}"),
        }
    }

    /// Everything that is on record.
    pub(super) async fn read(&self) -> Result<Known, NotaryError> {
        let mut known = Known::default();
        for entry in self.entries().await? {
            match entry {
                Entry::Tree(tree) => known.trees.push(tree),
                Entry::Refused(seen) => known.refused = known.refused.max(Some(seen)),
            }
        }
        Ok(known)
    }

    /// Puts a tree on record. When this has returned, whoever reads sees it.
    pub(super) async fn add(&self, tree: TreeHead) -> Result<(), NotaryError> {
        self.put(Entry::Tree(tree)).await
    }

    /// Closes the latch: no node signs any more.
    pub(super) async fn refuse(&self, seen: u64) -> Result<(), NotaryError> {
        self.put(Entry::Refused(seen)).await
    }

    /// Removes what a tree of this size makes needless.
    pub(super) async fn forget_before(
        &self,
        size: u64,
        known: &[TreeHead],
    ) -> Result<(), NotaryError> {
        for tree in known.iter().filter(|tree| tree.size < size) {
            self.remove(Entry::Tree(*tree)).await?;
        }
        Ok(())
    }

    /// Opens the latch for what the witness has signed again.
    pub(super) async fn accept(&self, size: u64) -> Result<(), NotaryError> {
        let is_over = |entry: &Entry| matches!(entry, Entry::Refused(seen) if *seen <= size);
        for entry in self.entries().await?.into_iter().filter(is_over) {
            self.remove(entry).await?;
        }
        Ok(())
    }

    async fn remove(&self, entry: Entry) -> Result<(), NotaryError> {
        let object = self.object(entry);
        within(self.blobs.delete(&object)).await
    }

    async fn entries(&self) -> Result<Vec<Entry>, NotaryError> {
        let listed = self.blobs.list(&self.folder).try_collect();
        let listed: Vec<Listed> = within(listed).await?;
        let parsed = listed.into_iter().map(|listed| {
            let name = listed.object.strip_prefix(&self.folder);
            let entry = name.and_then(|name| Entry::parse(name.trim_start_matches('/')));
            entry.ok_or_else(|| NotaryError::File(format!("{} is no record", listed.object)))
        });
        parsed.collect()
    }

    fn object(&self, entry: Entry) -> String {
        format!("{}/{}", self.folder, entry.name())
    }

    /// The content is for people; only the name is read.
    async fn put(&self, entry: Entry) -> Result<(), NotaryError> {
        let text = match entry {
            Entry::Tree(tree) => {
                let origin = self.key.name().to_owned();
                Checkpoint { origin, tree }.text()
            }
            Entry::Refused(seen) => format!("a witness has seen {seen} events\n"),
        };
        let body = futures::stream::iter([Ok::<_, Infallible>(Bytes::from(text))]);
        let object = self.object(entry);
        within(self.blobs.put(&object, body, BYTES_MAX)).await?;
        Ok(())
    }
}

async fn within<T>(work: impl Future<Output = Result<T, BlobError>>) -> Result<T, NotaryError> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    let done = done.map_err(|_| NotaryError::Store("it did not answer in time".to_owned()))?;
    done.map_err(|error| NotaryError::Store(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::make_signing_key;

    fn tree(size: u64, root: u8) -> TreeHead {
        let root = [root; 32];
        TreeHead { size, root }
    }

    #[tokio::test]
    async fn the_largest_stays_whatever_is_written_and_each_key_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::local(folder.path()).unwrap();
        let [one, other] = [1, 2].map(|_| make_signing_key("example.com/log").unwrap());
        let record = SharedRecord::new(blobs.clone(), one.public());
        let beside = SharedRecord::new(blobs, other.public());
        assert_eq!(record.read().await.unwrap(), Known::default());
        for (size, root) in [(10, 1), (9, 2)] {
            record.add(tree(size, root)).await.unwrap();
            let known = record.read().await.unwrap().trees;
            record.forget_before(size, &known).await.unwrap();
        }
        let mut trees = record.read().await.unwrap().trees;
        trees.sort_by_key(|tree| tree.size);
        assert_eq!(trees, [tree(9, 2), tree(10, 1)]);
        record.forget_before(10, &trees).await.unwrap();
        assert_eq!(record.read().await.unwrap().trees, [tree(10, 1)]);
        assert_eq!(beside.read().await.unwrap(), Known::default());
        record.refuse(12).await.unwrap();
        record.accept(11).await.unwrap();
        assert_eq!(record.read().await.unwrap().refused, Some(12));
        record.accept(12).await.unwrap();
        assert_eq!(record.read().await.unwrap().refused, None);
    }
}
