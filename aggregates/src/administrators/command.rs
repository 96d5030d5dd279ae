//! What can be asked of the administrators.

use chrono::{DateTime, Utc};

use crate::user::DisableReason;
use crate::values::UserId;

/// A wish, with the facts that the decision needs. `at` is the time of deciding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AdministratorsCommand {
    /// Takes in an account that is an administrator's: it has the role and is not disabled.
    Add {
        /// Who.
        user_id: UserId,
        /// The revision of the account's rights at which that was so.
        rights_revision: u64,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Lets one go, before its account loses the role or is disabled.
    Remove {
        /// Who.
        user_id: UserId,
        /// The revision of the account's rights that the change is decided on.
        rights_revision: u64,
        /// Why the account is to be disabled; nothing when it is to lose the role.
        disable_reason: Option<DisableReason>,
        /// Now.
        at: DateTime<Utc>,
    },
}
