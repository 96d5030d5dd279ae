//! A media job: asked for, dispatched to a worker attempt by attempt, succeeded, failed, cancelled.
//!
//! The attempt's number is the fencing token: only the current attempt may report. Renewals of a
//! lease and ticks of progress are no events. It never talks to a worker and never sees its
//! diagnostics, only failure codes.

mod backoff;
mod command;
mod error;
mod event;
mod failure;
mod gate;
mod metadata;
mod state;

#[cfg(test)]
mod attempt_specs;
#[cfg(test)]
mod specs;

pub use backoff::retry_delay;
pub use command::{MediaJobCommand, RequestMediaJob};
pub use error::MediaJobError;
pub use event::{EVENT_TYPES, JobOptions, JobOutput, MediaJobEvent, Preset};
pub use failure::{FailureClass, FailureCode};
pub use metadata::{AudioStream, MediaMetadata, VideoStream};
pub use state::{Attempts, Lease, MediaJob, Order};

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;

use crate::sink::write_all;
use crate::values::UserId;

type Decision = Result<Vec<MediaJobEvent>, MediaJobError>;

impl Aggregate for MediaJob {
    const TYPE: &'static str = "media_job";
    type Command = MediaJobCommand;
    type Event = MediaJobEvent;
    type Error = MediaJobError;
    type Services = ();

    async fn handle(
        &mut self,
        command: MediaJobCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), MediaJobError> {
        let events = self.decide(command)?;
        write_all(self, events, sink).await;
        Ok(())
    }

    fn apply(&mut self, event: MediaJobEvent) {
        self.evolve(event);
    }
}

impl MediaJob {
    /// What follows from `command`.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn decide(&self, command: MediaJobCommand) -> Decision {
        match command {
            MediaJobCommand::Request(request) => self.decide_request(*request),
            MediaJobCommand::Dispatch {
                worker,
                attempt,
                lease_until,
                at,
            } => self.decide_dispatch(
                Lease {
                    worker,
                    attempt,
                    lease_until,
                },
                at,
            ),
            MediaJobCommand::Succeed {
                attempt,
                outputs,
                result,
                at,
            } => {
                self.require_current(attempt)?;
                Ok(vec![MediaJobEvent::MediaJobSucceeded {
                    attempt,
                    outputs,
                    result,
                    at,
                }])
            }
            MediaJobCommand::Fail {
                attempt,
                code,
                retry_at,
                at,
            } => {
                let (deadline_at, attempts) = self.require_current(attempt)?;
                let next = after_failure(deadline_at, attempts, code, retry_at, at);
                Ok(vec![next])
            }
            MediaJobCommand::Refuse { code, at } => self.decide_refuse(code, at),
            MediaJobCommand::Cancel { by, at } => self.decide_cancel(by, at),
            MediaJobCommand::Expire { at } => self.decide_expire(at),
            MediaJobCommand::Forget { at } => match self {
                Self::NotRequested => Err(MediaJobError::NotRequested),
                Self::Queued { .. } | Self::Dispatched { .. } => Err(MediaJobError::NotFinished),
                Self::Succeeded { .. } | Self::Failed { .. } | Self::Cancelled { .. } => {
                    Ok(vec![MediaJobEvent::MediaJobForgotten { at }])
                }
                Self::Forgotten { .. } => Ok(Vec::new()),
            },
        }
    }

    /// The same request twice is the same job. One that was given up, or failed for a reason that goes by, waits again;
    /// its attempts are numbered on, so that a late report of before is fenced off and no two write the same objects.
    fn decide_request(&self, request: RequestMediaJob) -> Decision {
        match self.order() {
            None => return Ok(vec![request.into_event()]),
            Some(order) if order.is_for(&request) => {}
            Some(_) => return Err(MediaJobError::RequestDiffers),
        }
        Ok(match self {
            Self::Cancelled { last_attempt, .. } => vec![request.again(*last_attempt)],
            Self::Failed {
                code, last_attempt, ..
            } if code.retryable() => vec![request.again(*last_attempt)],
            Self::NotRequested
            | Self::Queued { .. }
            | Self::Dispatched { .. }
            | Self::Succeeded { .. }
            | Self::Failed { .. }
            | Self::Forgotten { .. } => Vec::new(),
        })
    }

    fn decide_dispatch(&self, lease: Lease, at: DateTime<Utc>) -> Decision {
        match self {
            Self::NotRequested => Err(MediaJobError::NotRequested),
            Self::Queued {
                attempts,
                deadline_at,
                not_before,
                ..
            } => {
                if not_before.is_some_and(|not_before| at < not_before) {
                    return Err(MediaJobError::NotYetDue);
                }
                dispatch(*deadline_at, attempts, lease, at).map(|event| vec![event])
            }
            Self::Dispatched {
                attempts,
                deadline_at,
                lease: former,
                ..
            } => {
                if at < former.lease_until {
                    return Err(MediaJobError::StillLeased);
                }
                dispatch_again(*deadline_at, attempts, lease, at)
            }
            Self::Succeeded { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. }
            | Self::Forgotten { .. } => Err(MediaJobError::AlreadyFinished),
        }
    }

    /// What cannot succeed is not given to a worker; what a worker has is its own to report.
    fn decide_refuse(&self, code: FailureCode, at: DateTime<Utc>) -> Decision {
        match self {
            Self::NotRequested => Err(MediaJobError::NotRequested),
            Self::Queued { attempts, .. } => Ok(vec![failed(attempts, code, at)]),
            Self::Dispatched { .. } => Err(MediaJobError::StillLeased),
            Self::Succeeded { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. }
            | Self::Forgotten { .. } => Err(MediaJobError::AlreadyFinished),
        }
    }

    /// A job can be cancelled even if its worker is out of reach: the lease ends by itself.
    fn decide_cancel(&self, by: Option<UserId>, at: DateTime<Utc>) -> Decision {
        let (running_attempt, last_attempt) = match self {
            Self::NotRequested => return Err(MediaJobError::NotRequested),
            Self::Queued { attempts, .. } => (None, attempts.last),
            Self::Dispatched { lease, .. } => (Some(lease.attempt), lease.attempt),
            Self::Cancelled { .. } | Self::Forgotten { .. } => return Ok(Vec::new()),
            Self::Succeeded { .. } | Self::Failed { .. } => {
                return Err(MediaJobError::AlreadyFinished);
            }
        };
        Ok(vec![MediaJobEvent::MediaJobCancelled {
            running_attempt,
            last_attempt,
            by,
            at,
        }])
    }

    fn decide_expire(&self, at: DateTime<Utc>) -> Decision {
        match self {
            Self::NotRequested => Err(MediaJobError::NotRequested),
            Self::Queued {
                attempts,
                deadline_at,
                ..
            }
            | Self::Dispatched {
                attempts,
                deadline_at,
                ..
            } => {
                if at < *deadline_at {
                    return Err(MediaJobError::NotYetExpired);
                }
                Ok(vec![failed(attempts, FailureCode::DeadlineExceeded, at)])
            }
            Self::Succeeded { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. }
            | Self::Forgotten { .. } => Ok(Vec::new()),
        }
    }

    /// Only the attempt that holds the lease may report: a late one of before is fenced off, its
    /// objects are swept.
    fn require_current(&self, attempt: u32) -> Result<(DateTime<Utc>, &Attempts), MediaJobError> {
        match self {
            Self::NotRequested => Err(MediaJobError::NotRequested),
            Self::Dispatched {
                attempts,
                deadline_at,
                lease,
                ..
            } if lease.attempt == attempt => Ok((*deadline_at, attempts)),
            Self::Queued { .. } | Self::Dispatched { .. } => Err(MediaJobError::StaleAttempt),
            Self::Succeeded { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. }
            | Self::Forgotten { .. } => Err(MediaJobError::AlreadyFinished),
        }
    }
}

