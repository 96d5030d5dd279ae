//! A media job as its owner sees it.

use aggregates::media_job::{FailureCode, MediaMetadata};
use chrono::{DateTime, Utc};
use projections::media_jobs::{JobRow, JobState};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;

/// A media job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// The same request is the same job, so the same id.
    pub id: Uuid,
    /// The file.
    pub media_id: Uuid,
    /// The recipe.
    pub preset: &'static str,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub state: &'static str,
    /// 0 to 1.
    pub progress: f64,
    /// The last attempt's number; 0 before the first.
    pub attempt: u32,
    /// Why it failed.
    pub error: Option<JobErrorView>,
    /// What it made.
    pub outputs: Vec<OutputView>,
    /// What it learnt about the file.
    #[schema(value_type = Option<Object>)]
    pub result: Option<MediaMetadata>,
    /// Asked for when.
    pub created_at: DateTime<Utc>,
    /// When the last attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// Succeeded, failed or cancelled when.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Why a job failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobError)]
pub struct JobErrorView {
    /// A stable code.
    code: &'static str,
    /// A text for people; it follows from the code alone.
    detail: String,
    /// Whether the same request may succeed another time.
    retryable: bool,
}

/// A file that a job made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobOutput)]
pub struct OutputView {
    name: String,
    content_type: String,
    bytes: u64,
    sha256: String,
}

/// The job with its progress, which is only in this node's memory while it runs.
pub fn view(app: &App, row: &JobRow) -> JobView {
    JobView {
        id: row.job_id.into(),
        media_id: row.media_id.into(),
        preset: row.preset.as_str(),
        state: row.state.as_str(),
        progress: match row.state {
            JobState::Succeeded => 1.0,
            JobState::Running => app.jobs.progress(row.job_id),
            JobState::Queued | JobState::Failed | JobState::Cancelled => 0.0,
        },
        attempt: row.attempt,
        error: row.error.map(error),
        outputs: row.outputs.iter().map(output).collect(),
        result: row.result.clone(),
        created_at: row.created_at,
        started_at: row.started_at,
        finished_at: row.finished_at,
    }
}

fn error(code: FailureCode) -> JobErrorView {
    JobErrorView {
        code: code.as_str(),
        detail: code.user_text().to_owned(),
        retryable: code.retryable(),
    }
}

fn output(output: &aggregates::media_job::JobOutput) -> OutputView {
    OutputView {
        name: output.name.clone(),
        content_type: output.content_type.clone(),
        bytes: output.bytes,
        sha256: output.sha256.as_str().to_owned(),
    }
}
