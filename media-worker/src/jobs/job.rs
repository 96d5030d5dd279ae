//! One attempt at one job, and the only ways in which its state can change.
//!
//! In `receiving` and `running` somebody works in the job's folder. Whoever that is ends the job; a
//! cancellation only asks for it, so that nothing is removed under a process that still writes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{EventLog, Folder, Slot};
use crate::api::{
    ErrorCode, EventBody, Failure, FailureCode, JobKey, JobResult, JobSpec, JobState, JobStatus,
    OutputFile,
};

#[derive(Debug)]
pub struct Job {
    pub key: JobKey,
    pub spec: JobSpec,
    pub folder: Folder,
    pub events: EventLog,
    /// Asks whoever works on the job to stop.
    pub cancel: CancellationToken,
    /// Set once the job is final and its slot is free.
    ended: CancellationToken,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: JobState,
    pct: Option<f64>,
    failure: Option<Failure>,
    result: Option<JobResult>,
    outputs: Vec<OutputFile>,
    slot: Option<Arc<Slot>>,
    last_call: Instant,
    finished_at: Option<Instant>,
    files_deleted: bool,
    /// Whether whoever ordered the job was told that it has ended.
    is_told: bool,
    /// Why the job was cancelled, if not by a caller.
    cancel_code: FailureCode,
}

/// How a job ended.
#[derive(Debug)]
pub enum Outcome {
    Succeeded(Success),
    Failed(Failure),
    Cancelled,
}

#[derive(Debug)]
pub struct Success {
    pub result: JobResult,
    pub outputs: Vec<OutputFile>,
}

impl Job {
    pub fn new(key: JobKey, spec: JobSpec, folder: Folder, slot: Slot) -> Arc<Self> {
        let job = Arc::new(Self {
            key,
            spec,
            folder,
            events: EventLog::default(),
            cancel: CancellationToken::new(),
            ended: CancellationToken::new(),
            inner: Mutex::new(Inner {
                state: JobState::AwaitingInput,
                pct: None,
                failure: None,
                result: None,
                outputs: Vec::new(),
                slot: Some(Arc::new(slot)),
                last_call: Instant::now(),
                finished_at: None,
                files_deleted: false,
                is_told: false,
                cancel_code: FailureCode::Cancelled,
            }),
        });
        job.events.push(EventBody::State {
            state: JobState::AwaitingInput,
        });
        job
    }

    pub fn status(&self) -> JobStatus {
        let inner = self.lock();
        JobStatus {
            job: self.key.job,
            attempt: self.key.attempt,
            preset: self.spec.preset,
            state: inner.state,
            pct: inner.pct,
            last_seq: self.events.last_seq(),
            failure: inner.failure.clone(),
            result: inner.result.clone(),
            files_deleted: inner.files_deleted,
        }
    }

    /// The status for whoever ordered the job, who then knows its end if it has come to it.
    pub fn tell(&self) -> JobStatus {
        let mut inner = self.lock();
        inner.is_told = inner.state.is_final();
        drop(inner);
        self.status()
    }

    /// Whether somebody, to be believed by a call since `quiet_since`, waits for the job: for its end, to hear of it if
    /// it came after `told_since`, or for its outputs.
    pub fn is_awaited(&self, told_since: Instant, quiet_since: Instant) -> bool {
        let inner = self.lock();
        let is_due = match inner.state {
            JobState::AwaitingInput | JobState::Receiving | JobState::Ready | JobState::Running => {
                true
            }
            JobState::Succeeded => !inner.files_deleted,
            JobState::Failed | JobState::Cancelled => {
                !inner.is_told && inner.finished_at.is_some_and(|at| at >= told_since)
            }
        };
        is_due && inner.last_call >= quiet_since
    }

    pub fn state(&self) -> JobState {
        self.lock().state
    }

    pub fn outputs(&self) -> Vec<OutputFile> {
        self.lock().outputs.clone()
    }

    /// Somebody asked about the job, so it is still wanted.
    pub fn touch(&self) {
        self.lock().last_call = Instant::now();
    }

    pub fn last_call(&self) -> Instant {
        self.lock().last_call
    }

    pub fn finished_at(&self) -> Option<Instant> {
        self.lock().finished_at
    }

    /// The job's place while it has one.
    pub fn slot(&self) -> Option<Arc<Slot>> {
        self.lock().slot.clone()
    }

    /// Begins to take the input; `None` if it is already here.
    pub fn begin_receiving(self: &Arc<Self>) -> Result<Option<Receiving>, ErrorCode> {
        let mut inner = self.lock();
        match inner.state {
            JobState::AwaitingInput => {
                self.enter(&mut inner, JobState::Receiving);
                Ok(Some(Receiving {
                    job: Arc::clone(self),
                    verified: false,
                }))
            }
            JobState::Receiving => Err(ErrorCode::InputInProgress),
            JobState::Ready | JobState::Running | JobState::Succeeded => Ok(None),
            JobState::Failed | JobState::Cancelled => Err(ErrorCode::AlreadyFinished),
        }
    }

