//! `DELETE /v1/uploads/{id}`: gives an upload up.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use uuid::Uuid;

use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::{Id, NO_CONTENT};
use crate::http::problem::{Problem, ProblemBody};
use crate::uploads::{self, UploadError};

/// Gives an upload up (tus 1.0), with what has arrived and what it has claimed.
#[utoipa::path(
    delete, path = "/v1/uploads/{id}", tag = "media", operation_id = "delete_upload",
    params(("id" = uuid::Uuid, Path), ("Tus-Resumable" = String, Header, description = "1.0.0")),
    responses(
        (status = 204, description = "Given up"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "upload-complete"),
        (status = 410, body = ProblemBody, content_type = "application/problem+json", description = "upload-expired"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "tus-version"),
        (status = 423, body = ProblemBody, content_type = "application/problem+json", description = "upload-locked"),
    ),
    security(("bearer" = [])),
)]
pub async fn terminate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<Uuid>,
) -> Result<StatusCode, Problem> {
    uploads::find(&app, caller.user_id, id).await?;
    let Some(_turn) = app.uploads.take(id).await else {
        return Err(UploadError::Locked.into());
    };
    let upload = uploads::find(&app, caller.user_id, id).await?;
    uploads::terminate(&app, &upload).await?;
    Ok(NO_CONTENT)
}
