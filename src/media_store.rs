//! Takes a file in: its first bytes say what it is, the content goes to the blob store, and an event makes it media.

use aggregates::media::MediaCommand;
use aggregates::values::{MediaId, MediaName, Sha256Hex, UserId};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use eventlog::CommandContext;
use futures::{Stream, StreamExt as _};

use crate::app::{Acting, App};
use crate::erasure::{self, ErasureError};
use crate::keyring::VaultError;
use crate::media_content::{ContentError, Publication};
use crate::ports::blobs::{BlobError, Staged, Stored};
use crate::ports::clock;
use crate::sniff;

/// Why a file was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum MediaStoreError {
    /// It is no audio, video or picture of a type that is accepted.
    #[error("the file is no audio, video or picture of a type that is accepted")]
    Unsupported,
    /// Its owner is gone.
    #[error("there is no such account")]
    NoSuchAccount,
    /// The content did not arrive or could not be kept.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The content could not be given its name, or the log did not take it.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// What came too late for an erasure could not be removed.
    #[error(transparent)]
    Erasure(#[from] ErasureError),
}

/// A file that is in the blob store and not yet in the log. It goes away when this is dropped.
#[derive(Debug)]
pub struct Upload {
    /// What it will be.
    pub media_id: MediaId,
    /// Whose.
    pub owner: UserId,
    /// What the content is, by its own first bytes.
    pub content_type: &'static str,
    /// Size and digest.
    pub stored: Stored,
    staged: Staged,
}

/// A file that is in the log.
#[derive(Debug)]
pub struct Recorded {
    /// Since when.
    pub at: DateTime<Utc>,
    /// The event's position.
    pub position: Option<u64>,
}

/// Sniffs the first bytes of `body`, then streams everything into the blob store, as what `media_id` will name. Ends with
/// [`commit`] or [`discard`].
///
/// # Errors
/// Unsupported, too large, interrupted, or the store failed; then nothing is left behind.
pub async fn receive<E: Send>(
    app: &App,
    (owner, media_id): (UserId, MediaId),
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    limit: u64,
) -> Result<Upload, MediaStoreError> {
    let mut body = std::pin::pin!(body.fuse());
    let head = read_head(&mut body).await?;
    let content_type = sniff::content_type(&head).ok_or(MediaStoreError::Unsupported)?;
    let whole = futures::stream::once(futures::future::ready(Ok(head))).chain(body);
    let (staged, stored) = app.blobs.stage(whole, limit).await?;
    Ok(Upload {
        media_id,
        owner,
        content_type,
        stored,
        staged,
    })
}

async fn read_head<E>(
    body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
) -> Result<Bytes, BlobError> {
    let mut head = BytesMut::new();
    while head.len() < sniff::HEAD_BYTES {
        match body.next().await {
            Some(Ok(chunk)) => head.extend_from_slice(&chunk),
            Some(Err(_)) => return Err(BlobError::Interrupted),
            None => break,
        }
    }
    Ok(head.freeze())
}

/// Makes the upload media under `name`. Its content is kept once for each person. The caller discards the upload when
/// this fails.
///
/// # Errors
/// The owner is gone, or the log, the vault or the store failed.
pub async fn commit(
    app: &App,
    acting: &Acting,
    upload: &Upload,
    name: &MediaName,
) -> Result<Recorded, MediaStoreError> {
    commit_by(app, acting, &acting.creating(), upload, name).await
}

/// As [`commit`], by a command that may have been given before: then it writes nothing again.
///
/// # Errors
/// See [`commit`].
pub async fn commit_by(
    app: &App,
    acting: &Acting,
    context: &CommandContext,
    upload: &Upload,
    name: &MediaName,
) -> Result<Recorded, MediaStoreError> {
    let key = app.vault.person_key(upload.owner).await?;
    let key = key.ok_or(MediaStoreError::NoSuchAccount)?;
    let event_id = eventlog::event_id(context.command_id, 0);
    let at = clock::now();
    let publication = Publication::new(app, upload.owner, &upload.stored);
    let sealed = key.seal(event_id, "name", name.as_str());
    let command = MediaCommand::Store {
        media_id: upload.media_id,
        owner: upload.owner,
        name: sealed.map_err(VaultError::from)?,
        bytes: upload.stored.bytes,
        sha256: Sha256Hex::from_bytes(upload.stored.sha256),
        content_type: upload.content_type.to_owned(),
        object: publication.object().to_owned(),
        at,
    };
    let outcome = publication
        .publish(&upload.staged, upload.media_id, command, context.clone())
        .await?;
    if let Err(error) = upload.staged.remove().await {
        tracing::info!(%error, "an upload is left to the sweeper");
    }
    match erasure::still_there(app, upload.owner, acting).await {
        Err(ErasureError::NoSuchAccount) => return Err(MediaStoreError::NoSuchAccount),
        other => other?,
    }
    Ok(Recorded {
        at,
        position: outcome.position,
    })
}

/// Removes an upload that does not become media.
///
/// # Errors
/// The store failed.
pub async fn discard(upload: &Upload) -> Result<(), BlobError> {
    upload.staged.remove().await
}
