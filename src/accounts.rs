//! Making an account: the one use case that spans two streams.
//!
//! The claim on the address comes first; its stream's version check lets exactly one of two racing
//! registrations win. Then the account. A claim whose account never came is released by a policy, which first
//! fences the account's stream, so that a registration that was only slow cannot slip in afterwards.

use std::net::IpAddr;

use aggregates::email_claim::{EmailClaim, EmailClaimCommand, EmailClaimError};
use aggregates::user::{User, UserCommand, UserError};
use aggregates::values::{DisplayName, EmailAddress, EmailClaimId, Role, UserId};
use chrono::{DateTime, Utc};
use eventlog::{AppendError, CommandContext, DbError, ExecuteError};
use projections::users::{self, SealedField};

use crate::app::{Acting, App};
use crate::keyring::{PersonKey, Vault, VaultError};
use crate::mail::devices;
use crate::ports::passwords::HashedPassword;
use crate::ports::{clock, ids};
use crate::throttle::{self, ThrottleError};

/// A person who registers; every field is checked.
#[derive(Debug)]
pub struct NewAccount {
    /// The address.
    pub email: EmailAddress,
    /// The name.
    pub name: Option<DisplayName>,
    /// Roles; through HTTP always none.
    pub roles: Vec<Role>,
    /// Whether the address was confirmed by mail before.
    pub is_email_verified: bool,
}

/// A registered account.
#[derive(Debug)]
pub struct Registered {
    /// Who.
    pub user_id: UserId,
    /// When.
    pub at: DateTime<Utc>,
    /// The position of the registration.
    pub position: Option<u64>,
}

/// Why nobody was registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Another account has the address.
    #[error("the address is taken")]
    EmailTaken,
    /// The log did not take a command.
    #[error("{0}")]
    Log(String),
    /// The log may have taken a command.
    #[error("whether somebody was registered is not known")]
    OutcomeUnknown,
    /// As above, because too much is waiting.
    #[error("too much is waiting")]
    Overloaded,
    /// Sealing or the vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl RegisterError {
    /// Whether nothing was registered for certain.
    fn is_certain(&self) -> bool {
        !matches!(self, Self::OutcomeUnknown)
    }
}

/// Registers an account with the hash of its password. Nothing is left behind when it fails, or only a
/// claim that the policy releases. What a node leaves that dies before the claim, `sweep_person_keys` removes.
///
/// # Errors
/// The address is taken, or a part that it needs failed.
pub async fn register(
    log: &eventlog::Log,
    vault: &Vault,
    account: &NewAccount,
    password: &HashedPassword,
    acting: &Acting,
) -> Result<Registered, RegisterError> {
    let user_id = UserId::from(ids::new_id());
    let at = clock::now();
    let claim_id = vault.keyring().email_claim_id(&account.email);
    let key = vault.create_person(user_id, password, at).await?;
    let registered = claim_and_register(log, account, user_id, claim_id, &key, acting, at).await;
    // Only where it is certain that there is no account; else the policy that releases claims finds out.
    if let Err(error) = &registered
        && error.is_certain()
    {
        vault.remove_person(user_id).await?;
    }
    let position = registered?;
    Ok(Registered {
        user_id,
        at,
        position,
    })
}

/// Remembers from where a person has registered themselves. Without it they are told of their first sign-in, which does no
/// harm; so this does not fail.
pub async fn remember_network(app: &App, user: UserId, ip: IpAddr) {
    let remembered = async {
        let key = app.vault.person_key(user).await?;
        if let Some(key) = key {
            let remember = devices::remember_registration(&key, user, ip, clock::now());
            app.database.execute(remember).await?;
        }
        Ok::<_, VaultError>(())
    };
    if let Err(error) = remembered.await {
        tracing::warn!(%user, %error, "the network of a registration is not remembered");
    }
}

