//! Who may call: only somebody who signed this very call. Two forms, because a streamed body is signed
//! by a digest that is declared before it comes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use tokio::time::timeout;

use super::ApiError;
use crate::api::{ErrorCode, Sha256Digest};
use crate::auth::{AUTH_HEADER, AuthError, CONTENT_SHA256_HEADER, SignedParts};
use crate::clock;
use crate::service::Service;

/// The largest body of a call that is not an input, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The digest of the body that will come, as the caller signed it.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeclaredBody {
    pub(super) sha256: Sha256Digest,
    pub(super) length: u64,
}

/// Reads the whole, small body, and lets the call through if it is signed.
pub(super) async fn collected(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let body = collect(body).await?;
    verify(&service, &parts, Sha256Digest::of(&body), body.len() as u64)?;
    Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
}

/// Lets the call through if its declared length and digest are signed; the body is not read here.
pub(super) async fn streamed(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let length = header(&parts, CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
    let length = length.ok_or(ErrorCode::LengthMismatch)?;
    let sha256 = header(&parts, CONTENT_SHA256_HEADER).and_then(|text| text.parse().ok());
    let sha256 = sha256.ok_or(ErrorCode::DigestMismatch)?;
    verify(&service, &parts, sha256, length)?;
    request = Request::from_parts(parts, body);
    request
        .extensions_mut()
        .insert(DeclaredBody { sha256, length });
    Ok(next.run(request).await)
}

fn verify(
    service: &Service,
    parts: &Parts,
    body_sha256: Sha256Digest,
    content_length: u64,
) -> Result<(), ApiError> {
    let path_and_query = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let signed = SignedParts {
        method: parts.method.as_str(),
        path_and_query,
        body_sha256,
        content_length,
    };
    let signature = header(parts, AUTH_HEADER).unwrap_or_default();
    let verified = service
        .verifier
        .verify(signature, &signed, clock::unix_seconds());
    verified.map_err(|error| {
        tracing::warn!(%error, "a call is refused");
        match error {
            AuthError::TooManyCalls => ErrorCode::TooManyCalls.into(),
            _ => ErrorCode::Unauthenticated.into(),
        }
    })
}

async fn collect(body: Body) -> Result<Bytes, ApiError> {
    match timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(ErrorCode::BodyTooLarge.into()),
        Err(_) => Err(ErrorCode::UploadTooSlow.into()),
    }
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
}
