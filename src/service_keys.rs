//! Service keys: with one a service calls, where a person would sign in.
//!
//! A key is looked up in the database at every call: one that was revoked is refused at once, on every node.

use aggregates::service_key::{ServiceKey, ServiceKeyCommand, ServiceKeyError, ServiceKeyScope};
use aggregates::values::{ServiceKeyId, ServiceKeyName, TokenHash, UserId};
use chrono::{DateTime, Utc};
use eventlog::{Database, DbError, ExecuteError};
use projections::service_keys::{self, ServiceKeyRow};

use crate::app::{Acting, App};
use crate::ports::clock;
use crate::ports::ids::{self, Token};
use crate::token_check::is_well_formed;

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
pub enum ServiceKeysError {
    /// The operating system gave no randomness.
    #[error(transparent)]
    NoRandomness(#[from] ids::NoRandomness),
    /// The log did not take the command.
    #[error(transparent)]
    Log(#[from] ExecuteError<ServiceKeyError>),
}

/// What an administrator wants.
#[derive(Debug)]
pub struct Wanted {
    /// Names the service.
    pub name: ServiceKeyName,
    /// What it may do.
    pub scopes: Vec<ServiceKeyScope>,
    /// Its end, if it has one.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A new key, shown once.
#[derive(Debug)]
pub struct NewServiceKey {
    /// Which.
    pub id: ServiceKeyId,
    /// The key itself.
    pub key: Token,
    /// The position of its event.
    pub position: Option<u64>,
}

/// Makes a key.
///
/// # Errors
/// See [`ServiceKeysError`].
pub async fn create(
    app: &App,
    wanted: Wanted,
    created_by: UserId,
    acting: &Acting,
) -> Result<NewServiceKey, ServiceKeysError> {
    let (id, key) = (ServiceKeyId(ids::new_id()), Token::generate()?);
    let context = acting.creating();
    let command = ServiceKeyCommand::Create {
        service_key_id: id,
        name: wanted.name,
        scopes: wanted.scopes,
        key_hash: key.hash(),
        expires_at: wanted.expires_at,
        created_by,
        at: clock::now(),
    };
    let outcome = app
        .log
        .execute::<ServiceKey>(&id.to_string(), command, &context)
        .await?;
    Ok(NewServiceKey {
        id,
        key,
        position: outcome.position,
    })
}

/// Ends a key; the position of the event. Again: nothing.
///
/// # Errors
/// There is no such key, or the log did not take the command.
pub async fn revoke(
    app: &App,
    id: ServiceKeyId,
    by: UserId,
    acting: &Acting,
) -> Result<Option<u64>, ExecuteError<ServiceKeyError>> {
    let context = acting.command();
    let command = ServiceKeyCommand::Revoke {
        by,
        at: clock::now(),
    };
    let outcome = app
        .log
        .execute::<ServiceKey>(&id.to_string(), command, &context)
        .await?;
    Ok(outcome.position)
}

/// What a service presents as its key.
#[derive(Debug)]
pub enum Presented {
    /// A key that is good now.
    Good(ServiceKeyRow),
    /// One that was, and why it is not any more.
    Ended(ServiceKeyRow, &'static str),
    /// No key.
    Unknown,
}

/// Whether it is a service key that is good now.
///
/// # Errors
/// The database failed; then nobody is let in.
pub async fn check(database: &Database, key: &str) -> Result<Presented, DbError> {
    if !is_well_formed(key) {
        return Ok(Presented::Unknown);
    }
    let hash = TokenHash::from_bytes(ids::token_digest(key));
    let found = service_keys::find_by_hash(database, &hash).await?;
    Ok(found.map_or(Presented::Unknown, |row| of(row, clock::now())))
}

fn of(row: ServiceKeyRow, now: DateTime<Utc>) -> Presented {
    if row.revoked_at.is_some() {
        Presented::Ended(row, "key_revoked")
    } else if row.expires_at.is_some_and(|end| end <= now) {
        Presented::Ended(row, "key_expired")
    } else {
        Presented::Good(row)
    }
}
