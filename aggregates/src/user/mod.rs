//! A person's account: registered, named, disabled, enabled, erased.
//!
//! It never knows the address or name in clear, nor of a password more than which one it is.

mod command;
mod email;
mod erasure;
mod error;
mod event;
mod rights;
mod second_factor;
mod second_factor_failures;
mod sign_in_failures;
mod state;

#[cfg(test)]
mod email_specs;
#[cfg(test)]
mod erasure_specs;
#[cfg(test)]
mod rights_specs;
#[cfg(test)]
mod second_factor_failures_specs;
#[cfg(test)]
mod second_factor_specs;
#[cfg(test)]
mod sign_in_failures_specs;
#[cfg(test)]
mod specs;

pub use command::{
    EmailCommand, ErasureCommand, SecondFactorCommand, SignInFailuresCommand, UserCommand,
};
pub use error::UserError;
pub use event::{DisableReason, EVENT_TYPES, ErasureReason, SecondFactorStage, UserEvent};
pub use state::{
    Account, CodeFloods, PendingEmail, RecoveryCodes, SecondFactor, SignInFlood, User,
};

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;

use crate::sink::write_all;

impl Aggregate for User {
    const TYPE: &'static str = "user";
    type Command = UserCommand;
    type Event = UserEvent;
    type Error = UserError;
    type Services = ();

    async fn handle(
        &mut self,
        command: UserCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), UserError> {
        let events = self.decide(command)?;
        write_all(self, events, sink).await;
        Ok(())
    }

    fn apply(&mut self, event: UserEvent) {
        self.evolve(event);
    }
}

impl User {
    /// What follows from `command`.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn decide(&self, command: UserCommand) -> Result<Vec<UserEvent>, UserError> {
        match command {
            UserCommand::Register {
                user_id,
                email,
                email_claim_id,
                name,
                roles,
                is_email_verified,
                at,
            } => {
                self.require_untouched()?;
                let registered = UserEvent::UserRegistered {
                    user_id,
                    email,
                    email_claim_id,
                    name,
                    roles,
                    at,
                };
                let verified = UserEvent::EmailVerified { email_claim_id, at };
                let verified = is_email_verified.then_some(verified);
                Ok([registered].into_iter().chain(verified).collect())
            }
            UserCommand::AbandonRegistration { at } => match self {
                Self::Unregistered => Ok(vec![UserEvent::UserRegistrationAbandoned { at }]),
                Self::Abandoned => Ok(Vec::new()),
                Self::Active(_) | Self::Disabled(_) | Self::Erasing | Self::Erased => {
                    Err(UserError::AlreadyRegistered)
                }
            },
            UserCommand::ChangeName { name, at } => {
                let account = self.require_active()?;
                if name.is_none() && !account.has_name {
                    return Ok(Vec::new());
                }
                Ok(vec![UserEvent::UserNameChanged { name, at }])
            }
            command @ (UserCommand::ChangePassword { .. } | UserCommand::ResetPassword { .. }) => {
                self.decide_password(&command)
            }
            // Also of an account that is shut out, so that it holds nobody's address for ever.
            UserCommand::Email(command @ EmailCommand::CancelChange { .. }) => {
                self.require_registered()?.decide_email(command)
            }
            UserCommand::Email(command) => self.require_active()?.decide_email(command),
            UserCommand::SecondFactor(command) => {
                self.require_active()?.decide_second_factor(command)
            }
            UserCommand::Erasure(command) => self.decide_erasure(command),
            UserCommand::ChangeRoles {
                roles,
                rights_revision,
                at,
            } => self.change_roles(roles, rights_revision, at),
            UserCommand::Disable {
                reason,
                rights_revision,
                at,
            } => self.disable(reason, rights_revision, at),
            UserCommand::Enable { deletion_grace, at } => self.enable(deletion_grace, at),
            UserCommand::SignInFailures(command) => self.decide_sign_in_failures(command),
            UserCommand::SecondFactorFailures(stage, command) => {
                self.decide_second_factor_failures(stage, command)
            }
        }
    }

    /// Whoever knew the former password may have asked for another address, or for the end of the account: that ends
    /// with it.
    fn decide_password(&self, command: &UserCommand) -> Result<Vec<UserEvent>, UserError> {
        let (replaces, event, at) = match *command {
            UserCommand::ChangePassword {
                password_id,
                replaces,
                from_session,
                end_other_sessions,
                at,
            } => {
                let changed = UserEvent::PasswordChanged {
                    password_id,
                    replaced: replaces,
                    from_session,
                    end_other_sessions,
                    at,
                };
                (replaces, changed, at)
            }
            UserCommand::ResetPassword {
                password_id,
                replaces,
                at,
            } => {
                let reset = UserEvent::PasswordReset {
                    password_id,
                    replaced: replaces,
                    at,
                };
                (replaces, reset, at)
            }
            _ => return Ok(Vec::new()),
        };
        let account = self.require_active()?;
        if account.password_id != replaces {
            return Err(UserError::PasswordReplaced);
        }
        // The link of a reset went to the address, which an account keeps as long as it is not verified.
        let is_by_mail = matches!(event, UserEvent::PasswordReset { .. });
        let verified = (is_by_mail && !account.is_email_verified).then_some({
            let email_claim_id = account.email_claim_id;
            UserEvent::EmailVerified { email_claim_id, at }
        });
        let address = account.cancelled_change(at);
        let deletion = account.erase_at;
        let deletion = deletion.map(|_| UserEvent::UserDeletionCancelled { at });
        let rest = verified.into_iter().chain(address).chain(deletion);
        Ok([event].into_iter().chain(rest).collect())
    }

    fn require_untouched(&self) -> Result<(), UserError> {
        match self {
            Self::Unregistered => Ok(()),
            Self::Abandoned => Err(UserError::RegistrationAbandoned),
            Self::Active(_) | Self::Disabled(_) | Self::Erasing | Self::Erased => {
                Err(UserError::AlreadyRegistered)
            }
        }
    }

    fn require_active(&self) -> Result<&Account, UserError> {
        match self {
            Self::Active(account) => Ok(account),
            Self::Disabled(_) => Err(UserError::UserDisabled),
            Self::Unregistered | Self::Abandoned => Err(UserError::NotRegistered),
            Self::Erasing | Self::Erased => Err(UserError::UserErased),
        }
    }
}
