//! The one place that turns a refusal into an answer.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::response::{IntoResponse, Response};

use crate::api::{ErrorBody, ErrorCode};

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    code: ErrorCode,
    detail: String,
}

/// The longest detail, in characters: it may repeat what the caller sent.
const MAX_DETAIL_CHARS: usize = 200;

impl ApiError {
    pub fn new(code: ErrorCode, detail: &str) -> Self {
        let printable = detail.chars().filter(|character| !character.is_control());
        Self {
            code,
            detail: printable.take(MAX_DETAIL_CHARS).collect(),
        }
    }

    pub fn code(&self) -> ErrorCode {
        self.code
    }
}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, describe(code))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { code, detail } = self;
        metrics::counter!("media_worker_refused_calls_total", "status" => code.status().to_string())
            .increment(1);
        let status = StatusCode::from_u16(code.status()).unwrap_or_default();
        let body = Json(ErrorBody { code, detail });
        let mut response = (status, [(CACHE_CONTROL, "no-store")], body).into_response();
        if let Some(seconds) = code.retry_after_seconds() {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn describe(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Unauthenticated => {
            "the call is not signed with an active key, now and only once"
        }
        ErrorCode::NotFound => "there is no such thing",
        ErrorCode::MethodNotAllowed => "this method is not known here",
        ErrorCode::SpecDiffers => "this attempt exists with another spec",
        ErrorCode::StaleAttempt => "a newer attempt exists",
        ErrorCode::InputInProgress => "another call is sending the input",
        ErrorCode::InputMissing => "the input is not here yet",
        ErrorCode::NotFinished => "the job has not ended",
        ErrorCode::AlreadyFinished => "the job has ended",
        ErrorCode::OutputsGone => "the files are deleted",
        ErrorCode::InvalidSpec => "the spec is not valid",
        ErrorCode::InputTooBig => "the input is larger than is accepted",
        ErrorCode::LengthMismatch => "the length is missing or not the ordered one",
        ErrorCode::DigestMismatch => "the digest is missing or not the ordered one",
        ErrorCode::UploadTooSlow => "the input came too slowly",
        ErrorCode::UploadInterrupted => "the input ended too early",
        ErrorCode::BodyTooLarge => "the body is too large",
        ErrorCode::NoSlot => "all slots are taken",
        ErrorCode::Draining => "no new jobs are accepted",
        ErrorCode::DiskLow => "there is not enough space",
        ErrorCode::TooManyCalls => "too many calls",
        ErrorCode::Internal => "something went wrong here",
    }
}
