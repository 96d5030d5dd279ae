//! `GET /v1/media/{id}/content`: the file itself.

use std::sync::Arc;

use aggregates::values::MediaId;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method};

use super::show::own;
use super::view::view;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::delivery::{File, deliver};
use crate::http::extract::Id;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{self, TailRead};

/// The file, whole or a range of it.
#[utoipa::path(
    get, path = "/v1/media/{id}/content", tag = "media", operation_id = "show_media_content",
    params(("id" = uuid::Uuid, Path), ("Range" = Option<String>, Header)),
    responses(
        (status = 200, content_type = "application/octet-stream", body = String),
        (status = 206, content_type = "application/octet-stream", body = String),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 416, body = ProblemBody, content_type = "application/problem+json", description = "range-not-satisfiable"),
    ),
    security(("bearer" = [])),
)]
pub async fn content(
    State(app): State<Arc<App>>,
    caller: Caller,
    method: Method,
    headers: HeaderMap,
    _: TailRead<reads::Media>,
    Id(id): Id<MediaId>,
) -> Result<Response, Problem> {
    let row = own(&app, &caller, id).await?;
    let key = app
        .vault
        .person_key(caller.user_id)
        .await?
        .ok_or_else(Problem::not_found)?;
    let name = view(&key, &row)?.name;
    let file = File {
        object: &row.object,
        bytes: row.bytes,
        sha256: &row.sha256,
        content_type: &row.content_type,
        name: &name,
    };
    deliver(&app, &method, &headers, &file).await
}
