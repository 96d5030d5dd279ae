//! `GET /v1/me/usage`: what the caller's files take, and the limits.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::Caller;
use crate::http::config::UploadLimits;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{self, TailRead};
use crate::quota;

/// What counts against the quotas: files, and uploads that are on their way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub struct UsageView {
    /// Bytes of files and of what jobs made of them; an upload that is on its way counts with its whole length.
    bytes: u64,
    /// Of these, what jobs made.
    output_bytes: u64,
    /// Files, with those that are on their way.
    files: u64,
    /// Resumable uploads that are not finished.
    open_uploads: u64,
    limits: UploadLimits,
}

/// What the caller's files take, and the limits.
#[utoipa::path(
    get, path = "/v1/me/usage", tag = "media", operation_id = "show_usage",
    responses(
        (status = 200, body = UsageView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    _: TailRead<reads::MediaAndJobs>,
) -> Result<axum::Json<UsageView>, Problem> {
    let usage = quota::usage(&app.database, caller.user_id).await?;
    Ok(axum::Json(UsageView {
        bytes: usage.bytes,
        output_bytes: usage.output_bytes,
        files: usage.files,
        open_uploads: usage.open_uploads,
        limits: UploadLimits::of(&app.config.media),
    }))
}
