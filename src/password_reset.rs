//! A new password for who forgot theirs.
//!
//! Asked for by an address, answered by a mail, if at all: the request itself tells nothing. The link names the password
//! that was forgotten, so it is worth nothing once the account has another one; of racing uses the account's stream
//! takes one. It never stands in for the second factor: it opens no session.

use aggregates::session::RevokeReason;
use aggregates::user::{UserCommand, UserError};
use aggregates::values::{EmailAddress, Password, PasswordId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{DbError, ExecuteError};
use projections::email_claims;
use projections::users::{self, UserRow};

use crate::app::{Acting, App};
use crate::keyring::VaultError;
use crate::mail::letters::Letter;
use crate::mail::outbox::{self, NewMail};
use crate::mail::tokens::{self, MailToken, Purpose};
use crate::mail::{MailError, Person, budgets, link, requests};
use crate::password_change;
use crate::ports::clock;
use crate::ports::ids::Token;
use crate::ports::passwords::{HashedPassword, PasswordError};
use crate::revocation::{self, RevokeError};
use crate::throttle;

/// Mails of this kind to one address in an hour; more are left out, silently.
const MAILS_AN_HOUR: i64 = 3;

/// Why the password is as it was, or may not have been reset in every respect.
#[derive(Debug, thiserror::Error)]
pub enum PasswordResetError {
    /// The link is unknown, too old or was used, or the account was changed meanwhile.
    #[error("the link is of no use any more")]
    ExpiredOrUsed,
    /// Hashing.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The log did not take the command.
    #[error(transparent)]
    Log(#[from] ExecuteError<UserError>),
    /// The password was reset, but the sessions have not ended yet; a policy goes on.
    #[error(transparent)]
    Sessions(#[from] RevokeError),
}

/// A link that is good, and its account.
#[derive(Debug)]
pub struct GoodLink {
    /// The account.
    pub row: UserRow,
    token: MailToken,
}

/// Mails a link to the account with this address, if there is one, and takes the request away.
///
/// # Errors
/// The database failed.
pub async fn mail_link(
    app: &App,
    request_id: &str,
    email: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<(), MailError> {
    let claim = app.vault.keyring().email_claim_id(email);
    let done = vec![requests::removal(request_id)];
    let person = match email_claims::holder(&app.database, claim).await? {
        Some(user) => Person::find(app, user).await?,
        None => None,
    };
    // A claim for a change that waits is not the account's address yet.
    let is_theirs = |person: &Person| person.row.email_claim_id == claim && !person.row.is_disabled;
    let Some(person) = person.filter(is_theirs) else {
        app.database.execute(done).await?;
        return Ok(());
    };
    let budget = format!("reset/{claim}");
    if !budgets::take(&app.database, &budget, MAILS_AN_HOUR, now).await? {
        app.database.execute(done).await?;
        return Ok(());
    }
    let token = Token::generate()?;
    let made = MailToken {
        user_id: person.row.user_id,
        purpose: Purpose::Reset {
            email_claim_id: claim,
            password_id: person.row.password_id,
        },
    };
    let mail = NewMail {
        id: format!("{request_id}/reset"),
        to: person.at_home()?,
        letter: Letter::ResetPassword(link(app, "reset-password", &token)),
        token: Some((token, made)),
    };
    outbox::put(app, mail, done, now).await
}

/// What a link is good for. Nothing is used up.
///
/// # Errors
/// [`PasswordResetError::ExpiredOrUsed`], or the database failed.
pub async fn find(app: &App, token: &str) -> Result<GoodLink, PasswordResetError> {
    let found = tokens::find(&app.database, token, clock::now()).await?;
    let token = found.ok_or(PasswordResetError::ExpiredOrUsed)?;
    let Purpose::Reset {
        email_claim_id,
        password_id,
    } = token.purpose
    else {
        return Err(PasswordResetError::ExpiredOrUsed);
    };
    let row = users::find(&app.database, token.user_id).await?;
    let is_as_it_was = |row: &UserRow| {
        !row.is_disabled && row.password_id == password_id && row.email_claim_id == email_claim_id
    };
    let row = row.filter(is_as_it_was);
    let row = row.ok_or(PasswordResetError::ExpiredOrUsed)?;
    Ok(GoodLink { row, token })
}

/// Sets the new password, which keeps the rules, and ends every session; the position of the last event.
///
/// # Errors
/// See [`PasswordResetError`].
pub async fn reset(
    app: &App,
    link: &GoodLink,
    new: Password,
    acting: &Acting,
) -> Result<Option<u64>, PasswordResetError> {
    let (user, former) = (link.row.user_id, link.row.password_id);
    let hash = app.passwords.hash(new).await?;
    let position = reset_to(app, user, former, &hash, acting).await?;
    let reason = RevokeReason::PasswordReset;
    let revoked = revocation::revoke_all(app, user, None, reason, acting).await?;
    app.vault.remove_password(user, former).await?;
    tokens::remove(&app.database, link.token).await?;
    // Whoever reads the account's mail is not the stranger who guessed.
    throttle::forgive(app, link.row.email_claim_id).await?;
    Ok(position.max(revoked.position))
}

async fn reset_to(
    app: &App,
    user: UserId,
    replaces: PasswordId,
    hash: &HashedPassword,
    acting: &Acting,
) -> Result<Option<u64>, PasswordResetError> {
    let at = clock::now();
    let command = |password_id| UserCommand::ResetPassword {
        password_id,
        replaces,
        at,
    };
    match password_change::replace(app, user, hash, command, acting).await {
        Err(PasswordResetError::Log(ExecuteError::Refused(
            UserError::PasswordReplaced | UserError::UserDisabled | UserError::NotRegistered,
        ))) => Err(PasswordResetError::ExpiredOrUsed),
        other => other,
    }
}
