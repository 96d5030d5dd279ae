//! What workers have, after a start of this node: what is over is let go, what goes on is found.

use std::time::Duration;

use aggregates::media_job::MediaJob;
use media_worker::api::{JobKey, JobState};

use crate::app::App;
use crate::workers::Worker;

/// How long a worker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks every worker for its attempts and lets those go that cannot count any more.
pub(super) async fn all(app: &App) {
    let each = app.workers.all().iter().map(|worker| one(app, worker));
    futures::future::join_all(each).await;
}

async fn one(app: &App, worker: &Worker) {
    let Ok(Ok(jobs)) = tokio::time::timeout(PATIENCE, worker.client.jobs()).await else {
        return;
    };
    let kept = jobs
        .iter()
        .filter(|status| status.state != JobState::Cancelled);
    for key in kept.map(media_worker::api::JobStatus::key) {
        let loaded = app.log.load::<MediaJob>(&key.job.to_string()).await;
        if loaded.is_ok_and(|(job, _)| is_over(&job, key.attempt, &worker.name, app))
            && let Err(error) = worker.client.cancel(key).await
        {
            tracing::debug!(%key, %error, "an attempt that is over stays with the worker until its guard ends it");
        }
    }
}

/// Whether an attempt can never count any more. A job that this log does not know is another installation's; an
/// attempt that the log does not know yet may be another node's, or this node's next.
fn is_over(job: &MediaJob, attempt: u32, worker: &str, app: &App) -> bool {
    match job {
        MediaJob::NotRequested => false,
        MediaJob::Queued { attempts, .. } => attempt <= attempts.last,
        MediaJob::Dispatched { lease, .. } if lease.attempt == attempt => {
            lease.worker != worker && app.workers.named(&lease.worker).is_some()
        }
        MediaJob::Dispatched { lease, .. } => attempt < lease.attempt,
        MediaJob::Succeeded { .. }
        | MediaJob::Failed { .. }
        | MediaJob::Cancelled { .. }
        | MediaJob::Forgotten { .. } => true,
    }
}

/// The worker that has an attempt, though the settings do not know it by the name that the log has.
pub(super) async fn who_has(app: &App, key: JobKey) -> Option<std::sync::Arc<Worker>> {
    for worker in app.workers.all() {
        let status = tokio::time::timeout(PATIENCE, worker.client.status(key)).await;
        if matches!(status, Ok(Ok(_))) {
            return Some(std::sync::Arc::clone(worker));
        }
    }
    None
}
