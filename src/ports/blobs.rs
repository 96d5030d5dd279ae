//! Blobs: uploads and job outputs, streamed in constant memory and hashed on the way, in a folder or in a bucket.
//!
//! An object is written whole or not at all. Names are made here from identifiers and digests; no text of a client ever
//! becomes part of a path.

mod error;
mod http;
mod s3;
mod writing;

use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aggregates::values::{JobId, UserId};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use uuid::Uuid;

pub use self::error::BlobError;
use self::s3::S3;
use self::writing::{Draft, Parts, Sink, fill};
use super::ids;
use crate::config::StorageConfig;

/// Where uploads are until they are media.
pub const STAGING: &str = "staging";
/// Where media is.
pub const MEDIA: &str = "media";
/// Where jobs put what they made.
pub const OUTPUTS: &str = "outputs";
/// Where pieces of resumable uploads are.
pub const UPLOADS: &str = "uploads";
/// Where it is kept what of the log was signed last: of this store alone, and in no copy of it.
pub const SIGNED: &str = "signed";

/// A server that speaks S3 copies no larger object by itself.
const COPY_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Size.
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
}

/// An object of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its name.
    pub object: String,
    /// Written when.
    pub modified: DateTime<Utc>,
}

/// The blob store.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Folder(Arc<FilePath>),
    Bucket(Arc<S3>),
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Blobs")
    }
}

/// An object that goes away with its owner, unless it is removed before.
#[derive(Debug)]
pub struct Staged {
    blobs: Blobs,
    object: String,
    is_gone: AtomicBool,
}

impl Staged {
    /// Its name.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// Removes it.
    ///
    /// # Errors
    /// The store failed; then the sweeper removes it.
    pub async fn remove(&self) -> Result<(), BlobError> {
        if self.is_gone.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.blobs.delete(&self.object).await
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (Ok(runtime), false) = (runtime, self.is_gone.load(Ordering::SeqCst)) {
            let (blobs, object) = (self.blobs.clone(), std::mem::take(&mut self.object));
            runtime.spawn(async move {
                if let Err(error) = blobs.delete(&object).await {
                    tracing::info!(object, %error, "an upload is left to the sweeper");
                }
            });
        }
    }
}

/// The object name of an upload that became media: the same for the same content of the same person.
pub fn media_object(owner: UserId, sha256: [u8; 32]) -> String {
    format!("{MEDIA}/{owner}/{}", hex::encode(sha256))
}

/// The object name of a job's output: one folder for each attempt, so that a late one overwrites nothing.
pub fn output_object(job: JobId, attempt: u32, name: &str) -> String {
    format!("{OUTPUTS}/{job}/{attempt}/{name}")
}

fn staging_object() -> String {
    format!("{STAGING}/{}", ids::new_id())
}

/// The object name of a piece of a resumable upload.
pub fn part_object(upload: Uuid, part: Uuid) -> String {
    format!("{UPLOADS}/{upload}/{part}")
}

impl Blobs {
    /// The configured store.
    ///
    /// # Errors
    /// The folder cannot be made or used, or the bucket's settings are no good.
    pub fn open(config: &StorageConfig) -> Result<Self, BlobError> {
        match config {
            StorageConfig::Folder(root) => Self::local(root),
            StorageConfig::S3(config) => {
                let bucket = Arc::new(S3::open(config)?);
                let store = bucket.store.clone();
                Ok(Self {
                    store: Arc::new(store),
                    place: Place::Bucket(bucket),
                })
            }
        }
    }

