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
        /// From then on no attempt is begun, and one that runs is ended.
        deadline_at: DateTime<Utc>,
        /// Not to be tried again before.
        not_before: Option<DateTime<Utc>>,
    },
    /// A worker has it.
    Dispatched {
        /// What is to be done.
        order: Order,
        /// The tries so far, this one included.
        attempts: Attempts,
        /// From then on no attempt is begun, and one that runs is ended.
        deadline_at: DateTime<Utc>,
        /// Who has it and until when.
        lease: Lease,
    },
    /// Done.
    Succeeded {
        /// What was done.
        order: Order,
    },
    /// Failed. It may be asked for again if the code allows it.
    Failed {
        /// What was to be done.
        order: Order,
        /// What went wrong.
        code: FailureCode,
        /// The last attempt's number; 0 when there was none.
        last_attempt: u32,
    },
    /// Given up. It may be asked for again.
    Cancelled {
        /// What was to be done.
        order: Order,
        /// The last attempt's number; 0 when there was none.
        last_attempt: u32,
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
}

/// The tries: the last one's number, and how many ended in each class that allows another since the job was asked for
/// last.
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
    /// Whether the request asks for the same.
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
    /// None yet since the job was asked for again, after attempts up to `last`.
    fn after(last: u32) -> Self {
        Self {
            last,
            ..Self::default()
        }
    }

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

    /// How many tries failed in a class that allows another.
    pub fn failures(&self) -> u32 {
        let sum = self.transient.saturating_add(self.limit);
        sum.saturating_add(self.crash)
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
            | Self::Cancelled { order, .. }
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

    fn deadline_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Queued { deadline_at, .. } | Self::Dispatched { deadline_at, .. } => {
                Some(*deadline_at)
            }
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
            MediaJobEvent::MediaJobRequestedAgain {
                last_attempt,
                deadline_at,
                ..
            } => Some(Self::Queued {
                order: order?,
                attempts: Attempts::after(last_attempt),
                deadline_at,
                not_before: None,
            }),
            MediaJobEvent::MediaJobDispatched {
                attempt,
                worker,
                lease_until,
                ..
            } => self.dispatched(Lease {
                worker,
                attempt,
                lease_until,
            }),
            MediaJobEvent::MediaJobLeaseExpired { .. } => {
                self.queued_again(FailureClass::Transient, None)
            }
            MediaJobEvent::MediaJobAttemptFailed {
                class, retry_at, ..
            } => self.queued_again(class, Some(retry_at)),
            MediaJobEvent::MediaJobSucceeded { .. } => Some(Self::Succeeded { order: order? }),
            MediaJobEvent::MediaJobFailed { attempt, code, .. } => Some(Self::Failed {
                order: order?,
                code,
                last_attempt: attempt,
            }),
            MediaJobEvent::MediaJobCancelled { last_attempt, .. } => Some(Self::Cancelled {
                order: order?,
                // An event of before does not tell it; the attempts that are known do.
                last_attempt: last_attempt.max(self.attempts().map_or(0, |attempts| attempts.last)),
            }),
            MediaJobEvent::MediaJobForgotten { .. } => Some(Self::Forgotten { order: order? }),
        }
    }

    fn dispatched(&self, lease: Lease) -> Option<Self> {
        Some(Self::Dispatched {
            order: self.order()?.clone(),
            attempts: Attempts {
                last: lease.attempt,
                ..*self.attempts()?
            },
            deadline_at: self.deadline_at()?,
            lease,
        })
    }

    fn queued_again(&self, class: FailureClass, not_before: Option<DateTime<Utc>>) -> Option<Self> {
        let mut attempts = *self.attempts()?;
        attempts.count(class);
        Some(Self::Queued {
            order: self.order()?.clone(),
            attempts,
            deadline_at: self.deadline_at()?,
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
    };
    Some(MediaJob::Queued {
        order,
        attempts: Attempts::default(),
        deadline_at,
        not_before: None,
    })
}
