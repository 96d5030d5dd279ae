//! Leaving: a deletion that waits and can be taken back, then the erasure, which cannot.

use chrono::{DateTime, Utc};

use crate::values::Role;

use super::{ErasureCommand, ErasureReason, User, UserError, UserEvent};

impl User {
    /// What follows from a command about the end of the account.
    pub(super) fn decide_erasure(
        &self,
        command: ErasureCommand,
    ) -> Result<Vec<UserEvent>, UserError> {
        match command {
            ErasureCommand::RequestDeletion { erase_at, at } => {
                match self.require_active()?.erase_at {
                    Some(_) => Ok(Vec::new()),
                    None => Ok(vec![UserEvent::UserDeletionRequested { erase_at, at }]),
                }
            }
            ErasureCommand::CancelDeletion { at } => match self.require_active()?.erase_at {
                Some(_) => Ok(vec![UserEvent::UserDeletionCancelled { at }]),
                None => Ok(Vec::new()),
            },
            ErasureCommand::Start { reason, at } => self.decide_start(reason, at),
            ErasureCommand::Finish { at } => match self {
                Self::Erasing => Ok(vec![UserEvent::UserErased { at }]),
                Self::Erased => Ok(Vec::new()),
                Self::Unregistered | Self::Abandoned => Err(UserError::NotRegistered),
                Self::Active(_) | Self::Disabled(_) => Err(UserError::ErasureNotStarted),
            },
        }
    }

    fn decide_start(
        &self,
        reason: ErasureReason,
        at: DateTime<Utc>,
    ) -> Result<Vec<UserEvent>, UserError> {
        let account = match self {
            Self::Active(account) | Self::Disabled(account) => account,
            Self::Erasing | Self::Erased => return Ok(Vec::new()),
            Self::Unregistered | Self::Abandoned => return Err(UserError::NotRegistered),
        };
        let is_due = match reason {
            ErasureReason::ByAdministrator => true,
            // Who is shut out can neither take it back nor be asked.
            ErasureReason::Requested => {
                matches!(self, Self::Active(_)) && account.erase_at.is_some_and(|due| at >= due)
            }
        };
        if !is_due {
            return Err(UserError::ErasureNotDue);
        }
        if account.roles.contains(&Role::Admin) {
            return Err(UserError::StillAdministrator);
        }
        Ok(vec![UserEvent::UserErasureStarted { reason, at }])
    }

    pub(super) fn evolve_erasure(&mut self, event: &UserEvent) {
        match (event, &mut *self) {
            (UserEvent::UserDeletionRequested { erase_at, .. }, Self::Active(account)) => {
                account.erase_at = Some(*erase_at);
            }
            (UserEvent::UserDeletionCancelled { .. }, Self::Active(account)) => {
                account.erase_at = None;
            }
            (UserEvent::UserErasureStarted { .. }, _) => *self = Self::Erasing,
            (UserEvent::UserErased { .. }, _) => *self = Self::Erased,
            _ => {}
        }
    }
}
