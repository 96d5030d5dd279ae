//! Blobs: uploads and job outputs, streamed in constant memory and hashed on the way.
//!
//! An object is written whole or not at all (staged, then renamed by the store). Names are made here from
//! identifiers; no text of a client ever becomes part of a path.

use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;

use aggregates::values::{JobId, MediaId, UserId};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, WriteMultipart};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Bytes in memory for one transfer: one part of this size plus what is being written.
const PART_BYTES: usize = 5 * 1024 * 1024;
const PARTS_IN_FLIGHT: usize = 2;

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// More bytes than allowed.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The sender stopped or its stream failed.
    #[error("the sender's stream failed")]
    Interrupted,
    /// No such object.
    #[error("no such object")]
    NotFound,
    /// The store failed.
    #[error("the blob store failed: {0}")]
    Store(object_store::Error),
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            other => Self::Store(other),
        }
    }
}

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Size.
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
}

/// The blob store.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
}

/// The object name of an upload.
pub fn media_object(owner: UserId, media: MediaId) -> String {
    format!("media/{owner}/{media}")
}

/// The object name of a job's output: one folder for each attempt, so that a late one overwrites nothing.
pub fn output_object(job: JobId, attempt: u32, name: &str) -> String {
    format!("outputs/{job}/{attempt}/{name}")
}

/// The object name of a piece of a resumable upload.
pub fn part_object(upload: Uuid, part: Uuid) -> String {
    format!("uploads/{upload}/{part}")
}

impl Blobs {
    /// A store in the folder `root`, which is made if missing.
    ///
    /// # Errors
    /// The folder cannot be made or used.
    pub fn local(root: &FilePath) -> Result<Self, BlobError> {
        std::fs::create_dir_all(root).map_err(|error| {
            BlobError::Store(object_store::Error::Generic {
                store: "local",
                source: Box::new(error),
            })
        })?;
        let store = LocalFileSystem::new_with_prefix(root)?
            .with_automatic_cleanup(true)
            .with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
        })
    }

    /// Streams `body` into `object`. Nothing is left behind when it fails.
    ///
    /// # Errors
    /// Too large, interrupted, or the store failed.
    pub async fn put<E: Send>(
        &self,
        object: &str,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
        limit: u64,
    ) -> Result<Stored, BlobError> {
        let upload = self.store.put_multipart(&Path::from(object)).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        match fill(&mut writer, body, limit).await {
            Ok(stored) => {
                writer.finish().await?;
                Ok(stored)
            }
            Err(error) => {
                writer.abort().await?;
                Err(error)
            }
        }
    }

    /// The object's bytes, or a range of them.
    ///
    /// # Errors
    /// No such object, or the store failed.
    pub async fn get(
        &self,
        object: &str,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, BlobError>>, BlobError> {
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let result = self.store.get_opts(&Path::from(object), options).await?;
        Ok(result.into_stream().map_err(BlobError::from).boxed())
    }

    /// Deletes an object; one that is gone already is fine.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete(&self, object: &str) -> Result<(), BlobError> {
        match self.store.delete(&Path::from(object)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes every object of a job.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete_outputs(&self, job: JobId) -> Result<(), BlobError> {
        self.delete_folder(&format!("outputs/{job}")).await
    }

    /// Deletes every object of one attempt at a job.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete_attempt(&self, job: JobId, attempt: u32) -> Result<(), BlobError> {
        self.delete_folder(&format!("outputs/{job}/{attempt}"))
            .await
    }

    /// Deletes every piece of a resumable upload, also those that were never recorded.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete_upload(&self, upload: Uuid) -> Result<(), BlobError> {
        self.delete_folder(&format!("uploads/{upload}")).await
    }

    async fn delete_folder(&self, folder: &str) -> Result<(), BlobError> {
        let prefix = Path::from(folder);
        let objects: Vec<_> = self.store.list(Some(&prefix)).try_collect().await?;
        for object in objects {
            self.delete(object.location.as_ref()).await?;
        }
        Ok(())
    }

    /// Copies every object, or those of a folder, to another store: how many.
    ///
    /// # Errors
    /// One of the stores failed.
    pub async fn copy_folder(&self, to: &Self, folder: Option<&str>) -> Result<u64, BlobError> {
        let prefix = folder.map(Path::from);
        let mut objects = self.store.list(prefix.as_ref());
        let mut copied = 0;
        while let Some(object) = objects.try_next().await? {
            let name = object.location.as_ref();
            let content = match self.get(name, None).await {
                Ok(content) => content,
                // Deleted since it was listed.
                Err(BlobError::NotFound) => continue,
                Err(error) => return Err(error),
            };
            to.put(name, content, u64::MAX).await?;
            copied += 1;
        }
        Ok(copied)
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn check(&self) -> Result<(), BlobError> {
        match self.store.head(&Path::from("readiness-probe")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

async fn fill<E: Send>(
    writer: &mut WriteMultipart,
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    limit: u64,
) -> Result<Stored, BlobError> {
    let mut body = std::pin::pin!(body);
    let mut hasher = Sha256::new();
    let mut bytes = 0_u64;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| BlobError::Interrupted)?;
        bytes = bytes.saturating_add(chunk.len() as u64);
        if bytes > limit {
            return Err(BlobError::TooLarge { limit });
        }
        hasher.update(&chunk);
        writer.wait_for_capacity(PARTS_IN_FLIGHT).await?;
        writer.put(chunk);
    }
    Ok(Stored {
        bytes,
        sha256: hasher.finalize().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(parts: Vec<Result<Bytes, ()>>) -> impl Stream<Item = Result<Bytes, ()>> + Send {
        futures::stream::iter(parts)
    }

    async fn read(blobs: &Blobs, object: &str, range: Option<Range<u64>>) -> Vec<u8> {
        let parts: Vec<Bytes> = blobs
            .get(object, range)
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        parts.concat()
    }

    #[tokio::test]
    async fn what_was_put_comes_back_whole_and_in_ranges() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::local(dir.path()).unwrap();
        let parts = vec![
            Ok(Bytes::from_static(b"hello ")),
            Ok(Bytes::from_static(b"world")),
        ];
        let stored = blobs.put("media/a/b", body(parts), 11).await.unwrap();
        assert_eq!(stored.bytes, 11);
        assert_eq!(
            stored.sha256,
            <[u8; 32]>::from(Sha256::digest(b"hello world"))
        );
        assert_eq!(read(&blobs, "media/a/b", None).await, b"hello world");
        assert_eq!(read(&blobs, "media/a/b", Some(4..8)).await, b"o wo");
    }

    #[tokio::test]
    async fn a_failed_transfer_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::local(dir.path()).unwrap();
        let cut = body(vec![Ok(Bytes::from_static(b"hello")), Err(())]);
        assert!(matches!(
            blobs.put("media/x", cut, 100).await,
            Err(BlobError::Interrupted)
        ));
        let large = body(vec![
            Ok(Bytes::from_static(b"hello")),
            Ok(Bytes::from_static(b"!")),
        ]);
        assert!(matches!(
            blobs.put("media/x", large, 5).await,
            Err(BlobError::TooLarge { limit: 5 })
        ));
        let files = walk(dir.path());
        assert!(files.is_empty(), "{files:?}");
    }

    fn walk(dir: &FilePath) -> Vec<std::path::PathBuf> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                files.extend(walk(&path));
            } else {
                files.push(path);
            }
        }
        files
    }
}
