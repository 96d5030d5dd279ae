//! The address of an account: confirming it, and changing it in two steps.
//!
//! A request is an event, whoever has the address, so the answer tells nothing. The policy `settle_email_changes` then
//! claims the address and mails a link to it, or tells its owner. The link names the request; the account's stream takes
//! one use of it, and none once the request was taken back or another one came.

use aggregates::user::{EmailCommand, User, UserCommand, UserError};
use aggregates::values::{EmailAddress, UserId};
use eventlog::{DbError, ExecuteError};
use projections::users;

use crate::app::{Acting, App};
use crate::keyring::VaultError;
use crate::mail::letters::Letter;
use crate::mail::outbox::{self, NewMail};
use crate::mail::tokens::{self, MailToken, Purpose};
use crate::mail::{MailError, Person, budgets, link};
use crate::ports::clock;
use crate::ports::ids::{self, Token};

/// Requests of one account in an hour.
const REQUESTS_AN_HOUR: i64 = 5;

/// Links to the own address of one account in an hour.
const LINKS_AN_HOUR: i64 = 3;

/// Why the address is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EmailChangeError {
    /// The account asked too often.
    #[error("too many changes of the address were asked for")]
    TooMany,
    /// The link is unknown, too old or was used, or the account was changed meanwhile.
    #[error("the link is of no use any more")]
    ExpiredOrUsed,
    /// There is no such account any more.
    #[error("there is no such account any more")]
    NoSuchAccount,
    /// Sealing, or the vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The mail was not written.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The log did not take the command.
    #[error(transparent)]
    Log(#[from] ExecuteError<UserError>),
}

/// Asks for another address, in the place of any that was asked for before; the position of the event.
///
/// # Errors
/// See [`EmailChangeError`].
pub async fn request(
    app: &App,
    user: UserId,
    email: &EmailAddress,
    acting: &Acting,
) -> Result<Option<u64>, EmailChangeError> {
    let budget = format!("change/{user}");
    if !budgets::take(&app.database, &budget, REQUESTS_AN_HOUR, clock::now()).await? {
        return Err(EmailChangeError::TooMany);
    }
    let key = app.vault.person_key(user).await?;
    let key = key.ok_or(EmailChangeError::NoSuchAccount)?;
    cancel(app, user, acting).await?;
    let context = acting.command();
    let event_id = eventlog::event_id(context.command_id, 0);
    let sealed = key.seal(event_id, "email", email.as_str());
    let command = EmailCommand::RequestChange {
        email: sealed.map_err(VaultError::from)?,
        email_claim_id: app.vault.keyring().email_claim_id(email),
        at: clock::now(),
    };
    let outcome = app
        .log
        .execute::<User>(&user.to_string(), UserCommand::Email(command), &context)
        .await?;
    Ok(outcome.position)
}

/// Mails a link to the address that the account has, once more.
///
/// # Errors
/// See [`EmailChangeError`].
pub async fn mail_again(app: &App, user: UserId) -> Result<(), EmailChangeError> {
    let person = Person::find(app, user).await?;
    let person = person.ok_or(EmailChangeError::NoSuchAccount)?;
    let email_claim_id = person.row.email_claim_id;
    let budget = format!("confirm/{email_claim_id}");
    if !budgets::take(&app.database, &budget, LINKS_AN_HOUR, clock::now()).await? {
        return Err(EmailChangeError::TooMany);
    }
    let token = Token::generate().map_err(MailError::from)?;
    let made = MailToken {
        user_id: user,
        purpose: Purpose::Confirm { email_claim_id },
    };
    let mail = NewMail {
        id: format!("{user}/{}/confirm", ids::new_id()),
        to: person.at_home()?,
        letter: Letter::ConfirmAddress(link(app, "confirm-email", &token)),
        token: Some((token, made)),
    };
    Ok(outbox::put(app, mail, Vec::new(), clock::now()).await?)
}

/// Takes a request back; the position of the event, if there was one.
///
/// # Errors
/// See [`EmailChangeError`].
pub async fn cancel(
    app: &App,
    user: UserId,
    acting: &Acting,
) -> Result<Option<u64>, EmailChangeError> {
    let command = EmailCommand::CancelChange { at: clock::now() };
    let outcome = app
        .log
        .execute::<User>(
            &user.to_string(),
            UserCommand::Email(command),
            &acting.command(),
        )
        .await?;
    Ok(outcome.position)
}

/// Uses a link that confirms an address; the position of the event.
///
/// # Errors
/// See [`EmailChangeError`].
pub async fn confirm(
    app: &App,
    token: &str,
    acting: &Acting,
) -> Result<Option<u64>, EmailChangeError> {
    let found = tokens::find(&app.database, token, clock::now()).await?;
    let token = found.ok_or(EmailChangeError::ExpiredOrUsed)?;
    let acting = Acting {
        actor: Some(token.user_id.to_string()),
        ..acting.clone()
    };
    let context = acting.command();
    let command = match token.purpose {
        Purpose::Confirm { email_claim_id } => EmailCommand::Verify {
            email_claim_id,
            at: clock::now(),
        },
        Purpose::Change { .. } => completion(app, token, &context).await?,
        Purpose::Reset { .. } => return Err(EmailChangeError::ExpiredOrUsed),
    };
    let command = UserCommand::Email(command);
    let executed = app
        .log
        .execute::<User>(&token.user_id.to_string(), command, &context)
        .await;
    let outcome = executed.map_err(|error| match error {
        ExecuteError::Refused(
            UserError::EmailAlreadyVerified
            | UserError::EmailNotCurrent
            | UserError::EmailChangeNotPending
            | UserError::NotRegistered
            | UserError::UserDisabled,
        ) => EmailChangeError::ExpiredOrUsed,
        other => other.into(),
    })?;
    tokens::remove(&app.database, token).await?;
    Ok(outcome.position)
}

/// The address is sealed anew, for the event that makes it the account's.
async fn completion(
    app: &App,
    token: MailToken,
    context: &eventlog::CommandContext,
) -> Result<EmailCommand, EmailChangeError> {
    let Purpose::Change {
        email_claim_id,
        requested_at,
    } = token.purpose
    else {
        return Err(EmailChangeError::ExpiredOrUsed);
    };
    let row = users::find(&app.database, token.user_id).await?;
    let pending = row.and_then(|row| row.pending_email);
    let is_this = |pending: &users::PendingEmail| {
        pending.email_claim_id == email_claim_id && pending.requested_at == requested_at
    };
    let pending = pending.filter(is_this);
    let pending = pending.ok_or(EmailChangeError::ExpiredOrUsed)?;
    let key = app.vault.person_key(token.user_id).await?;
    let key = key.ok_or(EmailChangeError::ExpiredOrUsed)?;
    let email = key
        .open(pending.email.event_id, "email", &pending.email.text)
        .map_err(VaultError::from)?;
    let event_id = eventlog::event_id(context.command_id, 0);
    let sealed = key.seal(event_id, "email", &email);
    Ok(EmailCommand::CompleteChange {
        email: sealed.map_err(VaultError::from)?,
        email_claim_id,
        requested_at,
        at: clock::now(),
    })
}