fn dispatch(
    deadline_at: DateTime<Utc>,
    attempts: &Attempts,
    lease: Lease,
    at: DateTime<Utc>,
) -> Result<MediaJobEvent, MediaJobError> {
    let Lease {
        worker,
        attempt,
        lease_until,
    } = lease;
    if at >= deadline_at {
        return Err(MediaJobError::DeadlineExceeded);
    }
    if attempt != attempts.next() {
        return Err(MediaJobError::StaleAttempt);
    }
    Ok(MediaJobEvent::MediaJobDispatched {
        attempt,
        worker,
        lease_until,
        at,
    })
}

/// The former attempt has gone silent, which counts as a transient failure. Once too many have, the
/// job fails: what silences every worker must not go round for ever.
fn dispatch_again(
    deadline_at: DateTime<Utc>,
    attempts: &Attempts,
    lease: Lease,
    at: DateTime<Utc>,
) -> Decision {
    let dispatched = dispatch(deadline_at, attempts, lease, at)?;
    let silent = MediaJobEvent::MediaJobLeaseExpired {
        attempt: attempts.last,
        at,
    };
    let code = FailureCode::LeaseExpired;
    let next = if attempts.allow_retry(code) {
        dispatched
    } else {
        failed(attempts, code, at)
    };
    Ok(vec![silent, next])
}

/// Another try, if the code's class and the tries so far allow it and the deadline leaves time.
fn after_failure(
    deadline_at: DateTime<Utc>,
    attempts: &Attempts,
    code: FailureCode,
    retry_at: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> MediaJobEvent {
    let retry_at = retry_at.unwrap_or(at).max(at);
    if !attempts.allow_retry(code) || retry_at >= deadline_at {
        return failed(attempts, code, at);
    }
    let (attempt, class) = (attempts.last, code.class());
    MediaJobEvent::MediaJobAttemptFailed {
        attempt,
        code,
        class,
        retry_at,
        at,
    }
}

fn failed(attempts: &Attempts, code: FailureCode, at: DateTime<Utc>) -> MediaJobEvent {
    MediaJobEvent::MediaJobFailed {
        attempt: attempts.last,
        code,
        class: code.class(),
        at,
    }
}
