//! Why a transfer failed.

/// Of what a store says when it fails.
const REASON_BYTES: usize = 300;

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// More bytes than allowed.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The sender stopped or its stream failed.
    #[error("the sender's stream failed")]
    Interrupted,
    /// No such object.
    #[error("no such object")]
    NotFound,
    /// The store failed.
    #[error("the blob store failed: {0}")]
    Store(String),
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            other => Self::store(&other),
        }
    }
}

impl BlobError {
    /// The first line of what the store says, which may quote an answer of any length.
    pub(super) fn store(error: &object_store::Error) -> Self {
        let mut text = error.to_string();
        let end = text.find(['\n', '\r']).unwrap_or(text.len());
        text.truncate(text.floor_char_boundary(end.min(REASON_BYTES)));
        Self::Store(text)
    }

    pub(super) fn stopped() -> Self {
        Self::Store("it was stopped".to_owned())
    }

    /// Of a call that cannot fail for want of an object: what is missing is the store.
    pub(super) fn of_writing(self) -> Self {
        match self {
            Self::NotFound => Self::Store("there is no such folder or bucket".to_owned()),
            other => other,
        }
    }
}
