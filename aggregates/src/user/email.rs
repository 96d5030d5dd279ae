//! The address: verified by a mail, changed in two steps, each request good once.

use chrono::{DateTime, Utc};

use super::{Account, EmailCommand, PendingEmail, UserError, UserEvent};

impl Account {
    pub(super) fn decide_email(&self, command: EmailCommand) -> Result<Vec<UserEvent>, UserError> {
        match command {
            EmailCommand::Verify { email_claim_id, at } => {
                if email_claim_id != self.email_claim_id {
                    return Err(UserError::EmailNotCurrent);
                }
                if self.is_email_verified {
                    return Err(UserError::EmailAlreadyVerified);
                }
                Ok(vec![UserEvent::EmailVerified { email_claim_id, at }])
            }
            EmailCommand::RequestChange {
                email,
                email_claim_id,
                at,
            } => {
                if email_claim_id == self.email_claim_id {
                    return Err(UserError::EmailUnchanged);
                }
                if self.pending_email.is_some() {
                    return Err(UserError::EmailChangePending);
                }
                Ok(vec![UserEvent::EmailChangeRequested {
                    email,
                    email_claim_id,
                    at,
                }])
            }
            EmailCommand::CancelChange { at } => {
                Ok(self.cancelled_change(at).into_iter().collect())
            }
            EmailCommand::CompleteChange {
                email,
                email_claim_id,
                requested_at,
                at,
            } => {
                let wanted = PendingEmail {
                    email_claim_id,
                    requested_at,
                };
                if self.pending_email != Some(wanted) {
                    return Err(UserError::EmailChangeNotPending);
                }
                Ok(vec![UserEvent::EmailChanged {
                    email,
                    email_claim_id,
                    claimed_at: requested_at,
                    replaced: self.email_claim_id,
                    replaced_claimed_at: self.email_claimed_at,
                    at,
                }])
            }
        }
    }

    /// What takes back the change that waits, if one does.
    pub(super) fn cancelled_change(&self, at: DateTime<Utc>) -> Option<UserEvent> {
        self.pending_email
            .map(|pending| UserEvent::EmailChangeCancelled {
                email_claim_id: pending.email_claim_id,
                requested_at: pending.requested_at,
                at,
            })
    }

    pub(super) fn evolve_email(&mut self, event: &UserEvent) {
        match event {
            UserEvent::EmailVerified { .. } => self.is_email_verified = true,
            UserEvent::EmailChangeRequested {
                email_claim_id, at, ..
            } => {
                self.pending_email = Some(PendingEmail {
                    email_claim_id: *email_claim_id,
                    requested_at: *at,
                });
            }
            UserEvent::EmailChangeCancelled { .. } => self.pending_email = None,
            UserEvent::EmailChanged {
                email_claim_id,
                claimed_at,
                ..
            } => {
                self.email_claim_id = *email_claim_id;
                self.email_claimed_at = *claimed_at;
                self.is_email_verified = true;
                self.pending_email = None;
            }
            _ => {}
        }
    }
}
