//! `PATCH /v1/uploads/{id}`: adds a piece.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use uuid::Uuid;

use super::create::not_a_piece;
use super::tus;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::Id;
use crate::http::problem::{Problem, ProblemBody};
use crate::uploads::checksum::Checksum;
use crate::uploads::finish::finish;
use crate::uploads::pieces::{self, Piece};
use crate::uploads::{self, Upload, UploadError};

/// Adds a piece to an upload (tus 1.0). The piece that completes it makes it media.
///
/// A piece that comes while another one is being written cuts that one off; what that had received counts.
#[utoipa::path(
    patch, path = "/v1/uploads/{id}", tag = "media", operation_id = "append_to_upload",
    params(
        ("id" = uuid::Uuid, Path),
        ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Offset" = u64, Header, description = "Where the piece begins"),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha256` or `sha1`, and the digest of the body in Base64"),
    ),
    request_body(content = String, content_type = "application/offset+octet-stream", description = "The piece"),
    responses(
        (status = 204, description = "Added; durable up to `Upload-Offset`", headers(
            ("Tus-Resumable" = String), ("Upload-Offset" = u64), ("Upload-Expires" = String),
            ("Gatelog-Media-Id" = String, description = "The file, when the upload is complete"), ("Gatelog-Position" = u64),
        )),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "malformed-request"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "upload-offset-mismatch"),
        (status = 410, body = ProblemBody, content_type = "application/problem+json", description = "upload-expired"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "tus-version"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "payload-too-large"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "unsupported-media-type"),
        (status = 423, body = ProblemBody, content_type = "application/problem+json", description = "upload-locked"),
        (status = 460, body = ProblemBody, content_type = "application/problem+json", description = "checksum-mismatch"),
    ),
    security(("bearer" = [])),
)]
pub async fn append(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<Uuid>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if !tus::is_piece(&headers) {
        return Err(not_a_piece());
    }
    let offset = tus::number(&headers, &tus::OFFSET)?;
    let checksum = tus::checksum(&headers)?;
    let upload = uploads::find(&app, caller.user_id, id).await?;
    let piece = (offset, tus::declared(&headers), checksum);
    let progress = add(&app, &caller, &upload, piece, body).await?;
    Ok((StatusCode::NO_CONTENT, progress).into_response())
}

/// Adds a piece in its turn, and finishes the upload when that completes it: how far the upload is then.
pub(super) async fn add(
    app: &App,
    caller: &Caller,
    upload: &Upload,
    (offset, declared, checksum): (u64, Option<u64>, Option<Checksum>),
    body: Body,
) -> Result<HeaderMap, Problem> {
    let Some(turn) = app.uploads.take(upload.upload_id).await else {
        return Err(UploadError::Locked.into());
    };
    // The one before may have gone on.
    let upload = uploads::find(app, upload.owner, upload.upload_id).await?;
    if offset != upload.received {
        let received = upload.received;
        return Err(UploadError::Offset { received }.into());
    }
    let bytes = upload.bytes;
    if declared.is_some_and(|declared| declared > bytes - offset) {
        return Err(UploadError::TooLarge { bytes }.into());
    }
    let upload = if upload.is_complete() {
        upload
    } else {
        let body = body.into_data_stream();
        let piece = Piece {
            offset,
            checksum,
            body,
        };
        pieces::append(app, &upload, &turn, piece).await?
    };
    let finished = if upload.is_complete() {
        finish(app, &upload, &caller.acting()).await?
    } else {
        None
    };
    Ok(tus::progress(&upload, finished))
}
