//! What happened to a service key. Stored for ever: fields may be added, with a default, and never changed or taken away.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain_event::domain_event;
use crate::values::{ServiceKeyId, TokenHash, UserId, named};

/// A fact of a service key's life. `at` is when it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceKeyEvent {
    /// The key was made.
    ServiceKeyCreated {
        /// The key's id.
        service_key_id: ServiceKeyId,
        /// Names the service. It is in clear, since it names no person.
        name: String,
        /// What it may do.
        scopes: Vec<ServiceKeyScope>,
        /// The hash of the key.
        key_hash: TokenHash,
        /// Its end, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<DateTime<Utc>>,
        /// The administrator.
        created_by: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The key is good no more.
    ServiceKeyRevoked {
        /// The administrator.
        by: UserId,
        /// When.
        at: DateTime<Utc>,
    },
}

named! {
    /// What a service key may do.
    pub enum ServiceKeyScope {
        /// Reads the log.
        Audit = "audit",
        /// Asks about tokens (RFC 7662).
        Introspect = "introspect",
        /// Ends the sessions of tokens (RFC 7009).
        Revoke = "revoke",
    }
}

domain_event!(ServiceKeyEvent {
    ServiceKeyCreated,
    ServiceKeyRevoked,
});
