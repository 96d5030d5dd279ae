//! The manifest of outputs, their bytes, and the word that they are stored.

use axum::Json;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::IntoResponse;
use futures::StreamExt as _;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::ApiError;
use super::path::Known;
use crate::api::{ErrorCode, JobStatus, OutputFile};

const CHUNK_BYTES: usize = 64 * 1024;

/// `GET …/outputs`: empty unless the job succeeded.
pub(super) async fn list(Known(job): Known) -> Result<Json<Vec<OutputFile>>, ApiError> {
    if job.state().is_final() {
        Ok(Json(job.outputs()))
    } else {
        Err(ErrorCode::NotFinished.into())
    }
}

/// `GET …/outputs/{name}`: only names of the manifest exist.
pub(super) async fn content(
    Known(job): Known,
    path: RawPathParams,
) -> Result<impl IntoResponse, ApiError> {
    let name = path
        .iter()
        .find(|(key, _)| *key == "name")
        .map(|(_, value)| value);
    let outputs = job.outputs();
    let output = outputs
        .into_iter()
        .find(|output| Some(output.name.as_str()) == name);
    let output = output.ok_or(ErrorCode::NotFound)?;
    if job.status().files_deleted {
        return Err(ErrorCode::OutputsGone.into());
    }
    let file = job
        .folder
        .open_output(&output.name)
        .map_err(|_| ErrorCode::OutputsGone)?;
    let pieces = ReaderStream::with_capacity(File::from_std(file), CHUNK_BYTES);
    // Each piece that is taken shows that the job is wanted: a large output can take long.
    let body = Body::from_stream(pieces.inspect(move |_| job.touch()));
    let headers = [
        (CONTENT_TYPE, output.mime),
        (CONTENT_LENGTH, output.size.to_string()),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, body))
}

/// `POST …/ack`: the caller has the outputs, so the files go. Again: harmless.
pub(super) async fn acknowledge(Known(job): Known) -> Result<Json<JobStatus>, ApiError> {
    job.delete_outputs()?;
    Ok(Json(job.status()))
}
