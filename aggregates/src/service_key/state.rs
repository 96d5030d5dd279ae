//! The life of a service key.

use serde::{Deserialize, Serialize};

use super::ServiceKeyEvent;

/// The stage of a service key's life. Its end in time is checked where it is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum ServiceKey {
    /// Nothing happened yet.
    #[default]
    NotCreated,
    /// In use.
    Active,
    /// Ended for good.
    Revoked,
}

impl ServiceKey {
    pub(super) fn evolve(&mut self, event: &ServiceKeyEvent) {
        *self = match event {
            ServiceKeyEvent::ServiceKeyCreated { .. } => Self::Active,
            ServiceKeyEvent::ServiceKeyRevoked { .. } => Self::Revoked,
        };
    }
}
