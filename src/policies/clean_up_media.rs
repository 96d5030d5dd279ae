//! A deleted file loses its jobs, its outputs and, unless other media has the same, its content; a cancelled job loses
//! its place at the worker.

use std::sync::Arc;

use aggregates::media::MediaEvent;
use aggregates::media_job::{MediaJob, MediaJobCommand, MediaJobEvent};
use aggregates::values::{JobId, MediaId};
use async_trait::async_trait;
use eventlog::{ExecuteError, ReactError, Reactor, RecordedEvent};
use media_worker::api::JobKey;
use projections::media_jobs;

use super::{again, context};
use crate::app::App;
use crate::media_content;
use crate::ports::clock;
use crate::quota;

/// Its name.
pub const NAME: &str = "clean_up_media";
/// Jobs of a file that are looked at at once.
const PAGE: usize = 100;
/// How long the read model of the jobs may take to reach the event.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// The policy.
pub struct CleanUpMedia {
    app: Arc<App>,
}

impl CleanUpMedia {
    /// Over `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    async fn deleted(&self, media: MediaId, object: &str, position: u64) -> Result<(), ReactError> {
        if !self.app.read_models.wait_for(position, PATIENCE).await {
            return Err(again("the read model of the jobs is behind"));
        }
        let mut last = None;
        loop {
            let jobs = media_jobs::of_media(&self.app.database, media, last, PAGE).await;
            let jobs = jobs.map_err(again)?;
            for job in &jobs {
                self.end(*job).await?;
            }
            last = jobs.last().copied();
            if jobs.len() < PAGE {
                break;
            }
        }
        let removed = media_content::remove_unused(&self.app, object).await;
        removed.map_err(again)?;
        // The read model has let it go, so nothing counts it any more.
        let released = quota::release(&self.app.database, media).await;
        released.map_err(again)
    }

    /// The job is cancelled, if it is not over, and its outputs go.
    async fn end(&self, job: JobId) -> Result<(), ReactError> {
        let command = MediaJobCommand::Cancel {
            by: None,
            at: clock::now(),
        };
        let (app, id) = (&self.app, job.to_string());
        let ended = app
            .log
            .execute::<MediaJob>(&id, command, &context(NAME))
            .await;
        match ended {
            Ok(_) | Err(ExecuteError::Refused(_)) => {}
            Err(error) => return Err(again(error)),
        }
        app.blobs.delete_outputs(job).await.map_err(again)
    }

    /// Best effort: a worker that cannot be reached kills the job itself when nobody asks for it.
    async fn cancelled(&self, event: &RecordedEvent, attempt: u32) -> Result<(), ReactError> {
        let key = JobKey {
            job: super::stream_id(event)?,
            attempt,
        };
        match self.app.workers.cancel_everywhere(key).await {
            Ok(()) => {}
            Err(error) => {
                tracing::info!(%key, %error, "a cancelled job is left to the worker's own guard");
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for CleanUpMedia {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(NAME)
    }
}

#[async_trait]
impl Reactor for CleanUpMedia {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reacts_to(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, "media" | "media_job")
    }

    async fn react(&self, event: &RecordedEvent) -> Result<(), ReactError> {
        if event.aggregate_type == "media" {
            let parsed: MediaEvent = super::parsed(&self.app, event)?;
            if let MediaEvent::MediaDeleted { object, .. } = parsed {
                let media = super::stream_id(event)?;
                return self.deleted(media, &object, event.position).await;
            }
            return Ok(());
        }
        let parsed: MediaJobEvent = super::parsed(&self.app, event)?;
        match parsed {
            MediaJobEvent::MediaJobCancelled {
                running_attempt: Some(attempt),
                ..
            } => self.cancelled(event, attempt).await,
            _ => Ok(()),
        }
    }
}
