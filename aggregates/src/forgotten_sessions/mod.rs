//! Sessions that ended long ago and are forgotten together: a stream of one event for some hundred of them.
//!
//! The streams of the sessions stay as they are. One event for many, because one for each would make the log longer by
//! as many as there are sessions; a stream for each event, because that has ended with it and can leave the database.

mod command;
mod error;
mod event;
mod state;

#[cfg(test)]
mod specs;

pub use command::{EndedSession, ForgottenSessionsCommand};
pub use error::ForgottenSessionsError;
pub use event::{EVENT_TYPES, ForgottenSessionsEvent};
pub use state::ForgottenSessions;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use uuid::Uuid;

use crate::sink::write_all;
use crate::values::SessionId;

/// Sessions of one event. Their rows go in the transaction that appends it, which everybody else waits for.
pub const SESSIONS_MAX: usize = 500;

/// The stream of the sessions of which this is the first. Two who would forget the same ones meet in it.
pub fn stream_id(first: SessionId) -> Uuid {
    Uuid::new_v5(&first.into(), ForgottenSessions::TYPE.as_bytes())
}

impl Aggregate for ForgottenSessions {
    const TYPE: &'static str = "forgotten_sessions";
    type Command = ForgottenSessionsCommand;
    type Event = ForgottenSessionsEvent;
    type Error = ForgottenSessionsError;
    type Services = ();

    async fn handle(
        &mut self,
        command: ForgottenSessionsCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), ForgottenSessionsError> {
        let events = self.decide(command)?;
        write_all(self, events, sink).await;
        Ok(())
    }

    fn apply(&mut self, event: ForgottenSessionsEvent) {
        self.evolve(&event);
    }
}

impl ForgottenSessions {
    /// What follows from `command`.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn decide(
        &self,
        command: ForgottenSessionsCommand,
    ) -> Result<Vec<ForgottenSessionsEvent>, ForgottenSessionsError> {
        let ForgottenSessionsCommand::Forget {
            sessions,
            ended_before,
            at,
        } = command;
        if sessions.len() > SESSIONS_MAX {
            return Err(ForgottenSessionsError::TooMany);
        }
        if sessions.iter().any(|ended| ended.ended_at >= ended_before) {
            return Err(ForgottenSessionsError::EndedTooLate);
        }
        if *self == Self::Forgotten || sessions.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![ForgottenSessionsEvent::EndedSessionsForgotten {
            sessions: sessions.iter().map(|ended| ended.session_id).collect(),
            ended_before,
            at,
        }])
    }
}
