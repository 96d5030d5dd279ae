//! Uploads: those of one request (`plain`), and resumable ones, which are made, continued piece by piece, and turned into
//! media when all of it is there.
//!
//! Each piece is an object of the blob store, so any node can go on with any upload. A piece counts when its row has
//! committed, after its object is durable. Only the last one who began to write may commit: whoever was before is fenced
//! off by the row. What an upload becomes is named when it is made, so finishing it twice makes one file.

pub mod checksum;
pub mod finish;
pub mod metadata;
pub mod pieces;
pub mod plain;
pub mod sweep;
mod table;
pub mod turns;

use aggregates::values::{MediaId, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError};
use uuid::Uuid;

use crate::app::App;
use crate::keyring::{PersonKey, VaultError};
use crate::media_store::MediaStoreError;
use crate::ports::blobs::BlobError;
use crate::ports::{clock, ids};
use crate::quota::{self, Claim, QuotaError};

/// Why a step of an upload was not done.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No such upload of this person.
    #[error("there is no such upload")]
    NotFound,
    /// Its time is over.
    #[error("the upload was given up: no piece came for too long")]
    Expired,
    /// The piece does not begin where the last one ended.
    #[error("the upload goes on at {received}")]
    Offset {
        /// Where it goes on.
        received: u64,
    },
    /// Another request writes to it, or was cut off by one that does.
    #[error("another request writes to this upload")]
    Locked,
    /// It came to a length that was not announced.
    #[error("the upload was announced with {bytes} bytes")]
    TooLarge {
        /// The announced length.
        bytes: u64,
    },
    /// It came in too many pieces.
    #[error("an upload may arrive in at most {limit} pieces")]
    TooManyPieces {
        /// The limit.
        limit: u64,
    },
    /// What came is not what the checksum says.
    #[error("the bytes do not have the checksum that was sent with them")]
    Checksum,
    /// The sender stopped. What came is kept, unless a checksum was due.
    #[error("the body ended early")]
    Interrupted,
    /// All of it is there, so it cannot be given up any more.
    #[error("all of the upload is there")]
    Complete,
    /// There is no room for it.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// It does not become media.
    #[error(transparent)]
    Media(#[from] MediaStoreError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It takes pieces, or all of them are there.
    Open,
    /// It has become media.
    Stored,
    /// It is being removed.
    Removed,
}

/// A resumable upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Which.
    pub upload_id: Uuid,
    /// Whose.
    pub owner: UserId,
    /// What it becomes.
    pub media_id: MediaId,
    /// The command that makes it that.
    command_id: Uuid,
    /// What the client said of the file, sealed.
    sealed_metadata: String,
    /// Its length.
    pub bytes: u64,
    /// Durable bytes.
    pub received: u64,
    parts: u64,
    /// How far it is.
    pub state: State,
    /// The event's position, once it is media.
    pub position: Option<u64>,
    /// Made when.
    pub created_at: DateTime<Utc>,
    /// When it is given up.
    pub expires_at: DateTime<Utc>,
}

impl Upload {
    /// Whether every byte is there.
    pub fn is_complete(&self) -> bool {
        self.received == self.bytes
    }

    /// The identifier of the event that makes it media; what is sealed is bound to it.
    fn event_id(&self) -> Uuid {
        eventlog::event_id(self.command_id, 0)
    }

    /// What the client said of the file: the text of `Upload-Metadata`.
    ///
    /// # Errors
    /// It does not open.
    pub fn metadata(&self, key: &PersonKey) -> Result<String, VaultError> {
        Ok(key.open(self.event_id(), "metadata", &self.sealed_metadata)?)
    }
}

/// What is to be uploaded.
pub struct NewUpload {
    /// Whose.
    pub owner: UserId,
    /// How long it is.
    pub bytes: u64,
    /// The text of `Upload-Metadata`.
    pub metadata: String,
}

