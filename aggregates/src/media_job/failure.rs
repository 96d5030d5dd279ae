//! Why media jobs fail. The code alone decides about retries and about what a person is told; what
//! a worker printed never comes here.

use crate::values::named;

named! {
    /// What went wrong. The worker's codes have the same names.
    pub enum FailureCode {
        /// The file is of no container that is accepted.
        UnsupportedContainer = "unsupported_container",
        /// A stream has a codec that is not accepted.
        UnsupportedCodec = "unsupported_codec",
        /// A picture was asked for and there is none.
        NoVideoStream = "no_video_stream",
        /// Sound was asked for and there is none.
        NoAudioStream = "no_audio_stream",
        /// The content is broken.
        CorruptInput = "corrupt_input",
        /// A side or the area of the picture is over the limit.
        TooLargeDimensions = "too_large_dimensions",
        /// The duration is over the limit.
        TooLong = "too_long",
        /// The number of streams is over the limit.
        TooManyStreams = "too_many_streams",
        /// The content is encrypted.
        Encrypted = "encrypted",
        /// The size is over the limit.
        InputTooBig = "input_too_big",
        /// The options do not fit the recipe.
        BadParams = "bad_params",
        /// What came out is not what was asked for.
        OutputCheckFailed = "output_check_failed",
        /// Out of memory.
        LimitMemory = "limit_memory",
        /// Out of processor time.
        LimitCpu = "limit_cpu",
        /// Out of time.
        LimitTime = "limit_time",
        /// No progress for too long.
        LimitStall = "limit_stall",
        /// The output grew over the limit.
        LimitOutput = "limit_output",
        /// The process died of a signal.
        Crashed = "crashed",
        /// The process tried what its box forbids.
        SandboxViolation = "sandbox_violation",
        /// The worker does not answer.
        WorkerUnreachable = "worker_unreachable",
        /// The worker went silent.
        LeaseExpired = "lease_expired",
        /// The input did not get to the worker.
        UploadInterrupted = "upload_interrupted",
        /// The input got there changed.
        DigestMismatch = "digest_mismatch",
        /// The output did not get back.
        OutputTransferFailed = "output_transfer_failed",
        /// The blob store does not answer.
        StorageUnavailable = "storage_unavailable",
        /// The worker's disk is full.
        DiskFull = "disk_full",
        /// The worker could not start a thread.
        ThreadLimit = "thread_limit",
        /// The worker itself went wrong.
        WorkerInternal = "worker_internal",
        /// All places of the worker are taken.
        WorkerBusy = "worker_busy",
        /// The worker cannot build its box.
        SandboxUnavailable = "sandbox_unavailable",
        /// The worker has no `FFmpeg`.
        FfmpegMissing = "ffmpeg_missing",
        /// The worker and the server do not share a secret.
        AuthFailed = "auth_failed",
        /// The worker and the server are of versions that do not fit.
        VersionSkew = "version_skew",
        /// The owner has no room for what it would make.
        QuotaExceeded = "quota_exceeded",
        /// The worker was told to give up.
        Cancelled = "cancelled",
        /// The deadline passed. The worker says `expired` for its part.
        #[serde(alias = "expired")]
        DeadlineExceeded = "deadline_exceeded",
    }
}

named! {
    /// What a failure means for another try.
    pub enum FailureClass {
        /// The same input fails again.
        Permanent = "permanent",
        /// Perhaps the machine was loaded: one more try.
        Limit = "limit",
        /// One more try; then the input counts as hostile.
        Crash = "crash",
        /// It goes by: up to four tries.
        Transient = "transient",
        /// Nothing was tried, so it does not count as a try.
        Busy = "busy",
        /// Somebody has to mend the installation.
        Operator = "operator",
        /// Wanted so.
        Final = "final",
    }
}

impl FailureClass {
    /// How many tries may end in this class before the job fails; `None`: as many as the deadline
    /// leaves time for.
    pub fn max_tries(self) -> Option<u32> {
        match self {
            Self::Permanent | Self::Operator | Self::Final => Some(1),
            Self::Limit | Self::Crash => Some(2),
            Self::Transient => Some(4),
            Self::Busy => None,
        }
    }
}

