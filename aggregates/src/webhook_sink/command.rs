//! What can be asked of a webhook sink.

use chrono::{DateTime, Utc};

use super::WebhookFormat;
use crate::values::{UserId, WebhookSecretId, WebhookSinkId, WebhookSinkName};

/// A wish, with the facts that the decision needs. `at` is the time of deciding.
#[derive(Debug, Clone, PartialEq)]
pub enum WebhookSinkCommand {
    /// Makes the sink.
    Create {
        /// The sink's id, that of the stream.
        webhook_sink_id: WebhookSinkId,
        /// Names the receiver, not a person.
        name: WebhookSinkName,
        /// Scheme, host and port of where it is sent to. The whole address is in the vault.
        origin: String,
        /// The types of events that it gets; none for all.
        event_types: Vec<String>,
        /// How an event is written.
        format: WebhookFormat,
        /// It gets what is behind this position.
        after: u64,
        /// Its secret in the vault.
        secret_id: WebhookSecretId,
        /// The administrator.
        created_by: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Stops the sending for a while.
    Pause {
        /// The administrator.
        by: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Goes on after a pause.
    Resume {
        /// The administrator.
        by: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Gives up for now: the receiver did not take an event.
    Park {
        /// The position that it did not take.
        position: u64,
        /// How often it was tried.
        attempts: u64,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Tries again what it was parked for.
    Retry {
        /// The administrator.
        by: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Takes another secret.
    RotateSecret {
        /// The new secret in the vault.
        secret_id: WebhookSecretId,
        /// The administrator.
        by: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Ends it for good.
    Remove {
        /// The administrator.
        by: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
}
