//! Changing a password: a vault write and an event, consistent whatever dies between them.
//!
//! The new hash is stored first, under an identifier of its own, beside the one that counts. Then `PasswordChanged`
//! names it, and from that commit on it is the one that counts: the event alone decides. The command names the
//! password that was verified, too, so of several changes that proved the same password exactly one is taken. Then
//! the other sessions end, and the former hash goes. What dies after the event, the policy
//! `follow_password_changes` finishes; a hash that no event named, `sweep_passwords` removes.

use aggregates::session::RevokeReason;
use aggregates::user::{User, UserCommand, UserError};
use aggregates::values::{Password, PasswordId, SessionId, UserId};
use eventlog::ExecuteError;
use zeroize::Zeroizing;

use crate::app::{Acting, App};
use crate::keyring::VaultError;
use crate::ports::passwords::{HashedPassword, PasswordError, VerifiedPassword};
use crate::ports::{clock, ids};
use crate::revocation::{self, RevokeError};
use crate::sign_in::{self, SignInError};

/// What a person asks for.
#[derive(Debug)]
pub struct PasswordChange {
    /// Whose.
    pub user: UserId,
    /// From which session.
    pub session: SessionId,
    /// The password that counts.
    pub current: Zeroizing<String>,
    /// The one that shall count; it keeps the rules.
    pub new: Password,
    /// The person's address and name, by which it is easily guessed.
    pub identity: Vec<String>,
    /// Whether every other session ends.
    pub end_other_sessions: bool,
}

/// Why the password is as it was, or may not have been changed in every respect.
#[derive(Debug, thiserror::Error)]
pub enum PasswordChangeError {
    /// The current password is another one.
    #[error("the current password is another one")]
    WrongPassword,
    /// The new one is easily guessed.
    #[error("the new password is easily guessed")]
    Guessable,
    /// Verifying it failed.
    #[error(transparent)]
    Verifying(SignInError),
    /// Hashing.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The log did not take the command.
    #[error(transparent)]
    Log(#[from] ExecuteError<UserError>),
    /// The password was changed, but the other sessions have not ended yet; a policy goes on.
    #[error(transparent)]
    Sessions(#[from] RevokeError),
}

/// Changes the password; the position of the last event.
///
/// # Errors
/// See [`PasswordChangeError`].
pub async fn change(
    app: &App,
    change: PasswordChange,
    acting: &Acting,
) -> Result<Option<u64>, PasswordChangeError> {
    let proof = verify(app, change.user, change.session, change.current).await?;
    let (new, identity) = (change.new, change.identity);
    if app.passwords.is_guessable(&new, identity).await? {
        return Err(PasswordChangeError::Guessable);
    }
    let hash = app.passwords.hash(new).await?;
    let position = change_to(
        app,
        &proof,
        &hash,
        change.session,
        change.end_other_sessions,
        acting,
    )
    .await?;
    let revoked = if change.end_other_sessions {
        let (keep, reason) = (Some(change.session), RevokeReason::PasswordChanged);
        revocation::revoke_all(app, change.user, keep, reason, acting).await?
    } else {
        revocation::Revoked::default()
    };
    app.vault
        .remove_password(change.user, proof.password_id())
        .await?;
    Ok(position.max(revoked.position))
}

async fn verify(
    app: &App,
    user: UserId,
    session: SessionId,
    current: Zeroizing<String>,
) -> Result<VerifiedPassword, PasswordChangeError> {
    let row = projections::users::find(&app.database, user)
        .await
        .map_err(VaultError::from)?;
    let verified = sign_in::verify_again(app, row, session, &current).await;
    verified.map_err(|error| match error {
        SignInError::InvalidCredentials => PasswordChangeError::WrongPassword,
        other => PasswordChangeError::Verifying(other),
    })
}

async fn change_to(
    app: &App,
    proof: &VerifiedPassword,
    hash: &HashedPassword,
    from_session: SessionId,
    end_other_sessions: bool,
    acting: &Acting,
) -> Result<Option<u64>, PasswordChangeError> {
    let (replaces, at) = (proof.password_id(), clock::now());
    let command = |password_id| UserCommand::ChangePassword {
        password_id,
        replaces,
        from_session,
        end_other_sessions,
        at,
    };
    match replace(app, proof.user_id(), hash, command, acting).await {
        Err(PasswordChangeError::Log(ExecuteError::Refused(UserError::PasswordReplaced))) => {
            Err(PasswordChangeError::WrongPassword)
        }
        other => other,
    }
}

/// Stores the hash, then makes it count by the command that names it.
pub(crate) async fn replace<E>(
    app: &App,
    user: UserId,
    hash: &HashedPassword,
    command: impl FnOnce(PasswordId) -> UserCommand,
    acting: &Acting,
) -> Result<Option<u64>, E>
where
    E: From<VaultError> + From<ExecuteError<UserError>>,
{
    let (password_id, at) = (PasswordId(ids::new_id()), clock::now());
    app.vault.add_password(user, password_id, hash, at).await?;
    let context = acting.command();
    let executed = app
        .log
        .execute::<User>(&user.to_string(), command(password_id), &context)
        .await;
    // Only where it is certain that no event names the hash; else it is swept.
    if let Err(ExecuteError::Refused(_) | ExecuteError::Conflict | ExecuteError::Overloaded) =
        &executed
    {
        app.vault.remove_password(user, password_id).await?;
    }
    Ok(executed?.position)
}
