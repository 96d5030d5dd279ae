//! The gate before the workers: a job that a probe of its file has shown to be hopeless costs no transfer and no slot.
//!
//! Only what is known counts. A job whose file nobody has probed goes on: the worker probes for itself, always.

use aggregates::media_job::{FailureCode, MediaJob, MediaJobCommand};
use eventlog::{DbError, ExecuteError};
use media_worker::api::JobKey;
use projections::media_jobs::{self, JobRow, JobState};

use super::NAME;
use crate::app::App;
use crate::policies::context;
use crate::ports::clock;
use crate::quota;

/// How long the read model may take to show a refusal.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// Why the job is given to no worker: its owner has no room for what it makes, another one on the same file crashed for
/// good, or the last probe of the file says that it cannot succeed.
pub(super) async fn obstacle(app: &App, row: &JobRow) -> Result<Option<FailureCode>, DbError> {
    if quota::is_used_up(app, row.owner).await? {
        return Ok(Some(FailureCode::QuotaExceeded));
    }
    // Twice is enough: what made a program crash is not tried on by way of another preset.
    if let Some(code) = media_jobs::crash_of(&app.database, row.media_id).await? {
        return Ok(Some(code));
    }
    let Some(probe) = media_jobs::probe_of(&app.database, row.media_id).await? else {
        return Ok(None);
    };
    if probe.job_id == row.job_id {
        return Ok(None);
    }
    Ok(match probe.state {
        JobState::Succeeded => probe
            .result
            .and_then(|metadata| row.preset.obstacle(&metadata)),
        JobState::Failed => probe.error.filter(|code| code.condemns_input()),
        JobState::Queued | JobState::Running | JobState::Cancelled => None,
    })
}

/// Fails the job. Without the wait it would be offered again until the read model knows.
pub(super) async fn refuse(app: &App, row: &JobRow, key: JobKey, code: FailureCode) {
    tracing::info!(%key, code = code.as_str(), "a media job was refused");
    let command = MediaJobCommand::Refuse {
        code,
        at: clock::now(),
    };
    let written = app
        .log
        .execute::<MediaJob>(&row.job_id.to_string(), command, &context(NAME))
        .await;
    match written {
        Ok(_) | Err(ExecuteError::Refused(_)) => {
            app.read_models
                .wait_for(app.log.last_written(), PATIENCE)
                .await;
        }
        Err(error) => tracing::warn!(%key, %error, "a media job cannot be refused yet"),
    }
}
