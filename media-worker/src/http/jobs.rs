//! Reserving, starting, watching and cancelling a job.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;

use super::ApiError;
use super::path::{Key, Known};
use crate::api::{ErrorCode, FailureCode, JobLimits, JobSpec, JobStatus, Preset};
use crate::input::InputPolicy;
use crate::service::Service;

/// A day; the presets' own limits are far below.
const MAX_DEADLINE_MS: u64 = 24 * 60 * 60 * 1000;

/// `GET /v1/jobs`: every job that is remembered.
pub(super) async fn list(State(service): State<Arc<Service>>) -> Json<Vec<JobStatus>> {
    Json(service.jobs.all().iter().map(|job| job.status()).collect())
}

/// `PUT /v1/jobs/{job}/{attempt}`: 201 when a slot was reserved, 200 when it was reserved before.
pub(super) async fn reserve(
    State(service): State<Arc<Service>>,
    Key(key): Key,
    body: Bytes,
) -> Result<(StatusCode, Json<JobStatus>), ApiError> {
    let spec: JobSpec = serde_json::from_slice(&body)
        .map_err(|error| ApiError::new(ErrorCode::InvalidSpec, &error.to_string()))?;
    check(&spec, &service.shop.policy)?;
    let (job, is_new) = service.jobs.reserve(key, spec).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(job.status())))
}

/// `GET /v1/jobs/{job}/{attempt}`.
pub(super) async fn status(Known(job): Known) -> Json<JobStatus> {
    Json(job.tell())
}

/// `POST …/start`: 202 when this call started it, 200 when it was started before.
pub(super) async fn start(
    State(service): State<Arc<Service>>,
    Known(job): Known,
) -> Result<(StatusCode, Json<JobStatus>), ApiError> {
    let is_first = job.begin_running()?;
    if is_first {
        service.perform(Arc::clone(&job));
    }
    let status = if is_first {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(job.status())))
}

/// `DELETE /v1/jobs/{job}/{attempt}`: answers once no process and no file of the job is left.
pub(super) async fn cancel(Known(job): Known) -> (StatusCode, Json<JobStatus>) {
    job.cancel(FailureCode::Cancelled).await;
    (StatusCode::ACCEPTED, Json(job.tell()))
}

fn check(spec: &JobSpec, policy: &InputPolicy) -> Result<(), ApiError> {
    let refuse = |detail| Err(ApiError::new(ErrorCode::InvalidSpec, detail));
    if !(1..=spec.preset.version()).contains(&spec.preset_version) {
        return refuse("preset_version: this worker has no such one");
    }
    if spec.preset == Preset::Metadata && spec.params.seek_ms.is_some() {
        return refuse("params.seek_ms: not for this preset");
    }
    if !(1..=MAX_DEADLINE_MS).contains(&spec.deadline_ms) {
        return refuse("deadline_ms: out of range");
    }
    let JobLimits {
        max_duration_seconds,
        max_pixels,
        max_output_bytes,
    } = spec.limits;
    if max_duration_seconds == Some(0) || max_pixels == Some(0) || max_output_bytes == Some(0) {
        return refuse("limits: zero admits nothing");
    }
    match spec.input_size {
        0 => refuse("input_size: an empty input has no format"),
        size if size > policy.max_input_bytes => Err(ErrorCode::InputTooBig.into()),
        _ => Ok(()),
    }
}
