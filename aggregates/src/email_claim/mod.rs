//! The claim of one account on one e-mail address. The stream's id is made of the address, so the
//! version check of the log is what makes addresses unique.
//!
//! It never knows the address. "Confirmed" says that the registration was completed, not that a
//! mail arrived.

mod command;
mod error;
mod event;
mod state;

#[cfg(test)]
mod specs;

pub use command::EmailClaimCommand;
pub use error::EmailClaimError;
pub use event::{EVENT_TYPES, EmailClaimEvent, ReleaseReason};
pub use state::EmailClaim;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;

use crate::sink::write_all;
use crate::values::UserId;

impl Aggregate for EmailClaim {
    const TYPE: &'static str = "email_claim";
    type Command = EmailClaimCommand;
    type Event = EmailClaimEvent;
    type Error = EmailClaimError;
    type Services = ();

    async fn handle(
        &mut self,
        command: EmailClaimCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), EmailClaimError> {
        let events = self.decide(command)?;
        write_all(self, events, sink).await;
        Ok(())
    }

    fn apply(&mut self, event: EmailClaimEvent) {
        self.evolve(&event);
    }
}

impl EmailClaim {
    /// What follows from `command`.
    ///
    /// # Errors
    /// The rule that forbids it.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every aggregate decides in this form"
    )]
    pub fn decide(
        &self,
        command: EmailClaimCommand,
    ) -> Result<Vec<EmailClaimEvent>, EmailClaimError> {
        match command {
            EmailClaimCommand::Claim { user_id, at } => match self.holder() {
                None => Ok(vec![EmailClaimEvent::EmailClaimed { user_id, at }]),
                Some(holder) if holder == user_id => Ok(Vec::new()),
                Some(_) => Err(EmailClaimError::EmailTaken),
            },
            EmailClaimCommand::Confirm { user_id, at } => self.decide_confirm(user_id, at),
            EmailClaimCommand::Release {
                user_id,
                reason,
                at,
            } => self.decide_release(user_id, reason, at),
            EmailClaimCommand::ReleaseMadeAt {
                user_id,
                claimed_at,
                reason,
                at,
            } => {
                if self.since().is_some_and(|since| since != claimed_at) {
                    return Err(EmailClaimError::ClaimedAnew);
                }
                self.decide_release(user_id, reason, at)
            }
        }
    }

    fn decide_confirm(
        &self,
        user_id: UserId,
        at: DateTime<Utc>,
    ) -> Result<Vec<EmailClaimEvent>, EmailClaimError> {
        match self {
            Self::Free => Err(EmailClaimError::NotClaimed),
            Self::Claimed {
                user_id: holder, ..
            } => {
                require_same(*holder, user_id)?;
                Ok(vec![EmailClaimEvent::EmailClaimConfirmed { user_id, at }])
            }
            Self::Confirmed {
                user_id: holder, ..
            } => {
                require_same(*holder, user_id)?;
                Ok(Vec::new())
            }
        }
    }

    /// Releasing what is free succeeds, because whoever releases may do so twice.
    fn decide_release(
        &self,
        user_id: UserId,
        reason: ReleaseReason,
        at: DateTime<Utc>,
    ) -> Result<Vec<EmailClaimEvent>, EmailClaimError> {
        let (holder, is_confirmed) = match self {
            Self::Free => return Ok(Vec::new()),
            Self::Claimed { user_id, .. } => (*user_id, false),
            Self::Confirmed { user_id, .. } => (*user_id, true),
        };
        require_same(holder, user_id)?;
        if reason.ends_a_confirmed_claim() != is_confirmed {
            return Err(EmailClaimError::ReasonDoesNotFit);
        }
        Ok(vec![EmailClaimEvent::EmailClaimReleased {
            user_id,
            reason,
            at,
        }])
    }

    /// Who holds the address.
    pub fn holder(&self) -> Option<UserId> {
        match self {
            Self::Free => None,
            Self::Claimed { user_id, .. } | Self::Confirmed { user_id, .. } => Some(*user_id),
        }
    }
}

fn require_same(holder: UserId, user_id: UserId) -> Result<(), EmailClaimError> {
    if holder == user_id {
        Ok(())
    } else {
        Err(EmailClaimError::HeldByAnother)
    }
}
