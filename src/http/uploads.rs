//! `/v1/uploads`: resumable uploads by tus 1.0 (<https://tus.io/protocols/resumable-upload>), with the extensions creation,
//! creation-with-upload, termination, expiration and checksum.

pub mod append;
pub mod create;
pub mod options;
pub mod show;
pub mod terminate;
pub mod tus;

use http::HeaderValue;

use super::problem::{Kind, Problem};
use crate::quota::QuotaError;
use crate::uploads::UploadError;

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        let text = error.to_string();
        match error {
            UploadError::NotFound => Self::not_found(),
            UploadError::Expired => Self::new(Kind::UploadExpired, text),
            UploadError::Offset { received } => Self::new(Kind::UploadOffsetMismatch, text)
                .header(tus::OFFSET, HeaderValue::from(received)),
            UploadError::Locked => Self::new(Kind::UploadLocked, text),
            UploadError::TooLarge { .. } => Self::new(Kind::PayloadTooLarge, text),
            UploadError::TooManyPieces { .. } => Self::new(Kind::QuotaExceeded, text),
            UploadError::Checksum => Self::new(Kind::ChecksumMismatch, text),
            UploadError::Interrupted => Self::new(Kind::MalformedRequest, text),
            UploadError::Complete => Self::new(Kind::UploadComplete, text),
            UploadError::Quota(error) => error.into(),
            UploadError::Media(error) => error.into(),
            UploadError::Blobs(error) => error.into(),
            UploadError::Vault(error) => error.into(),
            UploadError::Database(error) => error.into(),
        }
    }
}

impl From<QuotaError> for Problem {
    fn from(error: QuotaError) -> Self {
        let text = error.to_string();
        match error {
            QuotaError::Bytes { .. } | QuotaError::Files { .. } | QuotaError::Uploads { .. } => {
                Self::new(Kind::QuotaExceeded, text)
            }
            QuotaError::NoSuchAccount => Self::not_found(),
            QuotaError::Database(error) => error.into(),
        }
    }
}
