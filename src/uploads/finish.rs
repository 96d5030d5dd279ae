//! Making a complete upload media: the same way as a file that comes in one request.
//!
//! The identifiers of the media and of the command are the upload's own, so a second turn at it, after a node died or on
//! another one, writes nothing again.

use aggregates::media::{Media, MediaError};
use aggregates::values::MediaId;
use bytes::Bytes;
use chrono::TimeDelta;
use eventlog::{CommandContext, ExecuteError};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::metadata::{filename, media_name};
use super::table::Part;
use super::{State, Upload, UploadError, find, remove, table};
use crate::app::{Acting, App};
use crate::media_content::ContentError;
use crate::media_store::{self, MediaStoreError, Recorded};
use crate::ports::blobs::{BlobError, part_object};
use crate::ports::{clock, ids};

/// For how long a node has an upload that it finishes. It is taken anew with each part; a second node at the same upload
/// costs time and does no harm.
const LEASE: TimeDelta = TimeDelta::seconds(15);

/// What an upload became.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// The file.
    pub media_id: MediaId,
    /// The event's position, when it is known.
    pub position: Option<u64>,
}

/// Makes a complete upload media; `None` when another node is at it.
///
/// # Errors
/// What it cannot become media for removes it; anything else leaves it to be tried again.
pub async fn finish(
    app: &App,
    upload: &Upload,
    acting: &Acting,
) -> Result<Option<Finished>, UploadError> {
    if upload.state == State::Stored {
        return Ok(Some(finished(upload, upload.position)));
    }
    let writer = ids::new_id();
    if !renew(app, upload.upload_id, writer).await? {
        let now = find(app, upload.owner, upload.upload_id).await?;
        return Ok((now.state == State::Stored).then(|| finished(&now, now.position)));
    }
    match make(app, upload, writer, acting).await {
        Ok(position) => {
            table::finished(&app.database, upload.upload_id, position).await?;
            app.blobs.delete_upload(upload.upload_id).await?;
            table::clear_parts(&app.database, upload.upload_id).await?;
            Ok(Some(finished(upload, position)))
        }
        Err(error) => {
            if is_final(&error) {
                remove(app, upload).await?;
            } else {
                table::give_back(&app.database, upload.upload_id, writer).await?;
            }
            Err(error)
        }
    }
}

fn finished(upload: &Upload, position: Option<u64>) -> Finished {
    Finished {
        media_id: upload.media_id,
        position,
    }
}

/// Whether another turn would end the same way.
fn is_final(error: &UploadError) -> bool {
    matches!(
        error,
        UploadError::Media(MediaStoreError::Unsupported | MediaStoreError::NoSuchAccount)
    )
}

/// The position of the event that made it media.
async fn make(
    app: &App,
    upload: &Upload,
    writer: Uuid,
    acting: &Acting,
) -> Result<Option<u64>, UploadError> {
    let loaded = app.log.load::<Media>(&upload.media_id.to_string()).await;
    let (media, _) = loaded.map_err(|error| MediaStoreError::from(ContentError::from(error)))?;
    if !matches!(media, Media::NotStored) {
        return Ok(None);
    }
    let key = app.vault.person_key(upload.owner).await?;
    let key = key.ok_or(MediaStoreError::NoSuchAccount)?;
    let metadata = upload.metadata(&key)?;
    // It was checked when the upload was made.
    let name = filename(&metadata).unwrap_or_default();
    let name = media_name(name.as_deref()).or_else(|_| media_name(None));
    let name = name.map_err(|_| MediaStoreError::Unsupported)?;
    let parts = table::parts(&app.database, upload.upload_id).await?;
    let what = (upload.owner, upload.media_id);
    let bytes = content(app, upload.upload_id, writer, parts);
    let taken = media_store::receive(app, what, bytes.boxed(), upload.bytes).await?;
    if taken.stored.bytes != upload.bytes {
        return Err(BlobError::Interrupted.into());
    }
    let context = CommandContext {
        command_id: upload.command_id,
        ..acting.creating()
    };
    match media_store::commit_by(app, acting, &context, &taken, &name).await {
        Ok(Recorded { position, .. }) => Ok(position),
        // Another node was first.
        Err(MediaStoreError::Content(ContentError::Log(ExecuteError::Refused(
            MediaError::AlreadyStored | MediaError::MediaDeleted,
        )))) => Ok(None),
        Err(MediaStoreError::NoSuchAccount) => {
            media_store::discard(&taken).await?;
            Err(MediaStoreError::NoSuchAccount.into())
        }
        // What is in the log may be unknown, so the content stays for the next turn.
        Err(error) => Err(error.into()),
    }
}

/// The parts, one after the other.
fn content(
    app: &App,
    upload_id: Uuid,
    writer: Uuid,
    parts: Vec<Part>,
) -> impl Stream<Item = Result<Bytes, UploadError>> + Send {
    let parts = futures::stream::iter(parts).then(move |part| async move {
        if !renew(app, upload_id, writer).await? {
            return Err(UploadError::Locked);
        }
        let object = part_object(upload_id, part.id);
        let bytes = app.blobs.get(&object, None).await?;
        Ok(bytes.map_err(UploadError::from))
    });
    parts.try_flatten()
}

async fn renew(app: &App, upload_id: Uuid, writer: Uuid) -> Result<bool, UploadError> {
    let now = clock::now();
    let term = (now, now + LEASE);
    Ok(table::take_to_finish(&app.database, upload_id, writer, term).await?)
}
