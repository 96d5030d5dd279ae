//! What happened to the claim on an address. Stored for ever: fields may be added, with a default,
//! and never changed or taken away.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain_event::domain_event;
use crate::values::{UserId, named};

/// A fact of a claim's life. `at` is when it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum EmailClaimEvent {
    /// An account that is about to be registered took the address.
    EmailClaimed {
        /// The account.
        user_id: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The account was registered.
    EmailClaimConfirmed {
        /// The account.
        user_id: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The address is free again.
    EmailClaimReleased {
        /// The account that held it.
        user_id: UserId,
        /// Why.
        reason: ReleaseReason,
        /// When.
        at: DateTime<Utc>,
    },
}

named! {
    /// Why an address was given back.
    pub enum ReleaseReason {
        /// The registration never came.
        RegistrationAbandoned = "registration_abandoned",
        /// The account was erased.
        AccountErased = "account_erased",
        /// The account has another address now.
        EmailChanged = "email_changed",
        /// A change to the address was taken back, or never confirmed.
        EmailChangeCancelled = "email_change_cancelled",
    }
}

impl ReleaseReason {
    /// Whether it is a reason to give up the address of a registered account, rather than that of
    /// one that never came to be.
    pub fn ends_a_confirmed_claim(self) -> bool {
        match self {
            Self::RegistrationAbandoned | Self::EmailChangeCancelled => false,
            Self::AccountErased | Self::EmailChanged => true,
        }
    }
}

domain_event!(EmailClaimEvent {
    EmailClaimed,
    EmailClaimConfirmed,
    EmailClaimReleased
});