/// Makes an upload, within the quotas of its owner.
///
/// # Errors
/// See [`UploadError`].
pub async fn create(app: &App, new: NewUpload) -> Result<Upload, UploadError> {
    let key = app.vault.person_key(new.owner).await?;
    let key = key.ok_or(UploadError::NotFound)?;
    let (now, command_id) = (clock::now(), ids::new_id());
    let event_id = eventlog::event_id(command_id, 0);
    let sealed = key.seal(event_id, "metadata", &new.metadata);
    let upload = Upload {
        upload_id: ids::new_id(),
        owner: new.owner,
        media_id: MediaId::from(ids::new_id()),
        command_id,
        sealed_metadata: sealed.map_err(VaultError::from)?.as_str().to_owned(),
        bytes: new.bytes,
        received: 0,
        parts: 0,
        state: State::Open,
        position: None,
        created_at: now,
        expires_at: now + expiry(app),
    };
    let claim = Claim {
        media_id: upload.media_id,
        owner: upload.owner,
        bytes: upload.bytes,
        at: now,
    };
    let most = app.config.media.uploads_per_user;
    let mut statements = quota::statements(app, &claim, Some(most));
    statements.push(table::insert(&upload));
    let made = app.database.execute(statements).await?;
    match made.last() {
        Some(1) => Ok(upload),
        _ => Err(quota::why(app, &claim).await?.into()),
    }
}

/// An upload of `owner`; another person's is not found.
///
/// # Errors
/// Not found, or its time is over.
pub async fn find(app: &App, owner: UserId, upload_id: Uuid) -> Result<Upload, UploadError> {
    let found = table::find(&app.database, upload_id).await?;
    let upload = found
        .filter(|upload| upload.owner == owner && upload.state != State::Removed)
        .ok_or(UploadError::NotFound)?;
    let is_over = upload.state == State::Open && upload.expires_at <= clock::now();
    if is_over && !upload.is_complete() {
        return Err(UploadError::Expired);
    }
    Ok(upload)
}

/// Gives an upload up that is not complete.
///
/// # Errors
/// [`UploadError::Complete`] when it is too late for that.
pub async fn terminate(app: &App, upload: &Upload) -> Result<(), UploadError> {
    if !table::give_up(&app.database, upload, false).await? {
        return Err(UploadError::Complete);
    }
    clear(app, upload.upload_id).await
}

/// Removes an upload that cannot become media, complete or not. One that is media stays.
async fn remove(app: &App, upload: &Upload) -> Result<(), UploadError> {
    if table::give_up(&app.database, upload, true).await? {
        clear(app, upload.upload_id).await?;
    }
    Ok(())
}

/// Whether there is such an upload, whatever has become of it.
///
/// # Errors
/// The database failed.
pub async fn is_known(database: &Database, upload_id: Uuid) -> Result<bool, DbError> {
    let found = table::find(database, upload_id).await?;
    Ok(found.is_some())
}

/// Removes every upload of a person who is gone, and what they had claimed.
///
/// # Errors
/// The database or the blob store failed; then it is to be repeated.
pub async fn remove_all(app: &App, owner: UserId) -> Result<(), UploadError> {
    for upload in table::of_owner(&app.database, owner).await? {
        table::forget(&app.database, &upload).await?;
        clear(app, upload.upload_id).await?;
    }
    quota::forget(&app.database, owner).await?;
    Ok(())
}

/// A person's uploads that are not finished, oldest first.
///
/// # Errors
/// The database failed.
pub async fn open(app: &App, owner: UserId) -> Result<Vec<Upload>, DbError> {
    let mut uploads = table::of_owner(&app.database, owner).await?;
    uploads.retain(|upload| upload.state == State::Open);
    Ok(uploads)
}

/// The objects first, so that nothing is forgotten that is still there.
async fn clear(app: &App, upload_id: Uuid) -> Result<(), UploadError> {
    app.blobs.delete_upload(upload_id).await?;
    table::clear(&app.database, upload_id).await?;
    Ok(())
}

fn expiry(app: &App) -> TimeDelta {
    TimeDelta::seconds(app.config.media.upload_expiry_seconds)
}
