//! Writing an object: hashed beside, in batches, while the next batch arrives. What is not finished goes away.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use sha2::{Digest as _, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{BlobError, Stored};

/// Bytes that are hashed and written at once. While one batch is worked on, the next one is read.
const BATCH_BYTES: usize = 1024 * 1024;
/// A server that speaks S3 takes no smaller part, but for the last, and at most so many.
const PART_BYTES: u64 = 5 * 1024 * 1024;
const PARTS: u64 = 10_000;
const PARTS_IN_FLIGHT: usize = 2;

/// Reads `body` to its end into `sink`.
pub(super) async fn fill<E: Send>(
    sink: &mut Sink,
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    limit: u64,
) -> Result<Stored, BlobError> {
    let mut body = std::pin::pin!(body.fuse());
    let mut hashing: JoinHandle<Sha256> = spawn_blocking(Sha256::new);
    let mut bytes = 0_u64;
    loop {
        let mut batch = Vec::new();
        let mut size = 0;
        while size < BATCH_BYTES {
            let Some(chunk) = body.next().await else {
                break;
            };
            let chunk = chunk.map_err(|_| BlobError::Interrupted)?;
            size = size.saturating_add(chunk.len());
            batch.push(chunk);
        }
        bytes = bytes.saturating_add(size as u64);
        if bytes > limit {
            return Err(BlobError::TooLarge { limit });
        }
        let mut hasher = hashing.await.map_err(|_| BlobError::stopped())?;
        if size == 0 {
            let sha256 = hasher.finalize().into();
            return Ok(Stored { bytes, sha256 });
        }
        let chunks = batch.clone();
        hashing = spawn_blocking(move || {
            for chunk in &chunks {
                hasher.update(chunk);
            }
            hasher
        });
        sink.write(batch).await?;
    }
}

/// Where the bytes go.
pub(super) enum Sink {
    File(Draft),
    Parts(Parts),
}

impl Sink {
    async fn write(&mut self, batch: Vec<Bytes>) -> Result<(), BlobError> {
        match self {
            Self::File(draft) => draft.write(batch).await,
            Self::Parts(parts) => parts.write(batch).await,
        }
    }

    /// Gives up what was written. A file is gone when this returns; the parts of an object go a moment later.
    pub(super) async fn discard(self) {
        if let Self::File(draft) = self {
            draft.discard().await;
        }
    }
}

/// A file that is removed unless it is kept.
pub(super) struct Draft {
    path: PathBuf,
    writing: Option<JoinHandle<io::Result<File>>>,
    is_kept: bool,
}

impl Draft {
    pub(super) fn new(path: PathBuf) -> Self {
        let at = path.clone();
        Self {
            path,
            writing: Some(spawn_blocking(move || {
                in_folder_of(&at, || File::create_new(&at))
            })),
            is_kept: false,
        }
    }

    async fn file(&mut self) -> Result<File, BlobError> {
        let writing = self.writing.take().ok_or_else(BlobError::stopped)?;
        let file = writing.await.map_err(|_| BlobError::stopped())?;
        file.map_err(|error| BlobError::Store(error.to_string()))
    }

    async fn write(&mut self, batch: Vec<Bytes>) -> Result<(), BlobError> {
        let mut file = self.file().await?;
        self.writing = Some(spawn_blocking(move || {
            for chunk in batch {
                file.write_all(&chunk)?;
            }
            Ok(file)
        }));
        Ok(())
    }

    /// Makes the file durable where it is, or under another name.
    pub(super) async fn keep(mut self, target: Option<PathBuf>) -> Result<(), BlobError> {
        let file = self.file().await?;
        let from = self.path.clone();
        let kept = spawn_blocking(move || {
            file.sync_all()?;
            let Some(target) = target else {
                return Ok(());
            };
            in_folder_of(&target, || std::fs::rename(&from, &target))?;
            target.parent().map_or(Ok(()), sync)
        });
        let kept = kept.await.map_err(|_| BlobError::stopped())?;
        kept.map_err(|error| BlobError::Store(error.to_string()))?;
        self.is_kept = true;
        Ok(())
    }
}

impl Draft {
    /// Removes the file, and returns when it is gone. Dropping it does the same, only later.
    async fn discard(mut self) {
        if let Some(writing) = self.writing.take() {
            let _ = writing.await;
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_kept {
            let (path, writing) = (self.path.clone(), self.writing.take());
            let remove = move || {
                // What is not there need not go; the sweeper takes the rest.
                let _ = std::fs::remove_file(path);
            };
            match (tokio::runtime::Handle::try_current(), writing) {
                // It may be about to be made.
                (Ok(runtime), Some(writing)) => drop(runtime.spawn(async move {
                    let _ = writing.await;
                    remove();
                })),
                _ => remove(),
            }
        }
    }
}

/// Does `work` on a file, and makes the folders that it lacks. They may be removed at any moment while they are empty.
fn in_folder_of<T>(path: &FilePath, work: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..8 {
        match work() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(path)?,
            done => return done,
        }
    }
    work()
}

fn make_folder(path: &FilePath) -> io::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    let mut missing: Vec<&FilePath> = Vec::new();
    for folder in folder.ancestors() {
        if folder.as_os_str().is_empty() || folder.exists() {
            break;
        }
        missing.push(folder);
    }
    std::fs::create_dir_all(folder)?;
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        match sync(parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

fn sync(folder: &FilePath) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        FilePath::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}

/// An object of a server: sent at once when it is small, otherwise in parts, which are given up unless finished.
pub(super) struct Parts {
    store: Arc<dyn ObjectStore>,
    path: Path,
    part_bytes: usize,
    first: BytesMut,
    writer: Option<WriteMultipart>,
}

impl Parts {
    /// Of at most `limit` bytes.
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path, limit: u64) -> Self {
        let part = PART_BYTES.max(limit.div_ceil(PARTS));
        Self {
            store,
            path,
            part_bytes: usize::try_from(part).unwrap_or(usize::MAX),
            first: BytesMut::new(),
            writer: None,
        }
    }

    async fn write(&mut self, batch: Vec<Bytes>) -> Result<(), BlobError> {
        for chunk in batch {
            if let Some(writer) = &mut self.writer {
                writer.wait_for_capacity(PARTS_IN_FLIGHT).await?;
                writer.put(chunk);
                continue;
            }
            self.first.extend_from_slice(&chunk);
            if self.first.len() > self.part_bytes {
                let upload = self.store.put_multipart(&self.path).await?;
                let mut writer = WriteMultipart::new_with_chunk_size(upload, self.part_bytes);
                writer.put(std::mem::take(&mut self.first).freeze());
                self.writer = Some(writer);
            }
        }
        Ok(())
    }

    pub(super) async fn keep(mut self) -> Result<(), BlobError> {
        if let Some(writer) = self.writer.take() {
            // It gives itself up when a part or the end fails.
            writer.finish().await?;
        } else {
            let whole = std::mem::take(&mut self.first).freeze();
            self.store.put(&self.path, whole.into()).await?;
        }
        Ok(())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (Ok(runtime), Some(writer)) = (runtime, self.writer.take()) {
            runtime.spawn(async move {
                if let Err(error) = writer.abort().await {
                    tracing::info!(error = %BlobError::store(&error), "an upload is left to the sweeper");
                }
            });
        }
    }
}
