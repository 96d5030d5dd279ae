//! An uploaded file: stored, deleted.
//!
//! It never touches the content: the blob store has it under the key `object`.

mod command;
mod error;
mod event;
mod state;

#[cfg(test)]
mod specs;

pub use command::MediaCommand;
pub use error::MediaError;
pub use event::{EVENT_TYPES, MediaEvent};
pub use state::Media;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;

use crate::sink::write_all;

impl Aggregate for Media {
    const TYPE: &'static str = "media";
    type Command = MediaCommand;
    type Event = MediaEvent;
    type Error = MediaError;
    type Services = ();

    async fn handle(
        &mut self,
        command: MediaCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), MediaError> {
        let events = self.decide(command)?;
        write_all(self, events, sink).await;
        Ok(())
    }

    fn apply(&mut self, event: MediaEvent) {
        self.evolve(event);
    }
}

impl Media {
    /// What follows from `command`.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn decide(&self, command: MediaCommand) -> Result<Vec<MediaEvent>, MediaError> {
        match command {
            MediaCommand::Store {
                media_id,
                owner,
                name,
                bytes,
                sha256,
                content_type,
                object,
                at,
            } => {
                self.require_untouched()?;
                Ok(vec![MediaEvent::MediaStored {
                    media_id,
                    owner,
                    name,
                    bytes,
                    sha256,
                    content_type,
                    object,
                    at,
                }])
            }
            MediaCommand::Delete { at } => match self {
                Self::Stored { object, .. } => Ok(vec![MediaEvent::MediaDeleted {
                    object: object.clone(),
                    at,
                }]),
                Self::Deleted => Ok(Vec::new()),
                Self::NotStored => Err(MediaError::NotStored),
            },
        }
    }

    fn require_untouched(&self) -> Result<(), MediaError> {
        match self {
            Self::NotStored => Ok(()),
            Self::Stored { .. } => Err(MediaError::AlreadyStored),
            Self::Deleted => Err(MediaError::MediaDeleted),
        }
    }
}
