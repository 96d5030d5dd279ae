//! What happened to the administrators. Stored for ever: fields may be added, with a default, and never changed or taken
//! away.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain_event::domain_event;
use crate::user::DisableReason;
use crate::values::UserId;

/// A fact of who administers. `at` is when it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum AdministratorsEvent {
    /// An account counts as an administrator's.
    AdministratorAdded {
        /// Who.
        user_id: UserId,
        /// The revision of the account's rights at which it was one.
        rights_revision: u64,
        /// When.
        at: DateTime<Utc>,
    },
    /// It counts no more. That its account loses the role or is disabled follows.
    AdministratorRemoved {
        /// Who.
        user_id: UserId,
        /// The revision of the account's rights that this was decided on.
        rights_revision: u64,
        /// Why the account is to be disabled; nothing when it is to lose the role.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disable_reason: Option<DisableReason>,
        /// When.
        at: DateTime<Utc>,
    },
}

domain_event!(AdministratorsEvent {
    AdministratorAdded,
    AdministratorRemoved,
});
