//! `GET /v1/media/{id}`: one file of the caller.

use std::sync::Arc;

use aggregates::values::MediaId;
use axum::extract::State;
use projections::media::{self, MediaRow};

use super::view::{MediaView, view};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::Id;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{self, TailRead};

/// One file of the caller.
#[utoipa::path(
    get, path = "/v1/media/{id}", tag = "media", operation_id = "show_media",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = MediaView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    _: TailRead<reads::Media>,
    Id(id): Id<MediaId>,
) -> Result<axum::Json<MediaView>, Problem> {
    let row = own(&app, &caller, id).await?;
    let key = app
        .vault
        .person_key(caller.user_id)
        .await?
        .ok_or_else(Problem::not_found)?;
    Ok(axum::Json(view(&key, &row)?))
}

/// A file of the caller; another person's is not found.
pub(in crate::http) async fn own(
    app: &App,
    caller: &Caller,
    id: MediaId,
) -> Result<MediaRow, Problem> {
    media::find(&app.database, caller.user_id, id)
        .await?
        .ok_or_else(Problem::not_found)
}
