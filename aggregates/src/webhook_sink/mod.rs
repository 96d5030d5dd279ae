//! A webhook sink: made, paused and resumed, parked and retried, given another secret, removed.
//!
//! It never knows the secret nor the whole address; those are in the vault.

mod command;
mod error;
mod event;
mod state;

#[cfg(test)]
mod specs;

pub use command::WebhookSinkCommand;
pub use error::WebhookSinkError;
pub use event::{EVENT_TYPES, WebhookFormat, WebhookSinkEvent};
pub use state::WebhookSink;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;

use crate::sink::write_all;

impl Aggregate for WebhookSink {
    const TYPE: &'static str = "webhook_sink";
    type Command = WebhookSinkCommand;
    type Event = WebhookSinkEvent;
    type Error = WebhookSinkError;
    type Services = ();

    async fn handle(
        &mut self,
        command: WebhookSinkCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), WebhookSinkError> {
        let events = self.decide(command)?;
        write_all(self, events, sink).await;
        Ok(())
    }

    fn apply(&mut self, event: WebhookSinkEvent) {
        self.evolve(&event);
    }
}

impl WebhookSink {
    /// What follows from `command`.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn decide(
        &self,
        command: WebhookSinkCommand,
    ) -> Result<Vec<WebhookSinkEvent>, WebhookSinkError> {
        match (self, command) {
            (Self::NotCreated, command @ WebhookSinkCommand::Create { .. }) => Ok(create(command)),
            (_, WebhookSinkCommand::Create { .. }) => Err(WebhookSinkError::AlreadyCreated),
            (Self::Removed, WebhookSinkCommand::Remove { .. }) => Ok(Vec::new()),
            (Self::NotCreated | Self::Removed, _) => Err(WebhookSinkError::NotThere),
            (Self::Active | Self::Parked, WebhookSinkCommand::Pause { by, at }) => {
                Ok(vec![WebhookSinkEvent::WebhookSinkPaused { by, at }])
            }
            (Self::Paused, WebhookSinkCommand::Resume { by, at }) => {
                Ok(vec![WebhookSinkEvent::WebhookSinkResumed { by, at }])
            }
            (
                Self::Active,
                WebhookSinkCommand::Park {
                    position,
                    attempts,
                    at,
                },
            ) => Ok(vec![WebhookSinkEvent::WebhookSinkParked {
                position,
                attempts,
                at,
            }]),
            (Self::Parked, WebhookSinkCommand::Retry { by, at }) => {
                Ok(vec![WebhookSinkEvent::WebhookSinkRetried { by, at }])
            }
            (_, WebhookSinkCommand::RotateSecret { secret_id, by, at }) => {
                Ok(vec![WebhookSinkEvent::WebhookSecretRotated {
                    secret_id,
                    by,
                    at,
                }])
            }
            (_, WebhookSinkCommand::Remove { by, at }) => {
                Ok(vec![WebhookSinkEvent::WebhookSinkRemoved { by, at }])
            }
            // What is so already.
            (
                Self::Active | Self::Paused | Self::Parked,
                WebhookSinkCommand::Pause { .. }
                | WebhookSinkCommand::Resume { .. }
                | WebhookSinkCommand::Park { .. }
                | WebhookSinkCommand::Retry { .. },
            ) => Ok(Vec::new()),
        }
    }
}

fn create(command: WebhookSinkCommand) -> Vec<WebhookSinkEvent> {
    let WebhookSinkCommand::Create {
        webhook_sink_id,
        name,
        origin,
        mut event_types,
        format,
        after,
        secret_id,
        created_by,
        at,
    } = command
    else {
        return Vec::new();
    };
    event_types.sort_unstable();
    event_types.dedup();
    vec![WebhookSinkEvent::WebhookSinkCreated {
        webhook_sink_id,
        name: name.as_str().to_owned(),
        origin,
        event_types,
        format,
        after,
        secret_id,
        created_by,
        at,
    }]
}
