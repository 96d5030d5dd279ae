//! The job that a path names.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use uuid::Uuid;

use super::ApiError;
use crate::api::{ErrorCode, JobKey};
use crate::jobs::Job;
use crate::service::Service;

/// `{job}/{attempt}`, well formed.
pub(super) struct Key(pub(super) JobKey);

/// A job that exists. Asking for it tells the worker that it is still wanted.
pub(super) struct Known(pub(super) Arc<Job>);

impl FromRequestParts<Arc<Service>> for Key {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, ApiError> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, service).await;
        let Path(path) = path.map_err(|_| ErrorCode::NotFound)?;
        let value = |name| {
            path.iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value)
        };
        let job = value("job").and_then(|text| Uuid::try_parse(text).ok());
        let attempt = value("attempt").and_then(|text| text.parse().ok());
        let (Some(job), Some(attempt)) = (job, attempt) else {
            return Err(ErrorCode::NotFound.into());
        };
        Ok(Self(JobKey { job, attempt }))
    }
}

impl FromRequestParts<Arc<Service>> for Known {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, ApiError> {
        let Key(key) = Key::from_request_parts(parts, service).await?;
        Ok(Self(service.jobs.find(key)?))
    }
}
