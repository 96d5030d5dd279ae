//! Whether they were forgotten.

use serde::{Deserialize, Serialize};

use super::ForgottenSessionsEvent;

/// The one stage of a stream of one event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum ForgottenSessions {
    /// Nothing happened yet.
    #[default]
    Remembered,
    /// They were.
    Forgotten,
}

impl ForgottenSessions {
    pub(super) fn evolve(&mut self, event: &ForgottenSessionsEvent) {
        *self = match event {
            ForgottenSessionsEvent::EndedSessionsForgotten { .. } => Self::Forgotten,
        };
    }
}
