//! The life of a webhook sink.

use serde::{Deserialize, Serialize};

use super::WebhookSinkEvent;

/// The stage of a webhook sink's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum WebhookSink {
    /// Nothing happened yet.
    #[default]
    NotCreated,
    /// It is sent to.
    Active,
    /// An administrator stopped it for a while.
    Paused,
    /// It waits for an administrator: the receiver did not take an event.
    Parked,
    /// Ended for good.
    Removed,
}

impl WebhookSink {
    pub(super) fn evolve(&mut self, event: &WebhookSinkEvent) {
        *self = match (&*self, event) {
            (Self::Removed, _) | (_, WebhookSinkEvent::WebhookSinkRemoved { .. }) => Self::Removed,
            (_, WebhookSinkEvent::WebhookSecretRotated { .. }) => *self,
            (
                _,
                WebhookSinkEvent::WebhookSinkCreated { .. }
                | WebhookSinkEvent::WebhookSinkResumed { .. }
                | WebhookSinkEvent::WebhookSinkRetried { .. },
            ) => Self::Active,
            (_, WebhookSinkEvent::WebhookSinkPaused { .. }) => Self::Paused,
            (_, WebhookSinkEvent::WebhookSinkParked { .. }) => Self::Parked,
        };
    }
}