    /// Moves from `ready` to `running`; false if it is there, or was there, already.
    pub fn begin_running(&self) -> Result<bool, ErrorCode> {
        let mut inner = self.lock();
        match inner.state {
            JobState::AwaitingInput | JobState::Receiving => Err(ErrorCode::InputMissing),
            JobState::Ready => {
                self.enter(&mut inner, JobState::Running);
                Ok(true)
            }
            JobState::Running | JobState::Succeeded | JobState::Failed => Ok(false),
            JobState::Cancelled => Err(ErrorCode::AlreadyFinished),
        }
    }

    pub fn set_progress(&self, pct: Option<f64>, body: EventBody) {
        let mut inner = self.lock();
        if inner.state == JobState::Running {
            inner.pct = pct.or(inner.pct);
            self.events.push(body);
        }
    }

    /// Ends a job that is worked on. Called by whoever works on it, once no process is left. A
    /// cancellation that came before wins, whatever the work came to.
    pub fn finish(&self, outcome: Outcome) {
        let mut inner = self.lock();
        if !inner.state.is_final() {
            let is_cancelled = self.cancel.is_cancelled();
            self.end(
                &mut inner,
                if is_cancelled {
                    Outcome::Cancelled
                } else {
                    outcome
                },
            );
        }
    }

    /// Stops the job, whatever its state, and waits until no process and no file of it is left.
    pub async fn cancel(&self, code: FailureCode) {
        {
            let mut inner = self.lock();
            if inner.state.is_final() {
                self.delete_files(&mut inner);
                return;
            }
            inner.cancel_code = code;
            self.cancel.cancel();
            if matches!(inner.state, JobState::AwaitingInput | JobState::Ready) {
                self.end(&mut inner, Outcome::Cancelled);
            }
        }
        self.ended.cancelled().await;
    }

    /// Deletes the files of a job that has ended.
    pub fn delete_outputs(&self) -> Result<(), ErrorCode> {
        let mut inner = self.lock();
        if !inner.state.is_final() {
            return Err(ErrorCode::NotFinished);
        }
        self.delete_files(&mut inner);
        Ok(())
    }

    fn enter(&self, inner: &mut Inner, state: JobState) {
        inner.state = state;
        self.events.push(EventBody::State { state });
    }

    fn end(&self, inner: &mut Inner, outcome: Outcome) {
        let (state, failure) = match outcome {
            Outcome::Succeeded(Success { result, outputs }) => {
                inner.result = Some(result);
                inner.outputs = outputs;
                inner.pct = Some(100.0);
                (JobState::Succeeded, None)
            }
            Outcome::Failed(failure) => (JobState::Failed, Some(failure)),
            Outcome::Cancelled => {
                let code = inner.cancel_code;
                // Nobody wanted it to end when the worker goes away: that is a failure like another.
                let state = match code {
                    FailureCode::WorkerUnreachable => JobState::Failed,
                    _ => JobState::Cancelled,
                };
                let detail = String::new();
                (state, Some(Failure { code, detail }))
            }
        };
        inner.failure.clone_from(&failure);
        inner.finished_at = Some(Instant::now());
        self.tidy(inner, state);
        inner.slot = None;
        self.enter(inner, state);
        self.events.push(EventBody::Result { state, failure });
        self.ended.cancel();
    }

    /// Only a success has files that are still wanted, and its input is not one of them.
    fn tidy(&self, inner: &mut Inner, state: JobState) {
        if state != JobState::Succeeded {
            self.delete_files(inner);
        } else if let Err(error) = self.folder.remove_input() {
            tracing::error!(job = %self.key, %error, "an input cannot be deleted");
        }
    }

    /// A few unlinks under the lock: nobody sees a final state with files that are about to go.
    fn delete_files(&self, inner: &mut Inner) {
        match self.folder.remove() {
            Ok(()) => inner.files_deleted = true,
            Err(error) => tracing::error!(job = %self.key, %error, "a folder cannot be deleted"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to write the input. Dropped before [`Receiving::verified`], the job waits for its input
/// again, or ends if that was asked for in the meantime.
#[derive(Debug)]
pub struct Receiving {
    job: Arc<Job>,
    verified: bool,
}

impl Receiving {
    /// The input is complete and has the ordered digest.
    pub fn verified(mut self) {
        self.verified = true;
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let mut inner = self.job.lock();
        if self.job.cancel.is_cancelled() {
            self.job.end(&mut inner, Outcome::Cancelled);
        } else if self.verified {
            self.job.enter(&mut inner, JobState::Ready);
        } else {
            self.job.enter(&mut inner, JobState::AwaitingInput);
        }
    }
}
