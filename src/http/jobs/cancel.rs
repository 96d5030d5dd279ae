//! `DELETE /v1/jobs/{id}`: cancels a job.

use std::sync::Arc;

use aggregates::media_job::{MediaJob, MediaJobCommand, MediaJobError};
use aggregates::values::JobId;
use axum::extract::State;
use axum::response::IntoResponse;
use eventlog::ExecuteError;

use super::show::own;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::{Id, NO_CONTENT};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::reads::{self, TailRead, Written};
use crate::ports::clock;

/// Cancels a job that has not finished. Again: 204.
#[utoipa::path(
    delete, path = "/v1/jobs/{id}", tag = "media", operation_id = "cancel_job",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204, description = "Cancelled"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "job-finished"),
    ),
    security(("bearer" = [])),
)]
pub async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    _: TailRead<reads::Jobs>,
    Id(id): Id<JobId>,
) -> Result<impl IntoResponse, Problem> {
    own(&app, &caller, id).await?;
    let acting = caller.acting();
    let context = acting.command();
    let command = MediaJobCommand::Cancel {
        by: Some(caller.user_id),
        at: clock::now(),
    };
    let outcome = app
        .log
        .execute::<MediaJob>(&id.to_string(), command, &context)
        .await;
    let outcome = outcome.map_err(|error| match error {
        ExecuteError::Refused(MediaJobError::AlreadyFinished) => {
            Problem::new(Kind::JobFinished, "the job has already succeeded or failed")
        }
        other => other.into(),
    })?;
    Ok(Written {
        position: outcome.position,
        answer: NO_CONTENT,
    })
}
