//! Why a job failed. The code decides what a user is told and whether a retry makes sense (the server's domain says
//! which); the raw diagnostics never do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The reason of a failed job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: FailureCode,
    /// For administrators: at most 8 KiB, control characters removed. Empty when there is none.
    pub detail: String,
}

/// A stable reason. The worker reports those that it can see; the rest (for example
/// `storage_unavailable`) are for the process manager, so that both speak one language. Of `worker_unreachable` the
/// worker speaks only when it is stopped, of jobs that it kills for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    UnsupportedContainer,
    UnsupportedCodec,
    NoVideoStream,
    NoAudioStream,
    CorruptInput,
    TooLargeDimensions,
    TooLong,
    TooManyStreams,
    Encrypted,
    InputTooBig,
    BadParams,
    OutputCheckFailed,
    LimitMemory,
    LimitCpu,
    LimitTime,
    LimitStall,
    LimitOutput,
    Crashed,
    SandboxViolation,
    WorkerUnreachable,
    LeaseExpired,
    UploadInterrupted,
    DigestMismatch,
    OutputTransferFailed,
    StorageUnavailable,
    DiskFull,
    ThreadLimit,
    WorkerBusy,
    SandboxUnavailable,
    FfmpegMissing,
    AuthFailed,
    VersionSkew,
    WorkerInternal,
    Cancelled,
    Expired,
}

impl FailureCode {
    /// The code as it stands in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnsupportedContainer => "unsupported_container",
            Self::UnsupportedCodec => "unsupported_codec",
            Self::NoVideoStream => "no_video_stream",
            Self::NoAudioStream => "no_audio_stream",
            Self::CorruptInput => "corrupt_input",
            Self::TooLargeDimensions => "too_large_dimensions",
            Self::TooLong => "too_long",
            Self::TooManyStreams => "too_many_streams",
            Self::Encrypted => "encrypted",
            Self::InputTooBig => "input_too_big",
            Self::BadParams => "bad_params",
            Self::OutputCheckFailed => "output_check_failed",
            Self::LimitMemory => "limit_memory",
            Self::LimitCpu => "limit_cpu",
            Self::LimitTime => "limit_time",
            Self::LimitStall => "limit_stall",
            Self::LimitOutput => "limit_output",
            Self::Crashed => "crashed",
            Self::SandboxViolation => "sandbox_violation",
            Self::WorkerUnreachable => "worker_unreachable",
            Self::LeaseExpired => "lease_expired",
            Self::UploadInterrupted => "upload_interrupted",
            Self::DigestMismatch => "digest_mismatch",
            Self::OutputTransferFailed => "output_transfer_failed",
            Self::StorageUnavailable => "storage_unavailable",
            Self::DiskFull => "disk_full",
            Self::ThreadLimit => "thread_limit",
            Self::WorkerBusy => "worker_busy",
            Self::SandboxUnavailable => "sandbox_unavailable",
            Self::FfmpegMissing => "ffmpeg_missing",
            Self::AuthFailed => "auth_failed",
            Self::VersionSkew => "version_skew",
            Self::WorkerInternal => "worker_internal",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_text_agree() {
        for code in [
            FailureCode::UnsupportedContainer,
            FailureCode::LimitCpu,
            FailureCode::FfmpegMissing,
            FailureCode::StorageUnavailable,
            FailureCode::Expired,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
