//! What happened to a webhook sink. Stored for ever: fields may be added, with a default, and never changed or taken away.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain_event::domain_event;
use crate::values::{UserId, WebhookSecretId, WebhookSinkId, named};

/// A fact of a webhook sink's life. `at` is when it was decided. What is sent is no event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum WebhookSinkEvent {
    /// The sink was made.
    WebhookSinkCreated {
        /// The sink's id.
        webhook_sink_id: WebhookSinkId,
        /// Names the receiver. It is in clear, since it names no person.
        name: String,
        /// Scheme, host and port of where it is sent to. The whole address, which may hold a secret, is in the vault.
        origin: String,
        /// The types of events that it gets; none for all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        event_types: Vec<String>,
        /// How an event is written.
        format: WebhookFormat,
        /// It gets what is behind this position.
        after: u64,
        /// Its secret in the vault.
        secret_id: WebhookSecretId,
        /// The administrator.
        created_by: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Nothing is sent for a while.
    WebhookSinkPaused {
        /// The administrator.
        by: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The pause is over.
    WebhookSinkResumed {
        /// The administrator.
        by: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The receiver did not take an event, however often it was tried.
    WebhookSinkParked {
        /// The position that it did not take.
        position: u64,
        /// How often it was tried.
        attempts: u64,
        /// When.
        at: DateTime<Utc>,
    },
    /// It is tried again.
    WebhookSinkRetried {
        /// The administrator.
        by: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// It has another secret; the one before signs beside it for a while.
    WebhookSecretRotated {
        /// The new secret in the vault.
        secret_id: WebhookSecretId,
        /// The administrator.
        by: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The sink is no more.
    WebhookSinkRemoved {
        /// The administrator.
        by: UserId,
        /// When.
        at: DateTime<Utc>,
    },
}

named! {
    /// How an event is written when it is sent.
    pub enum WebhookFormat {
        /// The exported line, byte for byte.
        CloudEvents = "cloudevents",
        /// As the Open Cybersecurity Schema Framework has it.
        Ocsf = "ocsf",
    }
}

domain_event!(WebhookSinkEvent {
    WebhookSinkCreated,
    WebhookSinkPaused,
    WebhookSinkResumed,
    WebhookSinkParked,
    WebhookSinkRetried,
    WebhookSecretRotated,
    WebhookSinkRemoved,
});
