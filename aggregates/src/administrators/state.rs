//! Who administers.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::AdministratorsEvent;
use crate::user::DisableReason;
use crate::values::UserId;

/// Those who count, and those who were let go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Administrators {
    /// Each of them has the role and is not disabled.
    pub seated: BTreeSet<UserId>,
    /// The last removal of each who was ever removed.
    pub removals: BTreeMap<UserId, Removal>,
}

/// That an administrator was let go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Removal {
    /// The revision of the account's rights that it was decided on.
    pub rights_revision: u64,
    /// Why the account is to be disabled; nothing when it is to lose the role.
    pub disable_reason: Option<DisableReason>,
    /// When.
    pub at: DateTime<Utc>,
}

impl Administrators {
    pub(super) fn evolve(&mut self, event: &AdministratorsEvent) {
        match *event {
            AdministratorsEvent::AdministratorAdded { user_id, .. } => {
                self.seated.insert(user_id);
            }
            AdministratorsEvent::AdministratorRemoved {
                user_id,
                rights_revision,
                disable_reason,
                at,
            } => {
                self.seated.remove(&user_id);
                let removal = Removal {
                    rights_revision,
                    disable_reason,
                    at,
                };
                self.removals.insert(user_id, removal);
            }
        }
    }
}