async fn claim_and_register(
    log: &eventlog::Log,
    account: &NewAccount,
    user_id: UserId,
    claim_id: EmailClaimId,
    key: &PersonKey,
    acting: &Acting,
    at: DateTime<Utc>,
) -> Result<Option<u64>, RegisterError> {
    let acting = Acting {
        actor: acting.actor.clone().or(Some(user_id.to_string())),
        ..acting.clone()
    };
    let claim = EmailClaimCommand::Claim { user_id, at };
    log.execute::<EmailClaim>(&claim_id.to_string(), claim, &acting.command())
        .await
        .map_err(of_claim)?;
    let context = acting.creating();
    let command = register_command(account, user_id, claim_id, key, &context, at)?;
    let outcome = log
        .execute::<User>(&user_id.to_string(), command, &context)
        .await;
    Ok(outcome.map_err(|error| of_log(&error))?.position)
}

fn register_command(
    account: &NewAccount,
    user_id: UserId,
    email_claim_id: EmailClaimId,
    key: &PersonKey,
    context: &CommandContext,
    at: DateTime<Utc>,
) -> Result<UserCommand, VaultError> {
    let event_id = eventlog::event_id(context.command_id, 0);
    let name = account.name.as_ref();
    Ok(UserCommand::Register {
        user_id,
        email: key.seal(event_id, "email", account.email.as_str())?,
        email_claim_id,
        name: name
            .map(|name| key.seal(event_id, "name", name.as_str()))
            .transpose()?,
        roles: account.roles.clone(),
        is_email_verified: account.is_email_verified,
        at,
    })
}

fn of_claim(error: ExecuteError<EmailClaimError>) -> RegisterError {
    match error {
        // A conflict means that another registration of the same address has just won the stream.
        ExecuteError::Refused(EmailClaimError::EmailTaken) | ExecuteError::Conflict => {
            RegisterError::EmailTaken
        }
        other => of_log(&other),
    }
}

fn of_log<E: std::error::Error>(error: &ExecuteError<E>) -> RegisterError {
    match error {
        ExecuteError::Overloaded => RegisterError::Overloaded,
        ExecuteError::Append(
            AppendError::OutcomeUnknown | AppendError::Database(DbError::Closed),
        ) => RegisterError::OutcomeUnknown,
        other => RegisterError::Log(other.to_string()),
    }
}

/// What a new password may not have in it.
pub fn identity(email: Option<&EmailAddress>, name: Option<&DisplayName>) -> Vec<String> {
    email
        .map(EmailAddress::as_str)
        .into_iter()
        .chain(name.map(DisplayName::as_str))
        .map(str::to_owned)
        .collect()
}

/// Why a name is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeNameError {
    /// Sealing failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The person's key is gone, and with it the account.
    #[error("there is no such account any more")]
    NoSuchAccount,
    /// Too many changes.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The log did not take the command.
    #[error(transparent)]
    Log(#[from] ExecuteError<UserError>),
}

/// Sets the name of an account, or takes it away; the position of the event, if there was one. The name that it has
/// already is no change: sealed anew it looks like another one, so that is told here.
///
/// # Errors
/// See [`ChangeNameError`].
pub async fn change_name(
    app: &App,
    user: UserId,
    name: Option<&DisplayName>,
    acting: &Acting,
) -> Result<Option<u64>, ChangeNameError> {
    let context = acting.command();
    let key = app.vault.person_key(user).await?;
    let key = key.ok_or(ChangeNameError::NoSuchAccount)?;
    let row = users::find(&app.database, user).await?;
    let row = row.ok_or(ChangeNameError::NoSuchAccount)?;
    let open = |name: &SealedField| key.open(name.event_id, "name", &name.text);
    let present = row.name.as_ref().map(open).transpose();
    if present.map_err(VaultError::from)?.as_deref() == name.map(DisplayName::as_str) {
        return Ok(None);
    }
    throttle::charge_name_change(app, user).await?;
    let event_id = eventlog::event_id(context.command_id, 0);
    let sealed = name.map(|name| key.seal(event_id, "name", name.as_str()));
    let command = UserCommand::ChangeName {
        name: sealed.transpose().map_err(VaultError::from)?,
        at: clock::now(),
    };
    let outcome = app
        .log
        .execute::<User>(&user.to_string(), command, &context)
        .await?;
    Ok(outcome.position)
}
