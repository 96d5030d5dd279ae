//! One attempt at one job: reserve, dispatch, send the input, start, follow, collect.
//!
//! Every step asks the worker where the attempt stands and goes on from there, so that an attempt can be picked up
//! at any point by the same node after a restart or by another node.

use std::sync::Arc;
use std::time::Duration;

use aggregates::media_job::{
    Attempts, FailureClass, FailureCode, MediaJob, MediaJobCommand, MediaJobError, retry_delay,
};
use eventlog::ExecuteError;
use futures::StreamExt as _;
use media_worker::api::{self, EventBody, JobKey, JobState, JobStatus};
use media_worker::client::ClientError;
use projections::media::MediaRow;
use projections::{media, media_jobs::JobRow};

use super::leases::{self, Lost};
use super::spec::{digest, spec};
use super::{NAME, Place, gate, outputs, reconcile, store};
use crate::app::App;
use crate::policies::context;
use crate::ports::blobs::BlobError;
use crate::ports::{clock, ids};
use crate::workers::{Weight, Worker};

/// A worker that cannot be reached for this long has lost the attempt.
const SILENCE: Duration = Duration::from_secs(5);
/// After a job was not dispatched though a worker had room, nothing is offered for this long: without a pause the freed
/// place would offer it again at once.
const PAUSE: Duration = Duration::from_millis(200);
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How an attempt ends, other than well.
pub enum Stop {
    /// The attempt failed.
    Failed(FailureCode),
    /// The worker was told to give it up.
    GivenUp,
    /// The file is gone: there is nothing to do any more.
    InputGone,
    /// The worker does not answer, or refuses this server altogether: the job waits.
    WorkerAway(ClientError),
    /// Somebody else decides about the job now, or this node cannot decide at the moment; the lease runs out.
    LetGo(String),
}

/// Gives a queued job to the worker, if it has a free slot, and sees it through.
pub(super) async fn dispatch(place: Place, worker: Arc<Worker>, row: JobRow) {
    let app = &place.app;
    let key = JobKey {
        job: row.job_id.into(),
        attempt: row.attempt + 1,
    };
    if !store::answers(app).await {
        worker.not_tried();
        return;
    }
    match gate::obstacle(app, &row).await {
        Ok(None) => {}
        Ok(Some(code)) => {
            worker.not_tried();
            return gate::refuse(app, &row, key, code).await;
        }
        Err(error) => {
            worker.not_tried();
            app.jobs.pause(PAUSE);
            tracing::warn!(%key, %error, "a media job was not dispatched");
            return;
        }
    }
    match reserve(app, &worker, &row, key).await {
        Ok(Reserved::Dispatched) => see_through(app, &worker, &row, key).await,
        Ok(Reserved::Busy) => {
            worker.busy(Weight::of(row.preset));
            release(app, &row).await;
        }
        Ok(Reserved::NoRoom) => release(app, &row).await,
        Err(Stop::LetGo(reason)) => {
            worker.not_tried();
            app.jobs.pause(PAUSE);
            tracing::info!(%key, reason, "a media job was not dispatched");
        }
        Err(Stop::WorkerAway(error)) => {
            worker.failed();
            release(app, &row).await;
            tracing::warn!(%key, worker = worker.name, %error, "a media job was not dispatched");
        }
        Err(stop) => {
            app.jobs.pause(PAUSE);
            settle(app, &worker, &row, key, stop).await;
        }
    }
}

/// Takes over a running job whose lease has run out.
pub(super) async fn adopt(place: Place, row: JobRow) {
    let app = &place.app;
    let key = JobKey {
        job: row.job_id.into(),
        attempt: row.attempt,
    };
    match leases::take(app, row.job_id, row.attempt, clock::now()).await {
        Ok(true) => {
            tracing::info!(%key, "adopting a media job");
            take_over(app, &row, key).await;
        }
        Ok(false) => {}
        Err(error) => tracing::warn!(%key, %error, "a media job cannot be adopted yet"),
    }
}

/// Goes on where the attempt is. If its worker is not one of the settings' any more and no other one has it, it has
/// gone silent for good.
async fn take_over(app: &App, row: &JobRow, key: JobKey) {
    let name = match app.log.load::<MediaJob>(&row.job_id.to_string()).await {
        Ok((MediaJob::Dispatched { lease, .. }, _)) if lease.attempt == key.attempt => lease.worker,
        // It has gone on, and the read model is behind.
        Ok(_) => return release(app, row).await,
        Err(error) => {
            tracing::warn!(%key, %error, "a media job cannot be adopted yet");
            return;
        }
    };
    let worker = match app.workers.named(&name) {
        Some(worker) => Some(Arc::clone(worker)),
        None => reconcile::who_has(app, key).await,
    };
    if let Some(worker) = worker {
        return see_through(app, &worker, row, key).await;
    }
    if write_failure(app, row, key, FailureCode::LeaseExpired).await {
        release(app, row).await;
    }
}

