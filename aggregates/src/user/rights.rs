//! Rights: an account's roles, and whether it is let in at all.
//!
//! Every change counts the account's revision up. Whoever takes rights away says which revision they decided on, so that
//! what the administrators were told of the account is still true when it changes.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Account, DisableReason, User, UserError, UserEvent};
use crate::values::Role;

impl User {
    pub(super) fn change_roles(
        &self,
        mut roles: Vec<Role>,
        rights_revision: u64,
        at: DateTime<Utc>,
    ) -> Result<Vec<UserEvent>, UserError> {
        roles.sort_unstable();
        roles.dedup();
        let account = self.require_registered()?;
        let mut present = account.roles.clone();
        present.sort_unstable();
        present.dedup();
        if present == roles {
            return Ok(Vec::new());
        }
        account.require_revision(rights_revision)?;
        Ok(vec![UserEvent::UserRolesChanged { roles, at }])
    }

    pub(super) fn disable(
        &self,
        reason: DisableReason,
        rights_revision: u64,
        at: DateTime<Utc>,
    ) -> Result<Vec<UserEvent>, UserError> {
        match self {
            Self::Active(account) => {
                account.require_revision(rights_revision)?;
                Ok(vec![UserEvent::UserDisabled { reason, at }])
            }
            Self::Disabled(_) => Ok(Vec::new()),
            Self::Unregistered | Self::Abandoned => Err(UserError::NotRegistered),
            Self::Erasing | Self::Erased => Err(UserError::UserErased),
        }
    }

    pub(super) fn enable(
        &self,
        deletion_grace: TimeDelta,
        at: DateTime<Utc>,
    ) -> Result<Vec<UserEvent>, UserError> {
        match self {
            Self::Disabled(account) => {
                let erase_at = at + deletion_grace;
                let postponed = account.erase_at.filter(|due| *due < erase_at);
                let postponed =
                    postponed.map(|_| UserEvent::UserDeletionRequested { erase_at, at });
                let enabled = UserEvent::UserEnabled { at };
                Ok(std::iter::once(enabled).chain(postponed).collect())
            }
            Self::Active(_) => Ok(Vec::new()),
            Self::Unregistered | Self::Abandoned => Err(UserError::NotRegistered),
            Self::Erasing | Self::Erased => Err(UserError::UserErased),
        }
    }

    pub(super) fn require_registered(&self) -> Result<&Account, UserError> {
        match self {
            Self::Active(account) | Self::Disabled(account) => Ok(account),
            Self::Unregistered | Self::Abandoned => Err(UserError::NotRegistered),
            Self::Erasing | Self::Erased => Err(UserError::UserErased),
        }
    }

    pub(super) fn evolve_rights(&mut self, event: UserEvent) {
        if let Self::Active(account) | Self::Disabled(account) = self {
            account.rights_revision = account.rights_revision.saturating_add(1);
        }
        match (event, &mut *self) {
            (
                UserEvent::UserRolesChanged { roles, .. },
                Self::Active(account) | Self::Disabled(account),
            ) => account.roles = roles,
            (UserEvent::UserDisabled { .. }, Self::Active(account)) => {
                *self = Self::Disabled(account.clone());
            }
            (UserEvent::UserEnabled { .. }, Self::Disabled(account)) => {
                *self = Self::Active(account.clone());
            }
            _ => {}
        }
    }
}

impl Account {
    fn require_revision(&self, decided_on: u64) -> Result<(), UserError> {
        if self.rights_revision == decided_on {
            return Ok(());
        }
        Err(UserError::RightsChanged)
    }
}
