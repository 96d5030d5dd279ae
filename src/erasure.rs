//! Erasing a person: asked for, waited for, begun, and done to the end.
//!
//! The log is never rewritten. What it holds of a person is sealed under that person's own key, so the key's
//! destruction is the erasure; everything outside the log is removed. `UserErasureStarted` is the point of no return:
//! from there on the account can do nothing, and the steps are repeated until all of them have succeeded. Only then
//! comes `UserErased`.

use aggregates::email_claim::{EmailClaim, EmailClaimCommand, EmailClaimError, ReleaseReason};
use aggregates::media::{Media, MediaCommand};
use aggregates::media_job::{MediaJob, MediaJobCommand};
use aggregates::session::{RevokeReason, Session, SessionCommand, SessionError};
use aggregates::user::{ErasureCommand, ErasureReason, User, UserCommand, UserError};
use aggregates::values::{EmailClaimId, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{DbError, ExecuteError};
use projections::page::Cursor;
use projections::{media, media_jobs, sessions, users};

use crate::administration::{self, AdministrationError};
use crate::app::{Acting, App};
use crate::keyring::VaultError;
use crate::ports::blobs::BlobError;
use crate::ports::clock;
use crate::revocation::{self, RevokeError};
use crate::throttle;
use crate::uploads::{self, UploadError};

/// Rows of one round; further rounds take the rest.
const ROUND: usize = 200;
/// How long the read models may take to reach what this node has written.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Why a step did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// There is no such account, or no more.
    #[error("there is no such account")]
    NoSuchAccount,
    /// The account refused, or the log did not take the command.
    #[error(transparent)]
    User(#[from] ExecuteError<UserError>),
    /// Nobody could administer any more, or the administrators could not be asked.
    #[error(transparent)]
    Administration(#[from] AdministrationError),
    /// Its sessions did not end.
    #[error(transparent)]
    Sessions(#[from] RevokeError),
    /// The log did not take a command of another stream.
    #[error("{0}")]
    Log(String),
    /// The read models are behind.
    #[error("the read models are behind")]
    Behind,
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Content could not be removed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// Open uploads could not be removed.
    #[error(transparent)]
    Uploads(#[from] Box<UploadError>),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Notes that a person wants to be erased: when it is due, and the event's position if it is new.
///
/// # Errors
/// See [`ErasureError`].
pub async fn request(
    app: &App,
    user: UserId,
    acting: &Acting,
) -> Result<(DateTime<Utc>, Option<u64>), ErasureError> {
    if administration::is_last(&app.log, user).await? {
        return Err(AdministrationError::LastAdministrator.into());
    }
    let at = clock::now();
    let grace = TimeDelta::seconds(app.config.tokens.deletion_grace_seconds);
    let erase_at = at + grace;
    let command = ErasureCommand::RequestDeletion { erase_at, at };
    let position = execute(app, user, command, acting).await?;
    let row = users::find(&app.database, user).await?;
    let due = row.and_then(|row| row.erase_at);
    Ok((due.ok_or(ErasureError::NoSuchAccount)?, position))
}

/// Takes the wish back.
///
/// # Errors
/// See [`ErasureError`].
pub async fn cancel(app: &App, user: UserId, acting: &Acting) -> Result<Option<u64>, ErasureError> {
    let at = clock::now();
    execute(app, user, ErasureCommand::CancelDeletion { at }, acting).await
}

/// Begins the erasure. When this returns, no node accepts a token of the person's; the rest follows by policy.
///
/// # Errors
/// See [`ErasureError`].
pub async fn start(
    app: &App,
    user: UserId,
    reason: ErasureReason,
    acting: &Acting,
) -> Result<Option<u64>, ErasureError> {
    let command = ErasureCommand::Start {
        reason,
        at: clock::now(),
    };
    let position = match execute(app, user, command, acting).await {
        Err(ErasureError::User(ExecuteError::Refused(UserError::StillAdministrator))) => {
            administration::resign(&app.log, user, acting).await?;
            execute(app, user, command, acting).await?
        }
        other => other?,
    };
    revocation::revoke_all_by(app, user, None, RevokeReason::UserErased, acting, None).await?;
    Ok(position)
}

/// Everything that follows from the beginning of an erasure. May be repeated at any point.
///
/// # Errors
/// See [`ErasureError`]; then it is to be repeated.
pub async fn carry_out(app: &App, user: UserId, acting: &Acting) -> Result<(), ErasureError> {
    let Some(row) = users::find(&app.database, user).await? else {
        return Ok(());
    };
    revocation::revoke_all_by(app, user, None, RevokeReason::UserErased, acting, None).await?;
    // From here on nothing of the person's in the log opens any more, and nothing new can be sealed for them.
    app.vault.remove_person(user).await?;
    let removed = uploads::remove_all(app, user).await;
    removed.map_err(Box::new)?;
    remove_media(app, user, acting).await?;
    remove_jobs(app, user, acting).await?;
    forget_sessions(app, user, acting).await?;
    release_address(app, user, row.email_claim_id, acting).await?;
    throttle::forget(app, row.email_claim_id).await?;
    if let Some(pending) = row.pending_email {
        release_address(app, user, pending.email_claim_id, acting).await?;
    }
    // Since the erasure began the stream gets no new one.
    app.log.forget_snapshots::<User>(&user.to_string()).await?;
    let at = clock::now();
    execute(app, user, ErasureCommand::Finish { at }, acting).await?;
    Ok(())
}

/// For a call that wrote something for a person while their erasure may have been under way: what came too late for its
/// steps is removed again.
///
/// # Errors
/// There is no such person any more, or see [`ErasureError`].
pub async fn still_there(app: &App, user: UserId, acting: &Acting) -> Result<(), ErasureError> {
    if app.vault.person_key(user).await?.is_some() {
        return Ok(());
    }
    remove_media(app, user, acting).await?;
    remove_jobs(app, user, acting).await?;
    Err(ErasureError::NoSuchAccount)
}

async fn execute(
    app: &App,
    user: UserId,
    command: ErasureCommand,
    acting: &Acting,
) -> Result<Option<u64>, ErasureError> {
    let command = UserCommand::Erasure(command);
    let executed = app
        .log
        .execute::<User>(&user.to_string(), command, &acting.command())
        .await?;
    Ok(executed.position)
}

/// The read models that follow the log, up to what has been written.
async fn caught_up(app: &App) -> Result<(), ErasureError> {
    let head = app.log.head().await?;
    if app.read_models.wait_for(head, PATIENCE).await {
        return Ok(());
    }
    Err(ErasureError::Behind)
}

/// The content goes by the policy that follows each deletion.
async fn remove_media(app: &App, user: UserId, acting: &Acting) -> Result<(), ErasureError> {
    loop {
        caught_up(app).await?;
        let page = media::list(&app.database, user, &Cursor::start(), ROUND).await?;
        if page.items.is_empty() {
            return Ok(());
        }
        for row in page.items {
            let command = MediaCommand::Delete { at: clock::now() };
            let id = row.media_id.to_string();
            accepted(
                app.log
                    .execute::<Media>(&id, command, &acting.command())
                    .await,
            )?;
        }
    }
}

async fn remove_jobs(app: &App, user: UserId, acting: &Acting) -> Result<(), ErasureError> {
    loop {
        caught_up(app).await?;
        let page = media_jobs::list(&app.database, user, &Cursor::start(), ROUND).await?;
        if page.items.is_empty() {
            return Ok(());
        }
        for row in page.items {
            let id = row.job_id.to_string();
            let at = clock::now();
            let cancel = MediaJobCommand::Cancel { by: None, at };
            let execute = async |command| {
                app.log
                    .execute::<MediaJob>(&id, command, &acting.command())
                    .await
            };
            accepted(execute(cancel).await)?;
            app.blobs.delete_outputs(row.job_id).await?;
            accepted(execute(MediaJobCommand::Forget { at }).await)?;
        }
    }
}

async fn forget_sessions(app: &App, user: UserId, acting: &Acting) -> Result<(), ErasureError> {
    const SEEN: &str = "DELETE FROM session_activity WHERE session_id = $1";
    loop {
        let ids = sessions::any(&app.database, user, ROUND).await?;
        if ids.is_empty() {
            return Ok(());
        }
        for session in ids {
            let id = session.to_string();
            let command = SessionCommand::Forget { at: clock::now() };
            let executed = app
                .log
                .execute::<Session>(&id, command, &acting.command())
                .await;
            match executed {
                // A sign-in that was under way when the erasure began.
                Err(ExecuteError::Refused(SessionError::NotEnded)) => {
                    let reason = RevokeReason::UserErased;
                    revocation::revoke(app, session, reason, acting, None).await?;
                }
                other => accepted(other)?,
            }
            app.log.forget_snapshots::<Session>(&id).await?;
            let statement = (SEEN.to_owned(), vec![id.into()]);
            app.database.execute(vec![statement]).await?;
        }
    }
}

/// Somebody else may have the address now.
async fn release_address(
    app: &App,
    user_id: UserId,
    claim: EmailClaimId,
    acting: &Acting,
) -> Result<(), ErasureError> {
    let (claim, at) = (claim.to_string(), clock::now());
    // A claim that was not confirmed yet would be released for another reason.
    let confirm = EmailClaimCommand::Confirm { user_id, at };
    let release = EmailClaimCommand::Release {
        user_id,
        reason: ReleaseReason::AccountErased,
        at,
    };
    for command in [confirm, release] {
        let executed = app
            .log
            .execute::<EmailClaim>(&claim, command, &acting.command())
            .await;
        match executed {
            Err(ExecuteError::Refused(EmailClaimError::ReasonDoesNotFit)) => {
                return Err(ErasureError::Log("the claim is not confirmed".to_owned()));
            }
            other => accepted(other)?,
        }
    }
    Ok(())
}

/// A refusal means that the thing is as it should be already.
fn accepted<T, E: std::error::Error>(
    executed: Result<T, ExecuteError<E>>,
) -> Result<(), ErasureError> {
    match executed {
        Ok(_) | Err(ExecuteError::Refused(_)) => Ok(()),
        Err(error) => Err(ErasureError::Log(error.to_string())),
    }
}