/// What became of a job that was offered to the worker.
enum Reserved {
    /// The worker has a slot for it, and the log says so.
    Dispatched,
    /// The worker has no slot.
    Busy,
    /// The worker has no room for the input; another one may have.
    NoRoom,
}

/// The lease first, so that no two nodes offer one job to two workers; then a slot at the worker, then the event: a
/// busy or absent worker costs no attempt.
async fn reserve(app: &App, worker: &Worker, row: &JobRow, key: JobKey) -> Result<Reserved, Stop> {
    let spec = spec(row)?;
    let taken = leases::take(app, row.job_id, key.attempt, clock::now())
        .await
        .map_err(let_go)?;
    if !taken {
        return Err(Stop::LetGo("another node has the lease".to_owned()));
    }
    app.jobs.leased(row.job_id);
    let refused = match worker.client.put_job(key, &spec).await {
        Ok(_) => None,
        Err(ClientError::Busy { .. }) => return Ok(Reserved::Busy),
        Err(ClientError::DiskLow) => {
            worker.lacks_room(row.input_bytes);
            if !app.workers.none_can_hold(row.input_bytes) {
                return Ok(Reserved::NoRoom);
            }
            // Not even an idle one has room: tried a few times, it fails with that code.
            Some(FailureCode::DiskFull)
        }
        // The job's own fault or a mismatch of versions: it is dispatched, and fails with its code.
        Err(ClientError::Rejected {
            code: api::ErrorCode::InvalidSpec,
        }) => Some(FailureCode::VersionSkew),
        Err(ClientError::Rejected {
            code: api::ErrorCode::InputTooBig,
        }) => Some(FailureCode::InputTooBig),
        Err(error) => return Err(Stop::WorkerAway(error)),
    };
    worker.answered();
    record_dispatch(app, worker, row, key).await?;
    refused.map_or(Ok(Reserved::Dispatched), |code| Err(Stop::Failed(code)))
}

async fn record_dispatch(
    app: &App,
    worker: &Worker,
    row: &JobRow,
    key: JobKey,
) -> Result<(), Stop> {
    let at = clock::now();
    let command = MediaJobCommand::Dispatch {
        worker: worker.name.clone(),
        attempt: key.attempt,
        lease_until: at + leases::LEASE,
        at,
    };
    let recorded = app
        .log
        .execute::<MediaJob>(&row.job_id.to_string(), command, &context(NAME))
        .await;
    match recorded {
        Ok(_) => Ok(()),
        Err(error @ ExecuteError::Refused(_)) => {
            give_back(app, worker, row, key).await;
            Err(let_go(error))
        }
        Err(error) => Err(let_go(error)),
    }
}

/// The log has refused the attempt: the slot is given back, unless the very attempt is this worker's already.
async fn give_back(app: &App, worker: &Worker, row: &JobRow, key: JobKey) {
    release(app, row).await;
    let is_its_own = match app.log.load::<MediaJob>(&row.job_id.to_string()).await {
        Ok((MediaJob::Dispatched { lease, .. }, _)) => {
            lease.attempt == key.attempt && lease.worker == worker.name
        }
        Ok(_) => false,
        Err(_) => true,
    };
    if !is_its_own && let Err(error) = worker.client.cancel(key).await {
        tracing::debug!(%key, %error, "a slot stays taken until the worker's own guard frees it");
    }
}

async fn release(app: &App, row: &JobRow) {
    if let Err(error) = leases::release(app, row.job_id).await {
        tracing::debug!(%error, "a lease stays until it runs out");
    }
}

fn let_go(error: impl std::fmt::Display) -> Stop {
    Stop::LetGo(error.to_string())
}

/// Goes on until the attempt has ended and its outputs are taken in, or the lease is lost.
async fn see_through(app: &App, worker: &Worker, row: &JobRow, key: JobKey) {
    let ended = tokio::select! {
        ended = bring_home(app, worker, row, key) => ended,
        lost = leases::keep(app, row.job_id, key.attempt) => Err(match lost {
            Lost::Lease => Stop::LetGo("the lease was lost".to_owned()),
            Lost::Job => Stop::GivenUp,
        }),
    };
    judge(worker, &ended);
    match ended {
        Ok(()) => finish(app, worker, row, key, true).await,
        Err(stop) => settle(app, worker, row, key, stop).await,
    }
}

