//! A service key: made, revoked. With it a service calls, where a person would sign in.
//!
//! It never knows the key, only its hash.

mod command;
mod error;
mod event;
mod state;

#[cfg(test)]
mod specs;

pub use command::ServiceKeyCommand;
pub use error::ServiceKeyError;
pub use event::{EVENT_TYPES, ServiceKeyEvent, ServiceKeyScope};
pub use state::ServiceKey;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;

use crate::sink::write_all;

impl Aggregate for ServiceKey {
    const TYPE: &'static str = "service_key";
    type Command = ServiceKeyCommand;
    type Event = ServiceKeyEvent;
    type Error = ServiceKeyError;
    type Services = ();

    async fn handle(
        &mut self,
        command: ServiceKeyCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), ServiceKeyError> {
        let events = self.decide(command)?;
        write_all(self, events, sink).await;
        Ok(())
    }

    fn apply(&mut self, event: ServiceKeyEvent) {
        self.evolve(&event);
    }
}

impl ServiceKey {
    /// What follows from `command`.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn decide(
        &self,
        command: ServiceKeyCommand,
    ) -> Result<Vec<ServiceKeyEvent>, ServiceKeyError> {
        match command {
            ServiceKeyCommand::Create {
                service_key_id,
                name,
                mut scopes,
                key_hash,
                expires_at,
                created_by,
                at,
            } => {
                if *self != Self::NotCreated {
                    return Err(ServiceKeyError::AlreadyCreated);
                }
                if expires_at.is_some_and(|end| end <= at) {
                    return Err(ServiceKeyError::ExpiresInThePast);
                }
                scopes.sort_unstable();
                scopes.dedup();
                if scopes.is_empty() {
                    return Err(ServiceKeyError::NoScope);
                }
                Ok(vec![ServiceKeyEvent::ServiceKeyCreated {
                    service_key_id,
                    name: name.as_str().to_owned(),
                    scopes,
                    key_hash,
                    expires_at,
                    created_by,
                    at,
                }])
            }
            ServiceKeyCommand::Revoke { by, at } => match self {
                Self::Active => Ok(vec![ServiceKeyEvent::ServiceKeyRevoked { by, at }]),
                Self::Revoked => Ok(Vec::new()),
                Self::NotCreated => Err(ServiceKeyError::NotCreated),
            },
        }
    }
}
