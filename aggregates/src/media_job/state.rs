//! The life of a media job.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{FailureClass, FailureCode, JobOptions, MediaJobEvent, Preset, RequestMediaJob};
use crate::values::{JobId, MediaId, Sha256Hex, UserId};

/// The stage of a job's life. Every stage but the first knows the order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum MediaJob {
    /// Nothing happened yet.
    #[default]
    NotRequested,
    /// Waiting for a worker.
    Queued {
        /// What is to be done.
        order: Order,
        /// The tries so far.
        attempts: Attempts,
        /// Not to be tried again before.
        not_before: Option<DateTime<Utc>>,
    },
    /// A worker has it.
    Dispatched {
        /// What is to be done.
        order: Order,
        /// The tries so far, this one included.
        attempts: Attempts,
        /// Who has it and until when.
        lease: Lease,
    },
    /// Done.
    Succeeded {
        /// What was done.
        order: Order,
    },
    /// Failed for good.
    Failed {
        /// What was to be done.
        order: Order,
        /// What went wrong.
        code: FailureCode,
    },
    /// Given up.
    Cancelled {
        /// What was to be done.
        order: Order,
    },
    /// Over, and in no read model any more.
    Forgotten {
        /// What was to be done.
        order: Order,
    },
}

/// What is to be done to which file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The job.
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
    /// What the caller chose.
    pub options: JobOptions,
    /// From then on no attempt is begun.
    pub deadline_at: DateTime<Utc>,
}

/// The tries: the last one's number, and how many ended in each class that allows another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// The last attempt's number; 0 before the first.
    pub last: u32,
    /// Those that ended in something that goes by.
    pub transient: u32,
    /// Those that ended at a limit.
    pub limit: u32,
    /// Those that ended in a crash.
    pub crash: u32,
}

/// Who has a job and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The worker's name.
    pub worker: String,
    /// The attempt's number.
    pub attempt: u32,
    /// When the worker counts as silent, if nothing renews the lease.
    pub lease_until: DateTime<Utc>,
}

impl Order {
    /// Whether the request asks for the same. The deadline is not part of that: it moves with the
    /// time of asking.
    pub(super) fn is_for(&self, request: &RequestMediaJob) -> bool {
        self.media_id == request.media_id
            && self.owner == request.owner
            && self.preset == request.preset
            && self.preset_version == request.preset_version
            && self.input_sha256 == request.input_sha256
            && self.options == request.options
    }
}

impl Attempts {
    /// The number of the attempt that may come next.
    pub fn next(&self) -> u32 {
        self.last.saturating_add(1)
    }

    /// Whether there may be another try after one that ended so.
    pub fn allow_retry(&self, code: FailureCode) -> bool {
        let class = code.class();
        class
            .max_tries()
            .is_none_or(|max| self.ended_in(class).saturating_add(1) < max)
    }

    /// How many tries ended so.
    pub fn ended_in(&self, class: FailureClass) -> u32 {
        match class {
            FailureClass::Transient => self.transient,
            FailureClass::Limit => self.limit,
            FailureClass::Crash => self.crash,
            FailureClass::Permanent
            | FailureClass::Busy
            | FailureClass::Operator
            | FailureClass::Final => 0,
        }
    }

    fn count(&mut self, class: FailureClass) {
        let counter = match class {
            FailureClass::Transient => &mut self.transient,
            FailureClass::Limit => &mut self.limit,
            FailureClass::Crash => &mut self.crash,
            FailureClass::Permanent
            | FailureClass::Busy
            | FailureClass::Operator
            | FailureClass::Final => return,
        };
        *counter = counter.saturating_add(1);
    }
}

impl MediaJob {
    /// What is to be done, once it was asked for.
    pub fn order(&self) -> Option<&Order> {
        match self {
            Self::NotRequested => None,
            Self::Queued { order, .. }
            | Self::Dispatched { order, .. }
            | Self::Succeeded { order }
            | Self::Failed { order, .. }
            | Self::Cancelled { order }
            | Self::Forgotten { order } => Some(order),
        }
    }

    /// The tries, while there may be more.
    pub fn attempts(&self) -> Option<&Attempts> {
        match self {
            Self::Queued { attempts, .. } | Self::Dispatched { attempts, .. } => Some(attempts),
            Self::NotRequested
            | Self::Succeeded { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. }
            | Self::Forgotten { .. } => None,
        }
    }

    pub(super) fn evolve(&mut self, event: MediaJobEvent) {
        if let Some(next) = self.after(event) {
            *self = next;
        }
    }

    /// The next stage; none when the event does not belong to the present one.
    fn after(&self, event: MediaJobEvent) -> Option<Self> {
        let order = self.order().cloned();
        match event {
            requested @ MediaJobEvent::MediaJobRequested { .. } => ordered(requested),
            MediaJobEvent::MediaJobDispatched {
                attempt,
                worker,
                lease_until,
                ..
            } => {
                let attempts = Attempts {
                    last: attempt,
                    ..*self.attempts()?
                };
                let lease = Lease {
                    worker,
                    attempt,
                    lease_until,
                };
                Some(Self::Dispatched {
                    order: order?,
                    attempts,
                    lease,
                })
            }
            MediaJobEvent::MediaJobLeaseExpired { .. } => {
                self.queued_again(FailureClass::Transient, None)
            }
            MediaJobEvent::MediaJobAttemptFailed {
                class, retry_at, ..
            } => self.queued_again(class, Some(retry_at)),
            MediaJobEvent::MediaJobSucceeded { .. } => Some(Self::Succeeded { order: order? }),
            MediaJobEvent::MediaJobFailed { code, .. } => Some(Self::Failed {
                order: order?,
                code,
            }),
            MediaJobEvent::MediaJobCancelled { .. } => Some(Self::Cancelled { order: order? }),
            MediaJobEvent::MediaJobForgotten { .. } => Some(Self::Forgotten { order: order? }),
        }
    }

    fn queued_again(&self, class: FailureClass, not_before: Option<DateTime<Utc>>) -> Option<Self> {
        let mut attempts = *self.attempts()?;
        attempts.count(class);
        Some(Self::Queued {
            order: self.order()?.clone(),
            attempts,
            not_before,
        })
    }
}

fn ordered(event: MediaJobEvent) -> Option<MediaJob> {
    let MediaJobEvent::MediaJobRequested {
        job_id,
        media_id,
        owner,
        preset,
        preset_version,
        input_sha256,
        input_bytes,
        options,
        deadline_at,
        at: _,
    } = event
    else {
        return None;
    };
    let order = Order {
        job_id,
        media_id,
        owner,
        preset,
        preset_version,
        input_sha256,
        input_bytes,
        options,
        deadline_at,
    };
    Some(MediaJob::Queued {
        order,
        attempts: Attempts::default(),
        not_before: None,
    })
}
