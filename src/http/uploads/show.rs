//! `HEAD /v1/uploads/{id}`: how far an upload is.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use uuid::Uuid;

use super::tus;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::Id;
use crate::http::problem::Problem;
use crate::uploads::finish::finish;
use crate::uploads::{self, UploadError};

/// How far an upload is (tus 1.0). A piece that is being written is cut off, so that the answer stays true.
#[utoipa::path(
    head, path = "/v1/uploads/{id}", tag = "media", operation_id = "show_upload",
    params(("id" = uuid::Uuid, Path), ("Tus-Resumable" = String, Header, description = "1.0.0")),
    responses(
        (status = 200, description = "In the headers", headers(
            ("Tus-Resumable" = String), ("Upload-Offset" = u64), ("Upload-Length" = u64), ("Upload-Metadata" = String),
            ("Upload-Expires" = String),
            ("Gatelog-Media-Id" = String, description = "The file, once the upload has become one"), ("Gatelog-Position" = u64),
        )),
        (status = 401, description = "invalid-token"),
        (status = 404, description = "not-found"),
        (status = 410, description = "upload-expired"),
        (status = 412, description = "tus-version"),
        (status = 423, description = "upload-locked"),
    ),
    security(("bearer" = [])),
)]
pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<Uuid>,
) -> Result<Response, Problem> {
    let owner = caller.user_id;
    uploads::find(&app, owner, id).await?;
    let turn = app.uploads.take(id).await;
    let upload = uploads::find(&app, owner, id).await?;
    let finished = match turn {
        // Whoever is at it is making it media.
        None if upload.is_complete() => None,
        None => return Err(UploadError::Locked.into()),
        Some(_) if !upload.is_complete() => None,
        Some(_turn) => finish(&app, &upload, &caller.acting()).await?,
    };
    let key = app.vault.person_key(owner).await?;
    let key = key.ok_or_else(Problem::not_found)?;
    let metadata = upload.metadata(&key)?;
    let mut headers: HeaderMap = tus::progress(&upload, finished);
    headers.insert(tus::LENGTH, HeaderValue::from(upload.bytes));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(value) = HeaderValue::from_str(&metadata)
        .ok()
        .filter(|_| !metadata.is_empty())
    {
        headers.insert(tus::METADATA, value);
    }
    Ok((StatusCode::OK, headers).into_response())
}
