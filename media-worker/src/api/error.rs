//! What a refused call answers: a stable code and a sentence for the operator.

use serde::{Deserialize, Serialize};

/// The JSON body of every answer with a status of 400 or above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    pub code: ErrorCode,
    /// One sentence; never contains a secret, a path or `FFmpeg`'s output.
    pub detail: String,
}

/// Why a call was refused. Each code has exactly one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The signature is missing, wrong, too old, or was seen before.
    Unauthenticated,
    /// No such route, job or output.
    NotFound,
    MethodNotAllowed,
    /// The same job and attempt exist with another spec.
    SpecDiffers,
    /// A newer attempt of the job exists.
    StaleAttempt,
    /// Another call is sending the input at this moment.
    InputInProgress,
    /// The job cannot start before its input was received and verified.
    InputMissing,
    /// The job has not finished, so it has no outputs yet.
    NotFinished,
    /// The job has ended; what was asked for needs a live one.
    AlreadyFinished,
    /// The job has ended and its files are deleted.
    OutputsGone,
    /// The spec is not well formed, or a value is out of range.
    InvalidSpec,
    InputTooBig,
    /// `Content-Length` is missing or is not the `input_size` of the spec.
    LengthMismatch,
    /// What was received does not have the declared SHA-256.
    DigestMismatch,
    /// The input came slower than the lowest accepted rate.
    UploadTooSlow,
    /// The connection ended before the whole input was there.
    UploadInterrupted,
    BodyTooLarge,
    /// All slots are taken; try again after `Retry-After`.
    NoSlot,
    Draining,
    DiskLow,
    /// So many calls within the signature window that replays could not be told apart.
    TooManyCalls,
    Internal,
}

impl ErrorCode {
    /// The HTTP status that carries this code.
    pub fn status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::UploadTooSlow => 408,
            Self::SpecDiffers
            | Self::StaleAttempt
            | Self::InputInProgress
            | Self::InputMissing
            | Self::NotFinished
            | Self::AlreadyFinished => 409,
            Self::OutputsGone => 410,
            Self::InputTooBig | Self::BodyTooLarge => 413,
            Self::InvalidSpec | Self::LengthMismatch | Self::DigestMismatch => 422,
            Self::UploadInterrupted => 400,
            Self::NoSlot => 429,
            Self::Draining | Self::DiskLow | Self::TooManyCalls => 503,
            Self::Internal => 500,
        }
    }

    /// How long a caller should wait before it tries again, if trying again can help.
    pub fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::NoSlot => Some(1),
            Self::TooManyCalls => Some(5),
            Self::Draining | Self::DiskLow => Some(10),
            _ => None,
        }
    }
}
