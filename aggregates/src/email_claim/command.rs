//! What can be asked of a claim.

use chrono::{DateTime, Utc};

use super::ReleaseReason;
use crate::values::UserId;

/// A wish, with the facts that the decision needs. `at` is the time of deciding.
#[derive(Debug, Clone, PartialEq)]
pub enum EmailClaimCommand {
    /// Takes the address for an account that is about to be registered.
    Claim {
        /// The account.
        user_id: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Says that the account exists now.
    Confirm {
        /// The account.
        user_id: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Gives the address back.
    Release {
        /// The account that held it.
        user_id: UserId,
        /// Why.
        reason: ReleaseReason,
        /// Now.
        at: DateTime<Utc>,
    },
    /// As `Release`, of the claim that was made at a certain time and of no later one.
    ReleaseMadeAt {
        /// The account that held it.
        user_id: UserId,
        /// When the claim was made.
        claimed_at: DateTime<Utc>,
        /// Why.
        reason: ReleaseReason,
        /// Now.
        at: DateTime<Utc>,
    },
}
