//! The administrators, all of them in one stream, so that its version check keeps the last one.
//!
//! Every account that is seated here has the role and is not disabled; there may be others who are not seated yet. To
//! keep that true, an account is removed here before its rights are taken away, and added here after they were given.
//! Both name the revision of the account's rights, so that neither can be about rights that are no more.

mod command;
mod error;
mod event;
mod state;

#[cfg(test)]
mod specs;

pub use command::AdministratorsCommand;
pub use error::AdministratorsError;
pub use event::{AdministratorsEvent, EVENT_TYPES};
pub use state::{Administrators, Removal};

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;

use crate::sink::write_all;
use crate::values::UserId;

/// The one stream.
pub const STREAM_ID: &str = "00000000-0000-0000-0000-000000000000";

impl Aggregate for Administrators {
    const TYPE: &'static str = "administrators";
    type Command = AdministratorsCommand;
    type Event = AdministratorsEvent;
    type Error = AdministratorsError;
    type Services = ();

    async fn handle(
        &mut self,
        command: AdministratorsCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), AdministratorsError> {
        let events = self.decide(command)?;
        write_all(self, events, sink).await;
        Ok(())
    }

    fn apply(&mut self, event: AdministratorsEvent) {
        self.evolve(&event);
    }
}

impl Administrators {
    /// What follows from `command`.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn decide(
        &self,
        command: AdministratorsCommand,
    ) -> Result<Vec<AdministratorsEvent>, AdministratorsError> {
        match command {
            AdministratorsCommand::Add {
                user_id,
                rights_revision,
                at,
            } => {
                if self.seated.contains(&user_id) {
                    return Ok(Vec::new());
                }
                if self.was_removed(user_id, rights_revision) {
                    return Err(AdministratorsError::RightsChanged);
                }
                Ok(vec![AdministratorsEvent::AdministratorAdded {
                    user_id,
                    rights_revision,
                    at,
                }])
            }
            AdministratorsCommand::Remove {
                user_id,
                rights_revision,
                disable_reason,
                at,
            } => {
                if !self.seated.contains(&user_id) && self.was_removed(user_id, rights_revision) {
                    return Ok(Vec::new());
                }
                if !self.seated.iter().any(|other| *other != user_id) {
                    return Err(AdministratorsError::LastAdministrator);
                }
                Ok(vec![AdministratorsEvent::AdministratorRemoved {
                    user_id,
                    rights_revision,
                    disable_reason,
                    at,
                }])
            }
        }
    }

    /// Whether it was removed at this revision of its rights, or a later one.
    fn was_removed(&self, user: UserId, rights_revision: u64) -> bool {
        self.removals
            .get(&user)
            .is_some_and(|removal| removal.rights_revision >= rights_revision)
    }
}
