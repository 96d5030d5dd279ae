//! What can go wrong between the server and a worker, as the process manager needs to tell it apart.

use std::time::Duration;

use crate::api::ErrorCode;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No answer: not listening, gone in the middle, or silent for too long.
    #[error("the media worker cannot be reached")]
    Unreachable,
    /// It takes nothing of an input any more, or has it and does not answer.
    #[error("the media worker takes nothing of the input")]
    Stalled,
    /// There is no room on its disk for this input; for a smaller one there may be.
    #[error("the media worker is short of disk")]
    DiskLow,
    /// No slot, or draining; it does not count as an attempt.
    #[error("the media worker is busy")]
    Busy { retry_after: Duration },
    /// The job is in another state, has another spec, or a newer attempt exists.
    #[error("the media worker reports a conflict: {code:?}")]
    Conflict { code: ErrorCode },
    /// The worker does not know the job or the output (it restarted, or they were deleted).
    #[error("the media worker does not know this")]
    NotFound,
    /// The call itself is wrong and will be wrong again.
    #[error("the media worker refuses this: {code:?}")]
    Rejected { code: ErrorCode },
    /// The answer is not what this version of the API says.
    #[error("the media worker answers in an unknown form")]
    Protocol,
    /// The client could not be set up.
    #[error("the media worker's client cannot be set up")]
    Setup,
}

impl ClientError {
    pub(super) fn from_code(code: ErrorCode, retry_after: Option<Duration>) -> Self {
        match code {
            ErrorCode::DiskLow => Self::DiskLow,
            ErrorCode::NoSlot | ErrorCode::Draining | ErrorCode::TooManyCalls => Self::Busy {
                retry_after: retry_after.unwrap_or(Duration::from_secs(1)),
            },
            ErrorCode::SpecDiffers
            | ErrorCode::StaleAttempt
            | ErrorCode::InputInProgress
            | ErrorCode::InputMissing
            | ErrorCode::NotFinished
            | ErrorCode::AlreadyFinished => Self::Conflict { code },
            ErrorCode::NotFound | ErrorCode::OutputsGone => Self::NotFound,
            ErrorCode::Unauthenticated
            | ErrorCode::MethodNotAllowed
            | ErrorCode::InvalidSpec
            | ErrorCode::InputTooBig
            | ErrorCode::LengthMismatch
            | ErrorCode::DigestMismatch
            | ErrorCode::UploadTooSlow
            | ErrorCode::UploadInterrupted
            | ErrorCode::BodyTooLarge
            | ErrorCode::Internal => Self::Rejected { code },
        }
    }
}
