//! `POST /v1/media?name=`: takes the raw file, streamed.

use std::sync::Arc;

use aggregates::media::{Media, MediaCommand};
use aggregates::values::{MediaId, MediaName, Sha256Hex};
use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::MediaView;
use crate::app::App;
use crate::erasure;
use crate::http::caller::Caller;
use crate::http::extract::Params;
use crate::http::idempotent::{Begin, answer_of, begin, key_of, replay};
use crate::http::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::keyring::VaultError;
use crate::ports::blobs::{self, BlobError, Stored};
use crate::ports::{clock, ids};
use crate::sniff;

/// The file's name.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Selection {
    /// 1 to 255 bytes, one path segment; `upload` when absent.
    name: Option<String>,
}

/// A file that is in the blob store and not yet in the log.
struct Upload {
    media_id: MediaId,
    name: MediaName,
    content_type: &'static str,
    object: String,
    stored: Stored,
}

/// Stores a file.
#[utoipa::path(
    post, path = "/v1/media", tag = "media", operation_id = "create_media",
    params(Selection, ("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    request_body(content = String, content_type = "application/octet-stream", description = "The raw file"),
    responses(
        (status = 201, body = MediaView, headers(("Location" = String), ("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "payload-too-large"),
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
    refuse_declared_size(&headers, app.config.media.upload_max_bytes)?;
    let upload = receive(&app, &caller, name, body.into_data_stream()).await?;
    let result = match key {
        Some(key) => commit_once(&app, &caller, &upload, &key).await,
        None => commit(&app, &caller, &upload).await.map(Outcome::New),
    };
    match result {
        Ok(Outcome::New(response)) => Ok(response),
        Ok(Outcome::Repeated(response)) => {
            app.blobs.delete(&upload.object).await?;
            Ok(response)
        }
        Err(problem) => {
            app.blobs.delete(&upload.object).await?;
            Err(problem)
        }
    }
}

enum Outcome {
    New(Response),
    Repeated(Response),
}

fn name(text: &str) -> Result<MediaName, Problem> {
    MediaName::parse(text).map_err(|error| {
        Problem::validation(vec![FieldError::new("name", error.code, error.message)])
    })
}

/// A length that is too large is refused before a byte is read; one that lies is caught while streaming.
fn refuse_declared_size(headers: &HeaderMap, limit: u64) -> Result<(), Problem> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes: u64| bytes > limit) {
        return Err(BlobError::TooLarge { limit }.into());
    }
    Ok(())
}

/// Sniffs the first bytes, then streams everything into the blob store.
async fn receive(
    app: &App,
    caller: &Caller,
    name: MediaName,
    mut body: BodyDataStream,
) -> Result<Upload, Problem> {
    let head = read_head(&mut body).await?;
    let content_type = sniff::content_type(&head).ok_or_else(|| {
        Problem::new(
            Kind::UnsupportedMediaType,
            "the file is no audio, video or picture of a type that is accepted",
        )
    })?;
    let media_id = MediaId::from(ids::new_id());
    let object = blobs::media_object(caller.user_id, media_id);
    let stream = whole(head, body);
    let stored = app
        .blobs
        .put(&object, stream, app.config.media.upload_max_bytes)
        .await?;
    Ok(Upload {
        media_id,
        name,
        content_type,
        object,
        stored,
    })
}

async fn read_head(body: &mut BodyDataStream) -> Result<Bytes, Problem> {
    let mut head = BytesMut::new();
    while head.len() < sniff::HEAD_BYTES {
        match body.next().await {
            Some(Ok(chunk)) => head.extend_from_slice(&chunk),
            Some(Err(_)) => return Err(BlobError::Interrupted.into()),
            None => break,
        }
    }
    Ok(head.freeze())
}

fn whole(
    head: Bytes,
    rest: BodyDataStream,
) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send {
    futures::stream::once(futures::future::ready(Ok(head))).chain(rest)
}

/// The same key with the same content and name is answered from the record.
async fn commit_once(
    app: &App,
    caller: &Caller,
    upload: &Upload,
    key: &str,
) -> Result<Outcome, Problem> {
    let user = caller.user_id.to_string();
    let scope: [&[u8]; 4] = [user.as_bytes(), b"POST", b"/v1/media", key.as_bytes()];
    let request = [
        upload.stored.sha256.as_slice(),
        upload.name.as_str().as_bytes(),
    ]
    .concat();
    let record = match begin(
        app.idempotency
            .claim(&scope, &request, clock::now())
            .await?,
    )? {
        Begin::Work(record) => record,
        Begin::Answer(answer) => return Ok(Outcome::Repeated(replay(answer))),
    };
    match commit(app, caller, upload).await {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(body, 64 * 1024)
                .await
                .map_err(Problem::internal)?;
            let answer = answer_of(parts.status, &parts.headers, &body);
            app.idempotency.complete(record, Some(&answer)).await?;
            Ok(Outcome::New(Response::from_parts(parts, Body::from(body))))
        }
        Err(problem) => {
            app.idempotency.forget(record).await?;
            Err(problem)
        }
    }
}

async fn commit(app: &App, caller: &Caller, upload: &Upload) -> Result<Response, Problem> {
    let acting = caller.acting();
    let context = acting.creating();
    let key = app
        .vault
        .person_key(caller.user_id)
        .await?
        .ok_or_else(Problem::not_found)?;
    let event_id = eventlog::event_id(context.command_id, 0);
    let at = clock::now();
    let command = MediaCommand::Store {
        media_id: upload.media_id,
        owner: caller.user_id,
        name: key
            .seal(event_id, "name", upload.name.as_str())
            .map_err(VaultError::from)?,
        bytes: upload.stored.bytes,
        sha256: Sha256Hex::from_bytes(upload.stored.sha256),
        content_type: upload.content_type.to_owned(),
        object: upload.object.clone(),
        at,
    };
    let outcome = app
        .log
        .execute::<Media>(&upload.media_id.to_string(), command, &context)
        .await?;
    erasure::still_there(app, caller.user_id, &acting).await?;
    let location = [(header::LOCATION, format!("/v1/media/{}", upload.media_id))];
    let view = MediaView {
        id: upload.media_id.into(),
        name: upload.name.as_str().to_owned(),
        bytes: upload.stored.bytes,
        sha256: hex::encode(upload.stored.sha256),
        content_type: upload.content_type.to_owned(),
        created_at: at,
    };
    let answer = (StatusCode::CREATED, location, axum::Json(view));
    Ok(Written {
        position: outcome.position,
        answer,
    }
    .into_response())
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