async fn bring_home(app: &App, worker: &Worker, row: &JobRow, key: JobKey) -> Result<(), Stop> {
    let status = go_on(app, worker, row, key).await?;
    outputs::collect(app, worker, row, key, &status).await
}

/// What the end of an attempt says about its worker. What a file or its owner can bring about never counts against it.
fn judge(worker: &Worker, ended: &Result<(), Stop>) {
    match ended {
        Err(Stop::Failed(code)) => match code {
            FailureCode::WorkerUnreachable
            | FailureCode::AuthFailed
            | FailureCode::SandboxUnavailable
            | FailureCode::FfmpegMissing => worker.failed(),
            FailureCode::StorageUnavailable => {}
            other if other.class() == FailureClass::Transient => worker.shun(),
            _ => worker.succeeded(),
        },
        Ok(()) => worker.succeeded(),
        Err(_) => {}
    }
}

/// Brings the attempt to its success at the worker.
async fn go_on(app: &App, worker: &Worker, row: &JobRow, key: JobKey) -> Result<JobStatus, Stop> {
    loop {
        let status = ask(worker, key).await?;
        match status.state {
            JobState::AwaitingInput => send_input(app, worker, row, key).await?,
            JobState::Receiving => tokio::time::sleep(ASK_AGAIN).await,
            JobState::Ready => {
                reached(&worker.client.start(key).await)?;
            }
            JobState::Running => follow(app, worker, row, key, status.last_seq).await?,
            JobState::Succeeded => return Ok(status),
            JobState::Failed => return Err(Stop::Failed(failure(&status))),
            JobState::Cancelled => return Err(Stop::GivenUp),
        }
    }
}

/// The worker's codes have our names; one that we do not know is its own fault.
fn failure(status: &JobStatus) -> FailureCode {
    let code = status
        .failure
        .as_ref()
        .and_then(|failure| failure.code.as_str().parse().ok());
    code.unwrap_or(FailureCode::WorkerInternal)
}

async fn ask(worker: &Worker, key: JobKey) -> Result<JobStatus, Stop> {
    let since = clock::monotonic();
    loop {
        match worker.client.status(key).await {
            Ok(status) => return Ok(status),
            // The worker was restarted and has forgotten the attempt.
            Err(ClientError::NotFound) => return Err(Stop::Failed(FailureCode::WorkerUnreachable)),
            Err(_) if since.elapsed() < SILENCE => tokio::time::sleep(ASK_AGAIN).await,
            Err(_) => return Err(Stop::Failed(FailureCode::WorkerUnreachable)),
        }
    }
}

