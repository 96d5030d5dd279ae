//! Why a media job refuses.

/// The rule that forbids a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaJobError {
    /// There is no such job.
    #[error("the job was not requested")]
    NotRequested,
    /// The job with this id was asked for with other facts.
    #[error("the job was requested with other facts")]
    RequestDiffers,
    /// A worker has it and its lease still runs.
    #[error("the job is still leased to a worker")]
    StillLeased,
    /// The time of the next try has not come.
    #[error("the job is not due yet")]
    NotYetDue,
    /// The attempt is not the one that may act now.
    #[error("the attempt is not the current one")]
    StaleAttempt,
    /// The job has not finished.
    #[error("the job has not finished")]
    NotFinished,
    /// The job succeeded, failed or was cancelled.
    #[error("the job has finished")]
    AlreadyFinished,
    /// It is too late to begin an attempt.
    #[error("the job's deadline has passed")]
    DeadlineExceeded,
    /// The deadline has not passed.
    #[error("the job's deadline has not passed yet")]
    NotYetExpired,
}