    /// A store in the folder `root`, which is made if missing.
    ///
    /// # Errors
    /// The folder cannot be made or used.
    pub fn local(root: &FilePath) -> Result<Self, BlobError> {
        let failed = |error: std::io::Error| BlobError::Store(error.to_string());
        std::fs::create_dir_all(root).map_err(failed)?;
        let root = std::path::absolute(root).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(&root)?
            .with_automatic_cleanup(true)
            .with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
            place: Place::Folder(root.into()),
        })
    }

    fn path(&self, object: &str) -> Path {
        match &self.place {
            Place::Bucket(bucket) if !bucket.prefix.is_empty() => {
                Path::from(format!("{}/{object}", bucket.prefix))
            }
            Place::Bucket(_) | Place::Folder(_) => Path::from(object),
        }
    }

    /// The name without what all names begin with.
    fn name(&self, path: &Path) -> String {
        let text = path.as_ref();
        let own = match &self.place {
            Place::Bucket(bucket) => text.strip_prefix(bucket.prefix.as_str()),
            Place::Folder(_) => None,
        };
        own.unwrap_or(text).trim_start_matches('/').to_owned()
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
        let written = match &self.place {
            Place::Folder(root) => {
                let target = root.join(self.path(object).as_ref());
                let draft = Draft::new(root.join(staging_object()));
                write(Sink::File(draft), body, limit, Some(target)).await
            }
            Place::Bucket(_) => {
                let parts = Parts::new(Arc::clone(&self.store), self.path(object), limit);
                write(Sink::Parts(parts), body, limit, None).await
            }
        };
        written.map_err(BlobError::of_writing)
    }

    /// Streams `body` into an object that goes away by itself.
    ///
    /// # Errors
    /// Too large, interrupted, or the store failed; then nothing is left behind.
    pub async fn stage<E: Send>(
        &self,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
        limit: u64,
    ) -> Result<(Staged, Stored), BlobError> {
        let object = staging_object();
        let stored = match &self.place {
            Place::Folder(root) => {
                let draft = Draft::new(root.join(&object));
                let written = write(Sink::File(draft), body, limit, None).await;
                written.map_err(BlobError::of_writing)?
            }
            Place::Bucket(_) => self.put(&object, body, limit).await?,
        };
        let staged = Staged {
            blobs: self.clone(),
            object,
            is_gone: AtomicBool::new(false),
        };
        Ok((staged, stored))
    }

    /// Makes `to` an object with the content of `from`, which has `bytes`.
    ///
    /// # Errors
    /// There is no such object, or the store failed.
    pub async fn copy(&self, from: &str, to: &str, bytes: u64) -> Result<(), BlobError> {
        if matches!(self.place, Place::Bucket(_)) && bytes > COPY_BYTES {
            let content = self.get(from, None).await?;
            self.put(to, content, bytes).await?;
            return Ok(());
        }
        let copied = self.store.copy(&self.path(from), &self.path(to)).await;
        Ok(copied?)
    }

    /// The size of an object; `None` when there is none.
    ///
    /// # Errors
    /// The store failed.
    pub async fn size(&self, object: &str) -> Result<Option<u64>, BlobError> {
        match self.store.head(&self.path(object)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
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
        let result = self.store.get_opts(&self.path(object), options).await?;
        Ok(result.into_stream().map_err(BlobError::from).boxed())
    }

    /// Deletes an object; one that is gone already is fine.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete(&self, object: &str) -> Result<(), BlobError> {
        match self.store.delete(&self.path(object)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes every object of a job.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete_outputs(&self, job: JobId) -> Result<(), BlobError> {
        self.delete_folder(&format!("{OUTPUTS}/{job}")).await
    }

    /// Deletes every object of one attempt at a job.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete_attempt(&self, job: JobId, attempt: u32) -> Result<(), BlobError> {
        self.delete_folder(&format!("{OUTPUTS}/{job}/{attempt}"))
            .await
    }

    /// Deletes every piece of a resumable upload, also those that were never recorded.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete_upload(&self, upload: Uuid) -> Result<(), BlobError> {
        self.delete_folder(&format!("{UPLOADS}/{upload}")).await
    }

    async fn delete_folder(&self, folder: &str) -> Result<(), BlobError> {
        let objects: Vec<Listed> = self.list(folder).try_collect().await?;
        for listed in objects {
            self.delete(&listed.object).await?;
        }
        Ok(())
    }

    /// The objects of a folder, a page at a time. What is written meanwhile may be missing.
    pub fn list(&self, folder: &str) -> BoxStream<'static, Result<Listed, BlobError>> {
        let (this, prefix) = (self.clone(), self.path(folder));
        let listed = move |meta: ObjectMeta| Listed {
            object: this.name(&meta.location),
            modified: meta.last_modified,
        };
        let objects = self.store.list(Some(&prefix));
        objects.map_ok(listed).map_err(BlobError::from).boxed()
    }

    /// Gives up uploads in parts into `folder` that were begun before `before`, at most `most`: how many. A folder has
    /// none.
    ///
    /// # Errors
    /// The store failed.
    pub async fn abort_open(
        &self,
        folder: &str,
        before: DateTime<Utc>,
        most: usize,
    ) -> Result<usize, BlobError> {
        match &self.place {
            Place::Folder(_) => Ok(0),
            Place::Bucket(bucket) => bucket.abort_open(folder, before, most).await,
        }
    }

    /// Copies every object, or those of a folder, to another store: how many. Uploads that are under way stay, and so
    /// does [`SIGNED`].
    ///
    /// # Errors
    /// One of the stores failed.
    pub async fn copy_folder(&self, to: &Self, folder: Option<&str>) -> Result<u64, BlobError> {
        let all = match (folder, &self.place) {
            (Some(folder), _) => Some(self.path(folder)),
            (None, Place::Bucket(bucket)) => Some(Path::from(bucket.prefix.as_str())),
            (None, Place::Folder(_)) => None,
        };
        let mut objects = self.store.list(all.as_ref());
        let mut copied = 0;
        while let Some(object) = objects.try_next().await? {
            let name = self.name(&object.location);
            let own = name.split('/').next().unwrap_or_default();
            if [STAGING, SIGNED].contains(&own) {
                continue;
            }
            let content = match self.get(&name, None).await {
                Ok(content) => content,
                // Deleted since it was listed.
                Err(BlobError::NotFound) => continue,
                Err(error) => return Err(error),
            };
            to.put(&name, content, object.size).await?;
            copied += 1;
        }
        Ok(copied)
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn check(&self) -> Result<(), BlobError> {
        match &self.place {
            Place::Bucket(bucket) => bucket.check().await,
            Place::Folder(root) => match tokio::fs::metadata(root).await {
                Ok(found) if found.is_dir() => Ok(()),
                Ok(_) => Err(BlobError::Store("it is no folder".to_owned())),
                Err(error) => Err(BlobError::Store(error.to_string())),
            },
        }
    }
}

async fn write<E: Send>(
    mut sink: Sink,
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    limit: u64,
    target: Option<std::path::PathBuf>,
) -> Result<Stored, BlobError> {
    let stored = match fill(&mut sink, body, limit).await {
        Ok(stored) => stored,
        Err(error) => {
            sink.discard().await;
            return Err(error);
        }
    };
    match sink {
        Sink::File(draft) => draft.keep(target).await?,
        Sink::Parts(parts) => parts.keep().await?,
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

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
