//! What can be asked of a service key.

use chrono::{DateTime, Utc};

use super::ServiceKeyScope;
use crate::values::{ServiceKeyId, ServiceKeyName, TokenHash, UserId};

/// A wish, with the facts that the decision needs. `at` is the time of deciding.
#[derive(Debug, Clone, PartialEq)]
pub enum ServiceKeyCommand {
    /// Makes the key.
    Create {
        /// The key's id, that of the stream.
        service_key_id: ServiceKeyId,
        /// Names the service, not a person.
        name: ServiceKeyName,
        /// What it may do; at least one.
        scopes: Vec<ServiceKeyScope>,
        /// The hash of the key.
        key_hash: TokenHash,
        /// Its end, if it has one.
        expires_at: Option<DateTime<Utc>>,
        /// The administrator.
        created_by: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Ends it.
    Revoke {
        /// The administrator.
        by: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
}
