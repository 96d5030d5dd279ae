//! `GET /v1/media`: the caller's files.

use std::sync::Arc;

use axum::extract::State;
use projections::media;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{MediaView, view};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::{Paging, Params, encode_cursor};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{self, TailRead};

/// A page of files.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MediaPage)]
pub struct MediaPage {
    items: Vec<MediaView>,
    next_cursor: Option<String>,
}

/// The caller's files, newest first.
#[utoipa::path(
    get, path = "/v1/media", tag = "media", operation_id = "list_media", params(Paging),
    responses(
        (status = 200, body = MediaPage),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(paging): Params<Paging>,
    _: TailRead<reads::Media>,
) -> Result<axum::Json<MediaPage>, Problem> {
    let (limit, cursor) = (paging.limit()?, paging.cursor()?);
    let page = media::list(&app.database, caller.user_id, &cursor, limit).await?;
    let key = app
        .vault
        .person_key(caller.user_id)
        .await?
        .ok_or_else(Problem::not_found)?;
    let items = page
        .items
        .iter()
        .map(|row| view(&key, row))
        .collect::<Result<_, _>>()?;
    Ok(axum::Json(MediaPage {
        items,
        next_cursor: page.next.as_ref().map(encode_cursor),
    }))
}
