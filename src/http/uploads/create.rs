//! `POST /v1/uploads`: makes a resumable upload, with its first piece if the body is one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::append::add;
use super::tus;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::idempotent::{Begin, answer_of, begin, key_of, replay};
use crate::http::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::idempotency::Record;
use crate::ports::clock;
use crate::uploads::checksum::Checksum;
use crate::uploads::metadata::{self, filename, media_name};
use crate::uploads::{self, NewUpload, Upload};

/// Makes a resumable upload (tus 1.0). With `Content-Type: application/offset+octet-stream` the body is its first piece.
#[utoipa::path(
    post, path = "/v1/uploads", tag = "media", operation_id = "create_upload",
    params(
        ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Length" = u64, Header, description = "Bytes of the whole file"),
        ("Upload-Metadata" = Option<String>, Header, description = "As tus has it, up to 4096 bytes; `filename` is the name of the file"),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha256` or `sha1`, and the digest of the body in Base64"),
        ("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters"),
    ),
    request_body(content = Option<String>, content_type = "application/offset+octet-stream", description = "The first piece"),
    responses(
        (status = 201, description = "Made", headers(
            ("Location" = String), ("Tus-Resumable" = String), ("Upload-Offset" = u64), ("Upload-Expires" = String),
            ("Gatelog-Media-Id" = String, description = "The file, when all of it came at once"), ("Gatelog-Position" = u64),
        )),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "malformed-request"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "tus-version"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "payload-too-large, quota-exceeded"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "unsupported-media-type"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 460, body = ProblemBody, content_type = "application/problem+json", description = "checksum-mismatch"),
    ),
    security(("bearer" = [])),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let key = key_of(&headers)?;
    let new = new_upload(&app, &caller, &headers)?;
    let piece = FirstPiece::of(&headers)?;
    let Some(key) = key else {
        let upload = uploads::create(&app, new).await?;
        return start(&app, &caller, &upload, piece, body).await;
    };
    let user = caller.user_id.to_string();
    let scope: [&[u8]; 4] = [user.as_bytes(), b"POST", b"/v1/uploads", key.as_bytes()];
    let request = format!("{} {}", new.bytes, new.metadata);
    let claim = app
        .idempotency
        .claim(&scope, request.as_bytes(), clock::now())
        .await?;
    let record = match begin(claim)? {
        Begin::Work(record) => record,
        Begin::Answer(answer) => return Ok(replay(answer)),
    };
    let upload = open_once(&app, new, record.clone()).await?;
    match start(&app, &caller, &upload, piece, body).await {
        Ok(response) => {
            let answer = answer_of(response.status(), response.headers(), &[]);
            app.idempotency.complete(&record, Some(&answer)).await?;
            Ok(response)
        }
        Err(problem) => {
            // The upload is gone.
            app.idempotency.forget(&record).await?;
            Err(problem)
        }
    }
}

/// Makes the upload and keeps where it is, also when the client hangs up: whoever asks again with the key goes on with it.
async fn open_once(app: &Arc<App>, new: NewUpload, record: Record) -> Result<Upload, Problem> {
    let keeper = Arc::clone(app);
    let task = app.finishing.spawn(async move {
        let made = uploads::create(&keeper, new).await;
        match &made {
            Ok(upload) => {
                let answer = answer_of(StatusCode::CREATED, &location(upload), &[]);
                keeper.idempotency.complete(&record, Some(&answer)).await?;
            }
            Err(_) => keeper.idempotency.forget(&record).await?,
        }
        made.map_err(Problem::from)
    });
    task.await.map_err(Problem::internal)?
}

/// What the headers ask for, checked.
fn new_upload(app: &App, caller: &Caller, headers: &HeaderMap) -> Result<NewUpload, Problem> {
    let bytes = tus::number(headers, &tus::LENGTH)?;
    let limit = app.config.media.upload_max_bytes;
    if bytes > limit {
        return Err(Problem::new(
            Kind::PayloadTooLarge,
            format!("an upload may have at most {limit} bytes"),
        ));
    }
    if headers.contains_key(header::CONTENT_TYPE) && !tus::is_piece(headers) {
        return Err(not_a_piece());
    }
    let metadata = match headers.get(tus::METADATA) {
        Some(value) => value.to_str().map_err(|_| not_metadata())?,
        None => "",
    };
    if metadata.len() > metadata::MOST_BYTES {
        return Err(not_metadata());
    }
    let name = filename(metadata).map_err(|_| not_metadata())?;
    media_name(name.as_deref()).map_err(|error| {
        Problem::validation(vec![FieldError::new("filename", error.code, error.message)])
    })?;
    Ok(NewUpload {
        owner: caller.user_id,
        bytes,
        metadata: metadata.to_owned(),
    })
}

/// 415: the body is of another type.
pub(super) fn not_a_piece() -> Problem {
    Problem::new(
        Kind::UnsupportedMediaType,
        "the body must be application/offset+octet-stream",
    )
}

fn not_metadata() -> Problem {
    Problem::new(
        Kind::MalformedRequest,
        "Upload-Metadata must be keys with Base64 values, parted by commas, in at most 4096 bytes",
    )
}

fn location(upload: &Upload) -> HeaderMap {
    let path = format!("/v1/uploads/{}", upload.upload_id);
    // An identifier is plain ASCII, so it is a header's value.
    let value = HeaderValue::try_from(path).ok();
    value
        .map(|value| (header::LOCATION, value))
        .into_iter()
        .collect()
}

/// What the headers say of the body.
struct FirstPiece {
    is_piece: bool,
    declared: Option<u64>,
    checksum: Option<Checksum>,
}

impl FirstPiece {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            is_piece: tus::is_piece(headers),
            declared: tus::declared(headers),
            checksum: tus::checksum(headers)?,
        })
    }
}

/// Takes the first piece, if there is one; when it cannot be taken, the upload goes.
async fn start(
    app: &App,
    caller: &Caller,
    upload: &Upload,
    piece: FirstPiece,
    body: Body,
) -> Result<Response, Problem> {
    let progress = if piece.is_piece || upload.is_complete() {
        let said = (0, piece.declared, piece.checksum);
        let added = add(app, caller, upload, said, body).await;
        if added.is_err() {
            // The client does not know of it.
            forget(app, upload).await;
        }
        added?
    } else {
        tus::progress(upload, None)
    };
    Ok((StatusCode::CREATED, location(upload), progress).into_response())
}

/// What cannot be removed now is removed when its time is over.
async fn forget(app: &App, upload: &Upload) {
    if let Err(error) = uploads::terminate(app, upload).await {
        tracing::debug!(upload = %upload.upload_id, %error, "an upload is left to the sweep");
    }
}
