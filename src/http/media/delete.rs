//! `DELETE /v1/media/{id}`: deletes a file, its jobs and their outputs.

use std::sync::Arc;

use aggregates::media::{Media, MediaCommand};
use aggregates::values::MediaId;
use axum::extract::State;
use axum::response::IntoResponse;

use super::show::own;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::{Id, NO_CONTENT};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{self, TailRead, Written};
use crate::ports::clock;

/// Deletes a file. Its jobs are cancelled, and its content and outputs are removed soon after.
#[utoipa::path(
    delete, path = "/v1/media/{id}", tag = "media", operation_id = "delete_media",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    _: TailRead<reads::Media>,
    Id(id): Id<MediaId>,
) -> Result<impl IntoResponse, Problem> {
    own(&app, &caller, id).await?;
    let acting = caller.acting();
    let context = acting.command();
    let command = MediaCommand::Delete { at: clock::now() };
    let outcome = app
        .log
        .execute::<Media>(&id.to_string(), command, &context)
        .await?;
    Ok(Written {
        position: outcome.position,
        answer: NO_CONTENT,
    })
}
