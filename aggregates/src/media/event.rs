//! What happened to an uploaded file. Stored for ever: fields may be added, with a default, and
//! never changed or taken away.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain_event::domain_event;
use crate::values::{MediaId, Sealed, Sha256Hex, UserId};

/// A fact of a file's life. `at` is when it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum MediaEvent {
    /// The file was taken in.
    MediaStored {
        /// The file.
        media_id: MediaId,
        /// Whose it is.
        owner: UserId,
        /// Its name, sealed.
        name: Sealed,
        /// Its size.
        bytes: u64,
        /// What its content hashes to.
        sha256: Sha256Hex,
        /// Its media type, as its own first bytes say.
        content_type: String,
        /// Its key in the blob store.
        object: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// The file was given up.
    MediaDeleted {
        /// The key in the blob store of what is to be removed.
        object: String,
        /// When.
        at: DateTime<Utc>,
    },
}

domain_event!(MediaEvent {
    MediaStored,
    MediaDeleted
});
