//! `GET /v1/jobs/{id}`: one job of the caller.

use std::sync::Arc;

use aggregates::values::JobId;
use axum::extract::State;
use projections::media_jobs::{self, JobRow};

use super::view::{JobView, view};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::Id;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{self, TailRead};

/// One job of the caller.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", tag = "media", operation_id = "show_job",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = JobView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    _: TailRead<reads::Jobs>,
    Id(id): Id<JobId>,
) -> Result<axum::Json<JobView>, Problem> {
    let row = own(&app, &caller, id).await?;
    Ok(axum::Json(view(&app, &row)))
}

/// A job of the caller; another person's is not found.
pub(super) async fn own(app: &App, caller: &Caller, id: JobId) -> Result<JobRow, Problem> {
    media_jobs::find(&app.database, caller.user_id, id)
        .await?
        .ok_or_else(Problem::not_found)
}
