//! The content of media: one object for the same content of the same person, for as long as media of theirs refers to
//! it.
//!
//! Both who makes an object media and who removes one hold its lock. Before it is removed, the read model has every
//! event that was written before the lock was taken; so nothing is removed that an event names, and nothing stays that
//! none does.

use std::time::Duration;

use aggregates::media::{Media, MediaCommand, MediaError};
use aggregates::values::{MediaId, UserId};
use eventlog::{AppendError, CommandContext, Database, DbError, ExecuteError, Log, Outcome};
use projections::media;

use crate::app::App;
use crate::blob_locks::BlobLock;
use crate::ports::blobs::{BlobError, Blobs, Staged, Stored, media_object};

/// How long the lock may be somebody else's. One that a node held that died runs out in 30 seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the read model may take to reach the lock's moment.
const CATCHING_UP: Duration = Duration::from_secs(5);
/// How long the store may take to remove an object. Shorter than what is left of the lock then.
const REMOVING: Duration = Duration::from_secs(10);
/// How often content may vanish between being copied and being locked.
const TRIES: usize = 5;

/// Why content was not made media, or not removed.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Others hold the lock, or the read model is behind.
    #[error("the content is being worked on")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] ExecuteError<MediaError>),
}

/// Gives staged content its name.
pub struct Publication {
    database: Database,
    log: Log,
    blobs: Blobs,
    object: String,
    bytes: u64,
}

impl Publication {
    /// Of `stored` for `owner`.
    pub fn new(app: &App, owner: UserId, stored: &Stored) -> Self {
        Self {
            database: app.database.clone(),
            log: app.log.clone(),
            blobs: app.blobs.clone(),
            object: media_object(owner, stored.sha256),
            bytes: stored.bytes,
        }
    }

    /// The name that the event is to carry.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// Has the event written while the content is there and cannot go. `staged` stays as it is.
    ///
    /// # Errors
    /// See [`ContentError`].
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends by itself, with the event"
    )]
    pub async fn publish(
        self,
        staged: &Staged,
        media: MediaId,
        command: MediaCommand,
        context: CommandContext,
    ) -> Result<Outcome<Media>, ContentError> {
        let lock = self.locked(staged).await?;
        // A future that is dropped must not leave the lock behind, nor give it back while the event is being written.
        let (log, written) = (self.log.clone(), async move |log: Log| {
            let id = media.to_string();
            log.execute::<Media>(&id, command, &context).await
        });
        let task = tokio::spawn(async move {
            let written = written(log).await;
            // It may still be written: nobody is to remove the content before the lock has run out.
            let is_settled = !matches!(
                written,
                Err(ExecuteError::Append(AppendError::OutcomeUnknown))
            );
            let is_held = is_settled && lock.release().await.is_ok_and(|is_held| is_held);
            (written, is_held)
        });
        let stopped = |_| ContentError::Busy;
        let (written, is_held) = task.await.map_err(stopped)?;
        let outcome = written?;
        // The lock ran out meanwhile, so the content may have gone. From now on the event keeps it.
        if !is_held {
            let lock = self.locked(staged).await?;
            lock.release().await?;
        }
        Ok(outcome)
    }

    /// The lock, with the content under its name.
    async fn locked(&self, staged: &Staged) -> Result<BlobLock, ContentError> {
        for _ in 0..TRIES {
            if !self.is_there().await? {
                let from = staged.object();
                self.blobs.copy(from, &self.object, self.bytes).await?;
            }
            let lock = BlobLock::wait(&self.database, &self.object, PATIENCE).await?;
            let lock = lock.ok_or(ContentError::Busy)?;
            match self.is_there().await {
                Ok(true) if lock.is_reliable() => return Ok(lock),
                other => {
                    lock.release().await?;
                    other?;
                }
            }
        }
        Err(ContentError::Busy)
    }

    async fn is_there(&self) -> Result<bool, BlobError> {
        Ok(self.blobs.size(&self.object).await? == Some(self.bytes))
    }
}

impl std::fmt::Debug for Publication {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Publication")
    }
}

/// Removes the content of media, unless other media refers to it: whether it is removed.
///
/// # Errors
/// See [`ContentError`]; it may be tried again.
pub async fn remove_unused(app: &App, object: &str) -> Result<bool, ContentError> {
    let lock = BlobLock::wait(&app.database, object, PATIENCE).await?;
    let lock = lock.ok_or(ContentError::Busy)?;
    let removed = remove_locked(app, object, &lock).await;
    // A call of the store that failed may still be carried out: then the lock has to run out.
    if !matches!(removed, Err(ContentError::Blobs(_))) {
        lock.release().await?;
    }
    removed
}

async fn remove_locked(app: &App, object: &str, lock: &BlobLock) -> Result<bool, ContentError> {
    let head = app.log.head().await?;
    if !app.read_models.wait_for(head, CATCHING_UP).await {
        return Err(ContentError::Busy);
    }
    let asked = [object.to_owned()];
    if !media::referred_to(&app.database, &asked).await?.is_empty() {
        return Ok(false);
    }
    if !lock.is_reliable() {
        return Err(ContentError::Busy);
    }
    let removing = tokio::time::timeout(REMOVING, app.blobs.delete(object)).await;
    removing.map_err(|_| BlobError::Store("it takes too long".to_owned()))??;
    Ok(true)
}
