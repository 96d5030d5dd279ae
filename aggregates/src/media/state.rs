//! The life of an uploaded file.

use serde::{Deserialize, Serialize};

use super::MediaEvent;
use crate::values::UserId;

/// The stage of a file's life.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Media {
    /// Nothing happened yet.
    #[default]
    NotStored,
    /// There.
    Stored {
        /// Whose it is.
        owner: UserId,
        /// Its key in the blob store.
        object: String,
    },
    /// Given up for good.
    Deleted,
}

impl Media {
    pub(super) fn evolve(&mut self, event: MediaEvent) {
        *self = match event {
            MediaEvent::MediaStored { owner, object, .. } => Self::Stored { owner, object },
            MediaEvent::MediaDeleted { .. } => Self::Deleted,
        };
    }
}
