//! `POST /v1/media?name=`: takes the raw file, streamed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aggregates::values::{MediaId, MediaName};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::MediaView;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::Params;
use crate::http::idempotent::{Begin, begin, key_of, replay, to_its_end};
use crate::http::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::media_content::ContentError;
use crate::media_store::{MediaStoreError, Upload, commit, discard, receive};
use crate::ports::blobs::BlobError;
use crate::ports::{clock, ids};
use crate::quota::{self, Claim, Held, QuotaError};
use crate::uploads::plain::PACE;

/// The file's name.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Selection {
    /// 1 to 255 bytes, one path segment; `upload` when absent.
    name: Option<String>,
}

/// Stores a file. Without `Content-Length` all that is left of the quota is claimed until the file is there.
#[utoipa::path(
    post, path = "/v1/media", tag = "media", operation_id = "create_media",
    params(Selection, ("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    request_body(content = String, content_type = "application/octet-stream", description = "The raw file"),
    responses(
        (status = 201, body = MediaView, headers(("Location" = String), ("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 408, body = ProblemBody, content_type = "application/problem+json", description = "upload-too-slow"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "payload-too-large, quota-exceeded"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "unsupported-media-type"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
    ),
    security(("bearer" = [])),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(query): Params<Selection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let name = name(query.name.as_deref().unwrap_or("upload"))?;
    let key = key_of(&headers)?;
    let declared = declared_size(&headers, app.config.media.upload_max_bytes)?;
    let media = &app.config.media;
    let _underway = app
        .plain_uploads
        .begin(caller.user_id, media.uploads_per_user)?;
    let media_id = MediaId::from(ids::new_id());
    let claim = match declared {
        Some(bytes) => quota::claim(&app, caller.user_id, media_id, bytes).await?,
        None => quota::claim_rest(&app, caller.user_id, media_id, media.upload_max_bytes).await?,
    };
    let held = Held::new(&app, claim);
    let taken = tokio::select! {
        taken = take(&app, &caller, &held.claim, &name, key, body) => taken,
        never = held.renew() => match never {},
    };
    match taken {
        Ok(Outcome::New(_)) => held.keep(),
        Ok(Outcome::Repeated(_)) | Err(_) => held.release().await?,
    }
    taken.map(Outcome::into_response)
}

/// Takes the file in, within what was claimed for it.
async fn take(
    app: &Arc<App>,
    caller: &Caller,
    claim: &Claim,
    name: &MediaName,
    key: Option<String>,
    body: Body,
) -> Result<Outcome, Problem> {
    let what = (caller.user_id, claim.media_id);
    let paced = PACE.of(body.into_data_stream());
    let received = receive(app, what, paced.body, claim.bytes).await;
    let is_too_slow = paced.is_too_slow.load(Ordering::Relaxed);
    let upload = Arc::new(received.map_err(|error| refusal(app, error, is_too_slow))?);
    let settled = quota::settle(app, claim, upload.stored.bytes).await;
    let result = match (settled, key) {
        (Err(refused), _) => Err(refused.into()),
        (Ok(()), Some(key)) => commit_once(app, caller, &upload, name, &key).await,
        (Ok(()), None) => make(app, caller, &upload, name).await.map(Outcome::New),
    };
    if !matches!(result, Ok(Outcome::New(_))) {
        discard(&upload).await?;
    }
    result
}

fn refusal(app: &App, error: MediaStoreError, is_too_slow: bool) -> Problem {
    let media = &app.config.media;
    match error {
        MediaStoreError::Blobs(BlobError::Interrupted) if is_too_slow => Problem::new(
            Kind::UploadTooSlow,
            "too little of the body came within a minute",
        ),
        // What was claimed is less than an upload may have: it is the quota that has no more room.
        MediaStoreError::Blobs(BlobError::TooLarge { limit }) if limit < media.upload_max_bytes => {
            let limit = media.quota_bytes;
            QuotaError::Bytes { limit }.into()
        }
        other => other.into(),
    }
}

enum Outcome {
    New(Response),
    Repeated(Response),
}

impl Outcome {
    fn into_response(self) -> Response {
        match self {
            Self::New(response) | Self::Repeated(response) => response,
        }
    }
}

fn name(text: &str) -> Result<MediaName, Problem> {
    MediaName::parse(text).map_err(|error| {
        Problem::validation(vec![FieldError::new("name", error.code, error.message)])
    })
}

/// A length that is too large is refused before a byte is read; one that lies is caught while streaming.
fn declared_size(headers: &HeaderMap, limit: u64) -> Result<Option<u64>, Problem> {
    let declared: Option<u64> = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|declared| declared > limit) {
        return Err(BlobError::TooLarge { limit }.into());
    }
    Ok(declared)
}

/// The same key with the same content and name is answered from the record.
async fn commit_once(
    app: &Arc<App>,
    caller: &Caller,
    upload: &Arc<Upload>,
    name: &MediaName,
    key: &str,
) -> Result<Outcome, Problem> {
    let user = caller.user_id.to_string();
    let scope: [&[u8]; 4] = [user.as_bytes(), b"POST", b"/v1/media", key.as_bytes()];
    let request = [upload.stored.sha256.as_slice(), name.as_str().as_bytes()].concat();
    let record = match begin(
        app.idempotency
            .claim(&scope, &request, clock::now())
            .await?,
    )? {
        Begin::Work(record) => record,
        Begin::Answer(answer) => return Ok(Outcome::Repeated(replay(answer))),
    };
    let keeper = Arc::clone(app);
    let (caller, upload, name) = (caller.clone(), Arc::clone(upload), name.clone());
    let work = async move {
        let made = make(&keeper, &caller, &upload, &name).await;
        made.unwrap_or_else(IntoResponse::into_response)
    };
    let response = to_its_end(app, record, work).await?;
    match response.extensions().get::<Problem>() {
        Some(problem) => Err(problem.clone()),
        None => Ok(Outcome::New(response)),
    }
}

async fn make(
    app: &App,
    caller: &Caller,
    upload: &Upload,
    name: &MediaName,
) -> Result<Response, Problem> {
    let recorded = commit(app, &caller.acting(), upload, name).await?;
    let location = [(header::LOCATION, format!("/v1/media/{}", upload.media_id))];
    let view = MediaView {
        id: upload.media_id.into(),
        name: name.as_str().to_owned(),
        bytes: upload.stored.bytes,
        sha256: hex::encode(upload.stored.sha256),
        content_type: upload.content_type.to_owned(),
        created_at: recorded.at,
    };
    let answer = (StatusCode::CREATED, location, axum::Json(view));
    Ok(Written {
        position: recorded.position,
        answer,
    }
    .into_response())
}

impl From<MediaStoreError> for Problem {
    fn from(error: MediaStoreError) -> Self {
        match error {
            MediaStoreError::Unsupported => {
                Self::new(Kind::UnsupportedMediaType, error.to_string())
            }
            MediaStoreError::NoSuchAccount => Self::not_found(),
            MediaStoreError::Blobs(error) => error.into(),
            MediaStoreError::Vault(error) => error.into(),
            MediaStoreError::Content(error) => error.into(),
            MediaStoreError::Erasure(error) => error.into(),
        }
    }
}

impl From<ContentError> for Problem {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Busy => Self::unavailable(error),
            ContentError::Blobs(error) => error.into(),
            ContentError::Database(error) => error.into(),
            ContentError::Log(error) => error.into(),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::TooLarge { limit } => Self::new(
                Kind::PayloadTooLarge,
                format!("an upload may have at most {limit} bytes"),
            ),
            BlobError::Interrupted => Self::new(Kind::MalformedRequest, "the body ended early"),
            BlobError::NotFound => Self::not_found(),
            BlobError::Store(error) => Self::unavailable(error),
        }
    }
}
