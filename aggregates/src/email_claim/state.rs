//! The life of a claim.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::EmailClaimEvent;
use crate::values::UserId;

/// The stage of a claim's life. A released claim is free again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum EmailClaim {
    /// Nobody has the address.
    #[default]
    Free,
    /// Taken for a registration that is under way.
    Claimed {
        /// For whom.
        user_id: UserId,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// The address of a registered account.
    Confirmed {
        /// Whose.
        user_id: UserId,
        /// Since when it was claimed.
        #[serde(default)]
        since: DateTime<Utc>,
    },
}

impl EmailClaim {
    /// When the claim was made.
    pub fn since(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Free => None,
            Self::Claimed { since, .. } | Self::Confirmed { since, .. } => Some(*since),
        }
    }

    pub(super) fn evolve(&mut self, event: &EmailClaimEvent) {
        *self = match event {
            EmailClaimEvent::EmailClaimed { user_id, at } => Self::Claimed {
                user_id: *user_id,
                since: *at,
            },
            EmailClaimEvent::EmailClaimConfirmed { user_id, at } => Self::Confirmed {
                user_id: *user_id,
                since: self.since().unwrap_or(*at),
            },
            EmailClaimEvent::EmailClaimReleased { .. } => Self::Free,
        };
    }
}
