//! Taking in what a request brings to an upload.
//!
//! The body is cut into parts of a fixed size at most; each is durable before it counts. What came before a connection
//! broke counts too, but for a body with a checksum: that counts as a whole or not at all.

use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::checksum::Checksum;
use super::table::{self, Part};
use super::turns::Turn;
use super::{Upload, UploadError, expiry, remove};
use crate::app::App;
use crate::media_store::MediaStoreError;
use crate::ports::blobs::{BlobError, part_object};
use crate::ports::{clock, ids};
use crate::sniff;

/// The most bytes of a part, and so the most that is lost when a node dies.
const PART_BYTES: u64 = 16 * 1024 * 1024;
/// The most parts of an upload, beside those that its length needs: each one is a row and an object.
const MOST_PARTS: u64 = 10_000;

/// What a request brings.
pub struct Piece<S> {
    /// Where it begins.
    pub offset: u64,
    /// What it must come to.
    pub checksum: Option<Checksum>,
    /// The bytes.
    pub body: S,
}

/// Adds a piece to an upload: the upload as it is then.
///
/// # Errors
/// See [`UploadError`]; what counts until then stays.
pub async fn append<E: Send>(
    app: &App,
    upload: &Upload,
    turn: &Turn<'_>,
    piece: Piece<impl Stream<Item = Result<Bytes, E>> + Send + Unpin>,
) -> Result<Upload, UploadError> {
    if piece.offset != upload.received {
        return Err(UploadError::Offset {
            received: upload.received,
        });
    }
    let writer = ids::new_id();
    if !table::begin(&app.database, upload, writer, clock::now()).await? {
        return Err(UploadError::Locked);
    }
    let mut writing = Writing {
        app,
        upload: upload.clone(),
        writer,
        source: Source {
            body: piece.body,
            rest: Bytes::new(),
            head: BytesMut::new(),
            keeps_head: piece.offset == 0,
            checksum: piece.checksum,
            stop: turn.stop(),
            end: None,
        },
        held: Vec::new(),
    };
    let done = writing.run().await;
    if done.is_err() {
        writing.let_go().await?;
    }
    if let Err(UploadError::Media(MediaStoreError::Unsupported)) = &done {
        remove(app, upload).await?;
    }
    done.map(|()| writing.upload)
}

struct Writing<'a, S> {
    app: &'a App,
    upload: Upload,
    writer: Uuid,
    source: Source<'a, S>,
    /// Durable, and not yet counted.
    held: Vec<Part>,
}

impl<S, E: Send> Writing<'_, S>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
{
    async fn run(&mut self) -> Result<(), UploadError> {
        let is_whole = self.source.checksum.is_some();
        while self.source.has_more().await {
            self.put_part().await?;
            if self.source.is_unsupported(self.upload.bytes) {
                return Err(MediaStoreError::Unsupported.into());
            }
            if !is_whole {
                self.commit().await?;
            }
        }
        match self.source.end {
            Some(End::Interrupted) => return Err(UploadError::Interrupted),
            Some(End::Stopped) => return Err(UploadError::Locked),
            Some(End::Whole) | None => {}
        }
        if let Some(checksum) = self.source.checksum.take()
            && !checksum.fits()
        {
            return Err(UploadError::Checksum);
        }
        self.commit().await
    }

    async fn put_part(&mut self) -> Result<(), UploadError> {
        let held: u64 = self.held.iter().map(|part| part.bytes).sum();
        let start = self.upload.received + held;
        let limit = MOST_PARTS + self.upload.bytes / PART_BYTES;
        if self.upload.parts + self.held.len() as u64 >= limit {
            return Err(UploadError::TooManyPieces { limit });
        }
        let left = self.upload.bytes - start;
        let part_id = ids::new_id();
        let object = part_object(self.upload.upload_id, part_id);
        let part = self.source.part();
        let stored = match self.app.blobs.put(&object, part, left).await {
            Err(BlobError::TooLarge { .. }) => Err(UploadError::TooLarge {
                bytes: self.upload.bytes,
            }),
            other => Ok(other?),
        }?;
        self.held.push(Part {
            id: part_id,
            start,
            bytes: stored.bytes,
        });
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), UploadError> {
        let expires_at = clock::now() + expiry(self.app);
        let (database, upload) = (&self.app.database, &self.upload);
        if !table::commit(database, upload, self.writer, &self.held, expires_at).await? {
            return Err(UploadError::Locked);
        }
        if !self.held.is_empty() {
            self.upload.expires_at = expires_at;
        }
        for part in self.held.drain(..) {
            self.upload.received += part.bytes;
            self.upload.parts += 1;
        }
        Ok(())
    }

    /// Removes what does not count.
    async fn let_go(&mut self) -> Result<(), UploadError> {
        for part in self.held.drain(..) {
            let object = part_object(self.upload.upload_id, part.id);
            self.app.blobs.delete(&object).await?;
        }
        Ok(())
    }
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Interrupted,
    Stopped,
}

/// A body that is taken in part by part.
struct Source<'a, S> {
    body: S,
    /// Read and not yet in a part.
    rest: Bytes,
    /// The first bytes of the file.
    head: BytesMut,
    keeps_head: bool,
    checksum: Option<Checksum>,
    stop: &'a CancellationToken,
    end: Option<End>,
}

impl<S, E: Send> Source<'_, S>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
{
    async fn has_more(&mut self) -> bool {
        while self.rest.is_empty() && self.end.is_none() {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => self.end = Some(End::Stopped),
                chunk = self.body.next() => match chunk {
                    Some(Ok(chunk)) => self.rest = chunk,
                    Some(Err(_)) => self.end = Some(End::Interrupted),
                    None => self.end = Some(End::Whole),
                },
            }
        }
        !self.rest.is_empty()
    }

    /// The next part, of [`PART_BYTES`] at most.
    fn part(&mut self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        futures::stream::unfold((self, PART_BYTES), |(source, left)| async move {
            if left == 0 || !source.has_more().await {
                return None;
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let chunk = source.rest.split_to(source.rest.len().min(most));
            source.note(&chunk);
            let left = left - chunk.len() as u64;
            Some((Ok(chunk), (source, left)))
        })
    }

    fn note(&mut self, chunk: &Bytes) {
        if let Some(checksum) = &mut self.checksum {
            checksum.update(chunk);
        }
        let missing = sniff::HEAD_BYTES.saturating_sub(self.head.len());
        if self.keeps_head && missing > 0 {
            let first = chunk.len().min(missing);
            self.head
                .extend_from_slice(chunk.get(..first).unwrap_or_default());
        }
    }

    /// Whether the first bytes of the file are all there and are of nothing that is taken.
    fn is_unsupported(&self, bytes: u64) -> bool {
        let due =
            usize::try_from(bytes).map_or(sniff::HEAD_BYTES, |bytes| bytes.min(sniff::HEAD_BYTES));
        self.keeps_head && self.head.len() >= due && sniff::content_type(&self.head).is_none()
    }
}
