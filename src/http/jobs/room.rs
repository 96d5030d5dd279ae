//! Whether a person may ask for more jobs.

use aggregates::media_job::FailureCode;
use aggregates::values::JobId;
use projections::media::MediaRow;
use projections::media_jobs::{self, JobState};

use crate::app::App;
use crate::http::problem::{Kind, Problem};
use crate::quota::{self, QuotaError};

/// Jobs that a file may have, whatever has become of them.
const JOBS_PER_FILE: u64 = 100;
/// When to come again, of whoever has too many.
const COME_AGAIN_SECONDS: u32 = 60;

/// Refuses what would be more than the owner or the file may have. What is known already and waits, runs or is decided
/// costs nothing.
pub async fn check(app: &App, media: &MediaRow, wanted: &[JobId]) -> Result<(), Problem> {
    let (mut begun, mut made) = (0, 0);
    for job in wanted {
        let known = media_jobs::find(&app.database, media.owner, *job).await?;
        let is_new = known.is_none();
        begun += u64::from(known.is_none_or(|row| match row.state {
            JobState::Cancelled => true,
            JobState::Failed => row.error.is_some_and(FailureCode::retryable),
            JobState::Queued | JobState::Running | JobState::Succeeded => false,
        }));
        made += u64::from(is_new);
    }
    if begun == 0 {
        return Ok(());
    }
    let counts = media_jobs::counts(&app.database, media.owner, media.media_id).await?;
    let most = app.config.media.jobs_queued_per_user;
    if counts.unfinished.saturating_add(begun) > most {
        let detail = format!("one account may have at most {most} jobs queued or running");
        let problem = Problem::new(Kind::TooManyJobs, detail);
        return Err(problem.retry_after(COME_AGAIN_SECONDS));
    }
    if made > 0 && counts.of_media.saturating_add(made) > JOBS_PER_FILE {
        let detail = format!("a file may have at most {JOBS_PER_FILE} jobs");
        return Err(Problem::new(Kind::QuotaExceeded, detail));
    }
    if quota::is_used_up(app, media.owner).await? {
        let limit = app.config.media.quota_bytes;
        return Err(QuotaError::Bytes { limit }.into());
    }
    Ok(())
}