impl FailureCode {
    /// What it means for another try.
    pub fn class(self) -> FailureClass {
        match self {
            Self::UnsupportedContainer
            | Self::UnsupportedCodec
            | Self::NoVideoStream
            | Self::NoAudioStream
            | Self::CorruptInput
            | Self::TooLargeDimensions
            | Self::TooLong
            | Self::TooManyStreams
            | Self::Encrypted
            | Self::InputTooBig
            | Self::BadParams
            | Self::OutputCheckFailed => FailureClass::Permanent,
            Self::LimitMemory
            | Self::LimitCpu
            | Self::LimitTime
            | Self::LimitStall
            | Self::LimitOutput => FailureClass::Limit,
            Self::Crashed | Self::SandboxViolation => FailureClass::Crash,
            Self::WorkerUnreachable
            | Self::LeaseExpired
            | Self::UploadInterrupted
            | Self::DigestMismatch
            | Self::OutputTransferFailed
            | Self::StorageUnavailable
            | Self::DiskFull
            | Self::ThreadLimit
            | Self::WorkerInternal => FailureClass::Transient,
            Self::WorkerBusy => FailureClass::Busy,
            Self::SandboxUnavailable
            | Self::FfmpegMissing
            | Self::AuthFailed
            | Self::VersionSkew => FailureClass::Operator,
            Self::QuotaExceeded | Self::Cancelled | Self::DeadlineExceeded => FailureClass::Final,
        }
    }

    /// Whether the same input could succeed at another time, as a failed job tells its owner.
    pub fn retryable(self) -> bool {
        match self.class() {
            FailureClass::Transient | FailureClass::Busy | FailureClass::Operator => true,
            FailureClass::Permanent | FailureClass::Limit | FailureClass::Crash => false,
            // What kept the job waiting may have gone by, and room may be made; a worker's own giving up tells nothing.
            FailureClass::Final => {
                matches!(self, Self::DeadlineExceeded | Self::QuotaExceeded)
            }
        }
    }

    /// What the owner of the job is told: one sentence without its full stop. It says nothing about
    /// the inside of the system.
    pub fn user_text(self) -> &'static str {
        match self {
            Self::UnsupportedContainer => "This type of file is not supported",
            Self::UnsupportedCodec => "The file uses a codec that is not supported",
            Self::NoVideoStream => "The file has no picture",
            Self::NoAudioStream => "The file has no sound",
            Self::CorruptInput => "The file is damaged",
            Self::TooLargeDimensions => "The picture is too large",
            Self::TooLong => "The recording is too long",
            Self::TooManyStreams => "The file has too many streams",
            Self::Encrypted => "The file is encrypted",
            Self::InputTooBig => "The file is too big",
            Self::BadParams => "The options do not fit this kind of job",
            Self::OutputCheckFailed => "The file could not be converted correctly",
            Self::LimitMemory | Self::LimitCpu => "The file takes too much to process",
            Self::LimitTime | Self::LimitStall => "The file takes too long to process",
            Self::LimitOutput => "The result would be too big",
            Self::Crashed | Self::SandboxViolation => "The file could not be processed",
            Self::WorkerUnreachable
            | Self::LeaseExpired
            | Self::UploadInterrupted
            | Self::DigestMismatch
            | Self::OutputTransferFailed
            | Self::StorageUnavailable
            | Self::DiskFull
            | Self::ThreadLimit
            | Self::WorkerInternal
            | Self::SandboxUnavailable
            | Self::FfmpegMissing
            | Self::AuthFailed
            | Self::VersionSkew => "Media processing is not available at present",
            Self::WorkerBusy => "Media processing is busy",
            Self::QuotaExceeded => "The account has no room for the result",
            Self::Cancelled => "The job was cancelled",
            Self::DeadlineExceeded => "The job was not finished in time",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_from_its_stored_name() {
        for code in FailureCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn what_the_worker_calls_expired_is_the_deadline() {
        assert_eq!("expired".parse(), Ok(FailureCode::DeadlineExceeded));
        assert_eq!(FailureCode::DeadlineExceeded.as_str(), "deadline_exceeded");
    }

    #[test]
    fn every_code_tells_a_person_something_plain() {
        for code in FailureCode::ALL {
            let text = code.user_text();
            assert!(
                text.starts_with(char::is_uppercase) && !text.ends_with('.'),
                "{text}"
            );
            assert!(!text.contains('_'), "{text}");
        }
    }
}
