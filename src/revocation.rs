//! Ending sessions, strictly: after the answer no node accepts a token of theirs.

use aggregates::session::{RevokeReason, Session, SessionCommand, SessionError};
use aggregates::values::{SessionId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{Database, DbError, ExecuteError, Log};
use projections::sessions;

use crate::app::{Acting, App};
use crate::ports::clock;
use crate::token_check::LeaseError;

/// Sessions that one call ends at most in one go; more are ended in further rounds.
const ROUND: usize = 500;

/// Why sessions may not have ended.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The log did not take a command.
    #[error(transparent)]
    Log(#[from] ExecuteError<SessionError>),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The sessions have ended, but another node may not know yet.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

/// What ended.
#[derive(Debug, Default)]
pub struct Revoked {
    /// How many sessions.
    pub count: u64,
    /// The position of the last one's event.
    pub position: Option<u64>,
}

/// Ends one session and settles it with every node. Again: nothing is written, and it settles again, so that
/// the repetition of a call whose answer was lost is as strict as the first.
///
/// # Errors
/// See [`RevokeError`].
pub async fn revoke(
    app: &App,
    session: SessionId,
    reason: RevokeReason,
    acting: &Acting,
    by: Option<UserId>,
) -> Result<Revoked, RevokeError> {
    let position = revoke_one(&app.log, session, reason, acting, by).await?;
    let settled = match position {
        Some(position) => position,
        None => app.log.head().await?,
    };
    app.lease.settle(settled).await?;
    Ok(Revoked {
        count: u64::from(position.is_some()),
        position,
    })
}

/// Ends every session of a person but `keep`, and settles once.
///
/// # Errors
/// See [`RevokeError`].
pub async fn revoke_all(
    app: &App,
    user: UserId,
    keep: Option<SessionId>,
    reason: RevokeReason,
    acting: &Acting,
) -> Result<Revoked, RevokeError> {
    revoke_all_by(app, user, keep, reason, acting, Some(user)).await
}

/// As [`revoke_all`], by somebody else.
///
/// # Errors
/// See [`RevokeError`].
pub async fn revoke_all_by(
    app: &App,
    user: UserId,
    keep: Option<SessionId>,
    reason: RevokeReason,
    acting: &Acting,
    by: Option<UserId>,
) -> Result<Revoked, RevokeError> {
    let mut revoked = Revoked::default();
    loop {
        let mut sessions = sessions::not_ended(&app.database, user, ROUND).await?;
        sessions.retain(|session| Some(*session) != keep);
        if sessions.is_empty() {
            break;
        }
        let all = sessions
            .iter()
            .map(|id| revoke_one(&app.log, *id, reason, acting, by));
        for position in futures::future::try_join_all(all)
            .await?
            .into_iter()
            .flatten()
        {
            revoked.count += 1;
            revoked.position = revoked.position.max(Some(position));
        }
    }
    let settled = match revoked.position {
        Some(position) => position,
        None => app.log.head().await?,
    };
    app.lease.settle(settled).await?;
    Ok(revoked)
}

/// Whose sessions go on when all others end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// None.
    Nothing,
    /// This one.
    Session(SessionId),
    /// Those of this person.
    User(UserId),
}

/// Ends every session of every account but what is kept, some hundred at a time. Every session that was in the log before
/// the call has ended after it, whatever the clocks of the nodes say; of those that begin meanwhile some have. When it is cut
/// off, the next call ends those that are left. The caller settles it.
///
/// # Errors
/// See [`RevokeError`].
pub async fn revoke_everywhere(
    log: &Log,
    database: &Database,
    kept: Kept,
    acting: &Acting,
    by: Option<UserId>,
) -> Result<Revoked, RevokeError> {
    let reason = RevokeReason::RevokedByAdmin;
    let mut revoked = Revoked::default();
    let mut after = None;
    loop {
        let page = sessions::not_ended_of_all(database, after, ROUND).await?;
        let ended: Vec<SessionId> = page
            .iter()
            .filter(|(session, user)| kept != Kept::Session(*session) && kept != Kept::User(*user))
            .map(|(session, _)| *session)
            .collect();
        let all = ended
            .iter()
            .map(|session| revoke_one(log, *session, reason, acting, by));
        let positions = futures::future::try_join_all(all).await?;
        for position in positions.into_iter().flatten() {
            revoked.count += 1;
            revoked.position = revoked.position.max(Some(position));
        }
        // New sessions stand at the end, so that those which begin meanwhile do not keep it going for ever.
        match page.last() {
            Some((last, _)) if page.len() == ROUND => after = Some(*last),
            _ => return Ok(revoked),
        }
    }
}

/// Sessions that one sign-in ends at most because they are too many. More than one, so that an account which has far too
/// many comes down to what it may have.
const SURPLUS: usize = 20;

/// Ends the sessions of a person that are too many, when one has begun: those that nobody used for longest. Each of several
/// that begin at once looks when its own is in the log, so the last one sees all of them; and all see them in one order, so
/// that the newest stay.
///
/// # Errors
/// See [`RevokeError`].
pub async fn revoke_surplus(app: &App, user: UserId, acting: &Acting) -> Result<(), RevokeError> {
    let most = app.config.tokens.sessions_per_user;
    let surplus = sessions::too_many(&app.database, user, most, SURPLUS).await?;
    if surplus.is_empty() {
        return Ok(());
    }
    let reason = RevokeReason::TooManySessions;
    let all = surplus
        .iter()
        .map(|id| revoke_one(&app.log, *id, reason, acting, None));
    let positions = futures::future::try_join_all(all).await?;
    // Another sign-in may have ended them at this moment: then it is that which is settled.
    let settled = match positions.into_iter().flatten().max() {
        Some(position) => position,
        None => app.log.head().await?,
    };
    Ok(app.lease.settle(settled).await?)
}

/// Ends the sessions of a person that had begun by `begun_by`, but `keep`; for what follows a decision later.
///
/// # Errors
/// See [`RevokeError`].
pub async fn revoke_begun_by(
    app: &App,
    user: UserId,
    keep: Option<SessionId>,
    begun_by: DateTime<Utc>,
    reason: RevokeReason,
    acting: &Acting,
) -> Result<(), RevokeError> {
    loop {
        let mut sessions =
            sessions::not_ended_begun_by(&app.database, user, begun_by, ROUND).await?;
        sessions.retain(|session| Some(*session) != keep);
        if sessions.is_empty() {
            break;
        }
        let all = sessions
            .iter()
            .map(|id| revoke_one(&app.log, *id, reason, acting, Some(user)));
        futures::future::try_join_all(all).await?;
    }
    app.lease.settle(app.log.head().await?).await?;
    Ok(())
}

async fn revoke_one(
    log: &Log,
    session: SessionId,
    reason: RevokeReason,
    acting: &Acting,
    by: Option<UserId>,
) -> Result<Option<u64>, ExecuteError<SessionError>> {
    let context = acting.command();
    let command = SessionCommand::Revoke {
        reason,
        by,
        at: clock::now(),
    };
    let outcome = log
        .execute::<Session>(&session.to_string(), command, &context)
        .await?;
    Ok(outcome.position)
}
