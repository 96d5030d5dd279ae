//! What can be asked of a media job.

use chrono::{DateTime, Utc};

use super::{FailureCode, JobOptions, JobOutput, MediaJobEvent, MediaMetadata, Preset};
use crate::values::{JobId, MediaId, Sha256Hex, UserId};

/// A wish, with the facts that the decision needs. `at` is the time of deciding.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaJobCommand {
    /// Asks for the job, for the first time or again.
    Request(Box<RequestMediaJob>),
    /// Gives it to a worker. When the former worker has gone silent once too often, the events
    /// are `MediaJobLeaseExpired` and `MediaJobFailed`, not `MediaJobDispatched`.
    Dispatch {
        /// The worker's name.
        worker: String,
        /// The last attempt's number plus one; 1 for the first.
        attempt: u32,
        /// When the worker counts as silent, if nothing renews the lease.
        lease_until: DateTime<Utc>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Takes in the attempt's results, which are in the blob store already.
    Succeed {
        /// The attempt that reports.
        attempt: u32,
        /// The files that it made.
        outputs: Vec<JobOutput>,
        /// What it learnt about the input.
        result: Option<MediaMetadata>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Takes in the attempt's failure; whether there is another try is decided here.
    Fail {
        /// The attempt that reports.
        attempt: u32,
        /// What went wrong.
        code: FailureCode,
        /// Not to be tried again before (see [`super::retry_delay`]); at once when absent.
        retry_at: Option<DateTime<Utc>>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Fails a waiting job of which a probe of its file has shown that it cannot succeed.
    Refuse {
        /// Why.
        code: FailureCode,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Gives the job up.
    Cancel {
        /// Who decided so, if it was a person.
        by: Option<UserId>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Notes that the deadline has passed.
    Expire {
        /// Now.
        at: DateTime<Utc>,
    },
    /// Takes a finished job out of the read models; for the erasure of its person.
    Forget {
        /// Now.
        at: DateTime<Utc>,
    },
}

/// What is to be done to which file.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestMediaJob {
    /// The job's id, that of the stream.
    pub job_id: JobId,
    /// The input.
    pub media_id: MediaId,
    /// Whose it is.
    pub owner: UserId,
    /// The recipe.
    pub preset: Preset,
    /// The recipe's version.
    pub preset_version: u32,
    /// What the input hashes to.
    pub input_sha256: Sha256Hex,
    /// The input's size.
    pub input_bytes: u64,
    /// What the caller may choose.
    pub options: JobOptions,
    /// From then on no attempt is begun, and one that runs is ended.
    pub deadline_at: DateTime<Utc>,
    /// Now.
    pub at: DateTime<Utc>,
}

impl From<RequestMediaJob> for MediaJobCommand {
    fn from(request: RequestMediaJob) -> Self {
        Self::Request(Box::new(request))
    }
}

impl RequestMediaJob {
    /// The event when the job was given up, or failed, after `last_attempt`.
    pub(super) fn again(self, last_attempt: u32) -> MediaJobEvent {
        MediaJobEvent::MediaJobRequestedAgain {
            last_attempt,
            deadline_at: self.deadline_at,
            at: self.at,
        }
    }

    pub(super) fn into_event(self) -> MediaJobEvent {
        MediaJobEvent::MediaJobRequested {
            job_id: self.job_id,
            media_id: self.media_id,
            owner: self.owner,
            preset: self.preset,
            preset_version: self.preset_version,
            input_sha256: self.input_sha256,
            input_bytes: self.input_bytes,
            options: self.options,
            deadline_at: self.deadline_at,
            at: self.at,
        }
    }
}
