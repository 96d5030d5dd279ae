//! What can be asked of an uploaded file.

use chrono::{DateTime, Utc};

use crate::values::{MediaId, Sealed, Sha256Hex, UserId};

/// A wish, with the facts that the decision needs. `at` is the time of deciding.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaCommand {
    /// Takes in a file whose content is in the blob store already.
    Store {
        /// The file's id, that of the stream.
        media_id: MediaId,
        /// Whose it is.
        owner: UserId,
        /// Its name, sealed for the event that this makes.
        name: Sealed,
        /// Its size.
        bytes: u64,
        /// What its content hashes to.
        sha256: Sha256Hex,
        /// Its media type, as its own first bytes say.
        content_type: String,
        /// Its key in the blob store.
        object: String,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Gives it up; the blob is removed because of the event.
    Delete {
        /// Now.
        at: DateTime<Utc>,
    },
}
