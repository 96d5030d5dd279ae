//! Making an account: the one use case that spans two streams.
//!
//! The claim on the address comes first; its stream's version check lets exactly one of two racing
//! registrations win. Then the account. A claim whose account never came is released by a policy, which first
//! fences the account's stream, so that a registration that was only slow cannot slip in afterwards.

use aggregates::email_claim::{EmailClaim, EmailClaimCommand, EmailClaimError};
use aggregates::user::{User, UserCommand};
use aggregates::values::{DisplayName, EmailAddress, EmailClaimId, PasswordPolicy, Role, UserId};
use chrono::{DateTime, Utc};
use eventlog::{CommandContext, ExecuteError};
use zeroize::Zeroizing;

use crate::app::Acting;
use crate::keyring::{PersonKey, Vault, VaultError};
use crate::ports::{clock, ids};

/// A person who registers; every field is checked.
#[derive(Debug)]
pub struct NewAccount {
    /// The address.
    pub email: EmailAddress,
    /// The name.
    pub name: Option<DisplayName>,
    /// Roles; through HTTP always none.
    pub roles: Vec<Role>,
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
    /// As above, because too much is waiting.
    #[error("too much is waiting")]
    Overloaded,
    /// Sealing or the vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Registers an account whose password was hashed to `phc`. Nothing is left behind when it fails, or only a
/// claim that the policy releases.
///
/// # Errors
/// The address is taken, or a part that it needs failed.
pub async fn register(
    log: &eventlog::Log,
    vault: &Vault,
    account: &NewAccount,
    phc: &Zeroizing<String>,
    acting: &Acting,
) -> Result<Registered, RegisterError> {
    let user_id = UserId::from(ids::new_id());
    let at = clock::now();
    let claim_id = vault.keyring().email_claim_id(&account.email);
    let key = vault.create_person(user_id, phc, at).await?;
    let registered = claim_and_register(log, account, user_id, claim_id, &key, acting, at).await;
    if registered.is_err() {
        vault.remove_person(user_id).await?;
    }
    let position = registered?;
    Ok(Registered {
        user_id,
        at,
        position,
    })
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
    log.execute::<EmailClaim>(&claim_id.to_string(), claim, &context(&acting, false))
        .await
        .map_err(of_claim)?;
    let context = context(&acting, true);
    let command = register_command(account, user_id, claim_id, key, &context, at)?;
    let outcome = log
        .execute::<User>(&user_id.to_string(), command, &context)
        .await;
    Ok(outcome.map_err(|error| of_log(&error))?.position)
}

fn context(acting: &Acting, creates: bool) -> CommandContext {
    CommandContext {
        command_id: ids::new_id(),
        metadata: acting.metadata(),
        creates,
    }
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
        other => RegisterError::Log(other.to_string()),
    }
}

/// Every rule that a new password breaks.
pub fn password_failures(
    policy: &PasswordPolicy,
    password: &str,
    email: Option<&EmailAddress>,
    name: Option<&DisplayName>,
) -> Vec<aggregates::values::PasswordFailure> {
    let identity: Vec<&str> = email
        .map(EmailAddress::as_str)
        .into_iter()
        .chain(name.map(DisplayName::as_str))
        .collect();
    policy.check(password, &identity)
}