/// What a call did is seen at the next question; only that the worker does not know the attempt ends it here.
fn reached<T>(answer: &Result<T, ClientError>) -> Result<(), Stop> {
    match answer {
        Err(ClientError::NotFound) => Err(Stop::Failed(FailureCode::WorkerUnreachable)),
        Err(ClientError::Rejected {
            code: api::ErrorCode::DigestMismatch,
        }) => Err(Stop::Failed(FailureCode::DigestMismatch)),
        Err(ClientError::DiskLow) => Err(Stop::Failed(FailureCode::DiskFull)),
        Err(
            ClientError::Stalled
            | ClientError::Rejected {
                code: api::ErrorCode::UploadTooSlow | api::ErrorCode::UploadInterrupted,
            },
        ) => Err(Stop::Failed(FailureCode::UploadInterrupted)),
        Err(ClientError::Rejected { .. } | ClientError::Protocol) => {
            Err(Stop::Failed(FailureCode::WorkerInternal))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn send_input(app: &App, worker: &Worker, row: &JobRow, key: JobKey) -> Result<(), Stop> {
    let found: Option<MediaRow> = media::find(&app.database, row.owner, row.media_id)
        .await
        .map_err(let_go)?;
    let Some(file) = found else {
        return Err(Stop::InputGone);
    };
    let body = match app.blobs.get(&file.object, None).await {
        Ok(body) => body,
        // The worker keeps the place while it is asked about; what it has of the input is asked next.
        Err(error) if store::was_away(app, &error).await => return Ok(()),
        Err(BlobError::NotFound) => return Err(Stop::InputGone),
        Err(_) => return Err(Stop::Failed(FailureCode::StorageUnavailable)),
    };
    let sent = worker
        .client
        .put_input(key, row.input_bytes, digest(row)?, body)
        .await;
    if matches!(sent, Err(ClientError::Unreachable)) {
        tokio::time::sleep(ASK_AGAIN).await;
    }
    reached(&sent)
}

/// Follows the attempt's events to its result, for the progress.
async fn follow(
    app: &App,
    worker: &Worker,
    row: &JobRow,
    key: JobKey,
    after: u64,
) -> Result<(), Stop> {
    let events = match worker.client.events(key, after).await {
        Ok(events) => events,
        Err(ClientError::NotFound) => return Err(Stop::Failed(FailureCode::WorkerUnreachable)),
        Err(_) => {
            tokio::time::sleep(ASK_AGAIN).await;
            return Ok(());
        }
    };
    let mut events = std::pin::pin!(events);
    let mut is_made = false;
    while let Some(Ok(event)) = events.next().await {
        match event.body {
            // Its slot is free already: what waits for one is sent while this one is checked and taken in.
            EventBody::Progress { pct: Some(pct), .. } if pct >= 100.0 && !is_made => {
                is_made = true;
                worker.freed();
                app.jobs.freed.notify_one();
            }
            EventBody::Progress { pct: Some(pct), .. } if pct < 100.0 => {
                app.jobs.set_progress(row.job_id, pct / 100.0);
            }
            EventBody::Result { .. } => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// Writes down how the attempt ended.
async fn settle(app: &App, worker: &Worker, row: &JobRow, key: JobKey, stop: Stop) {
    let is_written = match stop {
        Stop::Failed(code) => write_failure(app, row, key, code).await,
        Stop::GivenUp => write_failure(app, row, key, FailureCode::WorkerInternal).await,
        Stop::InputGone => {
            let at = clock::now();
            write(app, row, key, MediaJobCommand::Cancel { by: None, at }).await
        }
        Stop::WorkerAway(error) => {
            tracing::warn!(%key, %error, "a media job was let go");
            false
        }
        Stop::LetGo(reason) => {
            tracing::info!(%key, reason, "a media job was let go");
            false
        }
    };
    if is_written {
        outputs::discard(app, row, key).await;
        finish(app, worker, row, key, false).await;
    }
}

async fn write_failure(app: &App, row: &JobRow, key: JobKey, code: FailureCode) -> bool {
    tracing::info!(%key, code = code.as_str(), "an attempt at a media job failed");
    // Attempts are numbered on when a job is asked for again; those of before say nothing about now.
    let loaded = app.log.load::<MediaJob>(&row.job_id.to_string()).await;
    let failures = loaded.map_or(0, |(job, _)| job.attempts().map_or(0, Attempts::failures));
    let at = clock::now();
    let delay = retry_delay(failures, ids::jitter());
    let command = MediaJobCommand::Fail {
        attempt: key.attempt,
        code,
        retry_at: Some(at + delay),
        at,
    };
    write(app, row, key, command).await
}

/// A file that made what works on it crash for good may be an attack: somebody should look at it.
fn alert(job: &MediaJob, row: &JobRow, key: JobKey) {
    if let MediaJob::Failed { code, .. } = job
        && code.class() == FailureClass::Crash
    {
        let (media, code) = (row.media_id, code.as_str());
        metrics::counter!("gatelog_media_poison_total", "code" => code).increment(1);
        tracing::error!(%key, %media, code, "a file keeps crashing what works on it; no other job of it is begun");
    }
}

/// True when the log has the end, or another one. Otherwise the lease runs out, and whoever adopts the job settles it.
async fn write(app: &App, row: &JobRow, key: JobKey, command: MediaJobCommand) -> bool {
    let written = app
        .log
        .execute::<MediaJob>(&row.job_id.to_string(), command, &context(NAME))
        .await;
    match written {
        Ok(outcome) => {
            alert(&outcome.aggregate, row, key);
            true
        }
        Err(ExecuteError::Refused(_)) => true,
        Err(error) => {
            tracing::warn!(%key, %error, "the end of an attempt was not written down yet");
            false
        }
    }
}

/// Lets the worker and the lease go. What fails here ends by itself.
async fn finish(app: &App, worker: &Worker, row: &JobRow, key: JobKey, has_succeeded: bool) {
    let told = if has_succeeded {
        worker.client.ack(key).await
    } else {
        worker.client.cancel(key).await
    };
    if let Err(error) = told {
        tracing::debug!(%key, %error, "the worker keeps the attempt until its own guard ends it");
    }
    worker.freed();
    release(app, row).await;
}

/// Whether a refusal means that the job was decided already.
pub(super) fn is_decided(error: &ExecuteError<MediaJobError>) -> bool {
    matches!(
        error,
        ExecuteError::Refused(MediaJobError::AlreadyFinished | MediaJobError::StaleAttempt)
    )
}
