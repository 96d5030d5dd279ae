//! `GET /v1/jobs`: the caller's jobs.

use std::sync::Arc;

use axum::extract::State;
use projections::media_jobs;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{JobView, view};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::{Paging, Params, encode_cursor};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{self, TailRead};

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobPage)]
pub struct JobPage {
    items: Vec<JobView>,
    next_cursor: Option<String>,
}

/// The caller's jobs, newest first.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "media", operation_id = "list_jobs", params(Paging),
    responses(
        (status = 200, body = JobPage),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(paging): Params<Paging>,
    _: TailRead<reads::Jobs>,
) -> Result<axum::Json<JobPage>, Problem> {
    let (limit, cursor) = (paging.limit()?, paging.cursor()?);
    let page = media_jobs::list(&app.database, caller.user_id, &cursor, limit).await?;
    let items = page.items.iter().map(|row| view(&app, row)).collect();
    Ok(axum::Json(JobPage {
        items,
        next_cursor: page.next.as_ref().map(encode_cursor),
    }))
}
