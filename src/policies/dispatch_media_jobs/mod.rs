//! The process manager of media jobs: from the queue in the log to the worker and back.
//!
//! Each node looks after its own drives, one a job. What decides is always the job's stream: the attempt's number
//! is a fencing token, so of two nodes, or of a node and its own past, only one result counts. Leases (a table, not
//! events) say which node drives a running job; when a lease runs out another node adopts the attempt at the
//! worker, or gives it up.

mod drive;
mod leases;
mod outputs;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aggregates::media_job::{MediaJob, MediaJobCommand, Preset};
use aggregates::values::JobId;
use eventlog::{DbError, ExecuteError};
use media_worker::api::JobState;
use projections::media_jobs::{self, JobRow};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::context;
use crate::app::App;
use crate::lifecycle::Lifecycle;
use crate::ports::clock;

const NAME: &str = "dispatch_media_jobs";
/// How often the queue is looked at when nothing happens; back-off times and leases run out by themselves.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Queued jobs past their deadline that one look ends.
const OVERDUE: usize = 100;

/// The version of a preset's recipe that this server asks for.
pub fn preset_version(preset: Preset) -> u32 {
    drive::worker_preset(preset).version()
}

/// The jobs that this node drives.
#[derive(Debug)]
pub struct JobQueue {
    capacity: usize,
    driven: Mutex<HashMap<JobId, f64>>,
    freed: Notify,
    /// While the worker is busy or away nothing is offered to it.
    paused_until: Mutex<Option<Instant>>,
    /// Cancelled when this node stops; whoever follows a job is let go.
    closed: CancellationToken,
}

impl JobQueue {
    /// For at most `capacity` jobs at once.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            driven: Mutex::default(),
            freed: Notify::new(),
            paused_until: Mutex::new(None),
            closed: CancellationToken::new(),
        }
    }

    /// How far a job is, 0 to 1; 0 when another node drives it.
    pub fn progress(&self, job: JobId) -> f64 {
        self.driven
            .lock()
            .ok()
            .and_then(|driven| driven.get(&job).copied())
            .unwrap_or(0.0)
    }

    /// Resolves when this node stops.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    fn set_progress(&self, job: JobId, progress: f64) {
        if let Ok(mut driven) = self.driven.lock()
            && let Some(place) = driven.get_mut(&job)
        {
            *place = progress.clamp(0.0, 1.0);
        }
    }

    /// A place for a job, unless it has one or all are taken.
    fn take(&self, app: &Arc<App>, job: JobId) -> Option<Place> {
        let mut driven = self.driven.lock().ok()?;
        if driven.len() >= self.capacity || driven.contains_key(&job) {
            return None;
        }
        driven.insert(job, 0.0);
        Some(Place {
            app: Arc::clone(app),
            job,
        })
    }

    /// Offers the worker nothing for a while.
    fn pause(&self, pause: Duration) {
        if let Ok(mut until) = self.paused_until.lock() {
            *until = Some(clock::monotonic() + pause);
        }
    }

    fn is_paused(&self) -> bool {
        let now = clock::monotonic();
        self.paused_until
            .lock()
            .is_ok_and(|until| until.is_some_and(|until| now < until))
    }

    fn free(&self) -> usize {
        self.driven
            .lock()
            .map_or(0, |driven| self.capacity.saturating_sub(driven.len()))
    }
}

/// A job's place; dropping it frees it.
struct Place {
    app: Arc<App>,
    job: JobId,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(mut driven) = self.app.jobs.driven.lock() {
            driven.remove(&self.job);
        }
        self.app.jobs.freed.notify_one();
    }
}

/// Starts the process manager.
pub fn start(app: &Arc<App>, lifecycle: &Lifecycle) {
    let (app, stop) = (Arc::clone(app), lifecycle.stop_token());
    lifecycle.spawn(NAME, async move {
        let mut drives = tokio::task::JoinSet::new();
        if let Err(error) = leases::forget_own_past(&app).await {
            tracing::warn!(%error, "leases of the process before this one stay until they run out");
        }
        reconcile(&app).await;
        let Some(mut queue) = app.read_models.watch("media_jobs") else {
            return;
        };
        while !stop.is_cancelled() {
            queue.mark_unchanged();
            if let Err(error) = look(&app, &mut drives).await {
                tracing::warn!(%error, "the queue of media jobs cannot be read");
            }
            tokio::select! {
                _ = queue.changed() => {}
                () = app.jobs.freed.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = stop.cancelled() => {}
            }
            while drives.try_join_next().is_some() {}
        }
        app.jobs.closed.cancel();
        // Whatever is under way goes on at the worker; the next start adopts it.
        drives.abort_all();
    });
}

/// One look at the queue.
async fn look(app: &Arc<App>, drives: &mut tokio::task::JoinSet<()>) -> Result<(), DbError> {
    let now = clock::now();
    let mut free = app.jobs.free();
    for row in media_jobs::orphaned(&app.database, now, free).await? {
        if let Some(place) = app.jobs.take(app, row.job_id) {
            drives.spawn(drive::adopt(place, row));
            free -= 1;
        }
    }
    if app.jobs.is_paused() {
        free = 0;
    }
    for row in media_jobs::due(&app.database, now, app.config.media.jobs_per_user, free).await? {
        if let Some(place) = app.jobs.take(app, row.job_id) {
            drives.spawn(drive::dispatch(place, row));
        }
    }
    for job in media_jobs::overdue(&app.database, now, OVERDUE).await? {
        let command = MediaJobCommand::Expire { at: now };
        match app
            .log
            .execute::<MediaJob>(&job.to_string(), command, &context(NAME))
            .await
        {
            Ok(_) | Err(ExecuteError::Refused(_)) => {}
            Err(error) => {
                tracing::warn!(%job, %error, "a job past its deadline cannot be ended yet");
            }
        }
    }
    Ok(())
}

/// After a restart: what the worker still has of jobs that are over or at a later attempt is let go.
async fn reconcile(app: &App) {
    let Ok(jobs) = app.worker.jobs().await else {
        return;
    };
    for status in jobs
        .iter()
        .filter(|status| status.state != JobState::Cancelled)
    {
        let row = media_jobs::find_any(&app.database, JobId::from(status.job)).await;
        if let Ok(Some(row)) = row
            && is_past(&row, status.attempt)
            && let Err(error) = app.worker.cancel(status.key()).await
        {
            tracing::debug!(%error, "an attempt that is over stays with the worker until its guard ends it");
        }
    }
}

fn is_past(row: &JobRow, attempt: u32) -> bool {
    attempt < row.attempt || row.finished_at.is_some()
}
