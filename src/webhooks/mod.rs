//! Webhooks: the log, sent to whoever an administrator names, signed, in order and at least once.
//!
//! What happens to a sink is in the log; its secret and its whole address are in the vault, and how far it has come is in
//! a table of its own: what is sent is no event.

mod address;
mod client;
pub mod deliveries;
mod message;
pub mod sender;
mod signature;

use aggregates::values::{UserId, WebhookSecretId, WebhookSinkId, WebhookSinkName};
use aggregates::webhook_sink::{WebhookFormat, WebhookSink, WebhookSinkCommand, WebhookSinkError};
use chrono::TimeDelta;
use eventlog::{DbError, ExecuteError};
use projections::webhook_sinks;
use zeroize::Zeroizing;

use crate::app::{Acting, App};
use crate::keyring::VaultError;
use crate::ports::clock;
use crate::ports::ids::{self, NoRandomness};

pub use address::BadAddress;
pub use client::WebhookClient;
pub use signature::WebhookSecret;

/// Sinks of a server; each has a task.
pub const SINKS_MAX: u64 = 64;
/// For how long a secret still signs beside the one that came in its place.
pub const FORMER_SECRET_SIGNS: TimeDelta = TimeDelta::hours(24);

/// Why something with webhooks did not work.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The operating system gave no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The log did not take the command.
    #[error(transparent)]
    Log(#[from] ExecuteError<WebhookSinkError>),
    /// The address may not be sent to.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// There are as many sinks as a server has.
    #[error("there are as many webhook sinks as a server has")]
    TooMany,
    /// It would begin behind the end of the log, and miss what comes to stand there.
    #[error("the log ends at {head}, before position {after}")]
    BeyondHead {
        /// Where it was to begin.
        after: u64,
        /// Where the log ends.
        head: u64,
    },
}

/// What an administrator wants.
#[derive(Debug)]
pub struct Wanted {
    /// Names the receiver.
    pub name: WebhookSinkName,
    /// Where it is sent to.
    pub url: String,
    /// The types of events; none for all.
    pub event_types: Vec<String>,
    /// How an event is written.
    pub format: WebhookFormat,
    /// From where on; without it, from the log's head.
    pub after: Option<u64>,
}

/// What an administrator gets to see once.
#[derive(Debug)]
pub struct Made {
    /// The sink.
    pub id: WebhookSinkId,
    /// The secret's text.
    pub secret: Zeroizing<String>,
    /// The position of the event.
    pub position: Option<u64>,
}

/// Makes a sink. What is written before its event, and has none in the end, is swept.
///
/// # Errors
/// See [`WebhooksError`].
pub async fn create(
    app: &App,
    wanted: Wanted,
    by: UserId,
    acting: &Acting,
) -> Result<Made, WebhooksError> {
    let url = address::check_url(&wanted.url, app.config.webhooks.allow_private)?;
    if webhook_sinks::count(&app.database).await? >= SINKS_MAX {
        return Err(WebhooksError::TooMany);
    }
    let head = app.log.head().await?;
    let after = wanted.after.unwrap_or(head);
    if after > head {
        return Err(WebhooksError::BeyondHead { after, head });
    }
    let (id, secret_id) = (WebhookSinkId(ids::new_id()), WebhookSecretId(ids::new_id()));
    let secret = WebhookSecret::generate()?;
    let now = clock::now();
    let sealed_url = app.vault.seal_webhook_url(id, url.as_str())?;
    let statements = vec![
        app.vault
            .insert_webhook_secret(id, secret_id, &secret, now)?,
        deliveries::insert(id, sealed_url, after, now),
    ];
    app.database.execute(statements).await?;
    let command = WebhookSinkCommand::Create {
        webhook_sink_id: id,
        name: wanted.name,
        origin: url.origin().ascii_serialization(),
        event_types: wanted.event_types,
        format: wanted.format,
        after,
        secret_id,
        created_by: by,
        at: now,
    };
    let context = acting.creating();
    let outcome = app
        .log
        .execute::<WebhookSink>(&id.to_string(), command, &context)
        .await?;
    Ok(Made {
        id,
        secret: secret.text(),
        position: outcome.position,
    })
}

/// Gives a sink another secret; the one before signs beside it for a while.
///
/// # Errors
/// See [`WebhooksError`].
pub async fn rotate_secret(
    app: &App,
    id: WebhookSinkId,
    by: UserId,
    acting: &Acting,
) -> Result<Made, WebhooksError> {
    if webhook_sinks::find(&app.database, id).await?.is_none() {
        return Err(ExecuteError::Refused(WebhookSinkError::NotThere).into());
    }
    let (secret_id, secret) = (WebhookSecretId(ids::new_id()), WebhookSecret::generate()?);
    let now = clock::now();
    let kept = app
        .vault
        .insert_webhook_secret(id, secret_id, &secret, now)?;
    app.database.execute(vec![kept]).await?;
    let command = WebhookSinkCommand::RotateSecret {
        secret_id,
        by,
        at: now,
    };
    let position = act(app, id, command, acting).await?;
    Ok(Made {
        id,
        secret: secret.text(),
        position,
    })
}

/// Does something to a sink; the position of the event, if there was one.
///
/// # Errors
/// There is no such sink, or the log did not take the command.
pub async fn act(
    app: &App,
    id: WebhookSinkId,
    command: WebhookSinkCommand,
    acting: &Acting,
) -> Result<Option<u64>, WebhooksError> {
    let is_the_end = matches!(command, WebhookSinkCommand::Remove { .. });
    let context = acting.command();
    let outcome = app
        .log
        .execute::<WebhookSink>(&id.to_string(), command, &context)
        .await?;
    if is_the_end {
        app.database.execute(deliveries::removals(id)).await?;
    }
    Ok(outcome.position)
}
