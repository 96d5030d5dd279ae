//! `PUT …/input`: streams the input into the job's folder while hashing it.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::header::EXPECT;
use axum::http::{HeaderMap, HeaderValue};
use axum::{Extension, Json};
use bytes::Bytes;
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::ApiError;
use super::caller::DeclaredBody;
use super::path::Known;
use crate::api::{ErrorCode, JobStatus, Sha256Digest};
use crate::jobs::Job;
use crate::service::Service;

/// The lowest accepted rate, in bytes a second, on average over the window.
const MIN_BYTES_PER_SECOND: u64 = 64 * 1024;

/// The most of an unwanted body that is read and dropped, in bytes.
const MAX_UNWANTED_BYTES: usize = 16 * 1024 * 1024;
const UNWANTED_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn receive(
    State(service): State<Arc<Service>>,
    Known(job): Known,
    Extension(declared): Extension<DeclaredBody>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<JobStatus>, ApiError> {
    match check(&job, declared).and_then(|()| job.begin_receiving()) {
        Ok(Some(receiving)) => {
            let mut body = body.into_data_stream();
            let pace = Pace::new(service.upload_window);
            if let Err(error) = store(&job, &mut body, pace).await {
                drop(receiving);
                if error.code() == ErrorCode::DiskLow {
                    take_in(&mut body).await;
                }
                return Err(error);
            }
            receiving.verified();
            metrics::counter!("media_worker_input_bytes_total").increment(declared.length);
        }
        // It was received before.
        Ok(None) => discard(&headers, body).await,
        Err(code) => {
            discard(&headers, body).await;
            return Err(code.into());
        }
    }
    Ok(Json(job.status()))
}

fn check(job: &Job, declared: DeclaredBody) -> Result<(), ErrorCode> {
    match declared.length.cmp(&job.spec.input_size) {
        Ordering::Greater => Err(ErrorCode::InputTooBig),
        Ordering::Less => Err(ErrorCode::LengthMismatch),
        Ordering::Equal if declared.sha256 != job.spec.input_sha256 => {
            Err(ErrorCode::DigestMismatch)
        }
        Ordering::Equal => Ok(()),
    }
}

/// A sender that still writes when the connection closes never sees the answer, so a body of usual size
/// is taken in; but of one that waits to be asked for its body it is not asked for.
async fn discard(headers: &HeaderMap, body: Body) {
    let expectation = headers.get(EXPECT).map(HeaderValue::as_bytes);
    if expectation.is_some_and(|what| what.eq_ignore_ascii_case(b"100-continue")) {
        return;
    }
    take_in(&mut body.into_data_stream()).await;
}

async fn take_in(body: &mut BodyDataStream) {
    let mut left = MAX_UNWANTED_BYTES;
    let taking = async {
        while let Some(Ok(piece)) = body.next().await
            && piece.len() <= left
        {
            left -= piece.len();
        }
    };
    // Too large, too slow or broken: then the connection closes on it.
    let _ = timeout(UNWANTED_TIMEOUT, taking).await;
}

async fn store(job: &Job, body: &mut BodyDataStream, pace: Pace) -> Result<(), ApiError> {
    let file = job
        .folder
        .create_input()
        .map_err(|error| disk(job, &error))?;
    let digest = copy(job, body, File::from_std(file), pace).await?;
    if digest != job.spec.input_sha256 {
        return Err(ErrorCode::DigestMismatch.into());
    }
    job.folder.seal_input().map_err(|error| disk(job, &error))
}

/// Writes exactly the ordered number of bytes and returns their digest.
async fn copy(
    job: &Job,
    body: &mut BodyDataStream,
    mut file: File,
    mut pace: Pace,
) -> Result<Sha256Digest, ApiError> {
    let (mut hasher, mut left) = (Sha256::new(), job.spec.input_size);
    while left > 0 {
        let piece = next(job, body, &pace).await?;
        let length = piece.len() as u64;
        left = left.checked_sub(length).ok_or(ErrorCode::InputTooBig)?;
        hasher.update(&piece);
        file.write_all(&piece)
            .await
            .map_err(|error| disk(job, &error))?;
        pace.advance(length);
        job.touch();
    }
    file.flush().await.map_err(|error| disk(job, &error))?;
    Ok(Sha256Digest::from_hasher(hasher))
}

async fn next(job: &Job, body: &mut BodyDataStream, pace: &Pace) -> Result<Bytes, ErrorCode> {
    tokio::select! {
        biased;
        () = job.cancel.cancelled() => Err(ErrorCode::AlreadyFinished),
        piece = timeout_at(pace.due, body.next()) => match piece {
            Ok(Some(Ok(piece))) => Ok(piece),
            Ok(Some(Err(_)) | None) => Err(ErrorCode::UploadInterrupted),
            Err(_) => Err(ErrorCode::UploadTooSlow),
        },
    }
}

fn disk(job: &Job, error: &std::io::Error) -> ApiError {
    tracing::error!(job = %job.key, %error, "an input cannot be written");
    match error.kind() {
        std::io::ErrorKind::StorageFull => ErrorCode::DiskLow.into(),
        _ => ErrorCode::Internal.into(),
    }
}

/// When the next portion of the input is due.
struct Pace {
    window: Duration,
    due: Instant,
    since: u64,
}

impl Pace {
    fn new(window: Duration) -> Self {
        Self {
            window,
            due: Instant::now() + window,
            since: 0,
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.since += bytes;
        if self.since >= MIN_BYTES_PER_SECOND * self.window.as_secs() {
            *self = Self::new(self.window);
        }
    }
}
