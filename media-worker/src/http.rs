//! The worker's HTTP API: the whole route table, one line a route. Every call must be signed.

mod caller;
mod error;
mod events;
mod input;
mod jobs;
mod outputs;
mod path;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};

pub use error::ApiError;

use crate::api::ErrorCode;
use crate::service::Service;

/// Builds the router.
pub fn router(service: Arc<Service>) -> Router {
    let collected = Router::new()
        .route("/v1/jobs", get(jobs::list))
        .route(
            "/v1/jobs/{job}/{attempt}",
            put(jobs::reserve).get(jobs::status).delete(jobs::cancel),
        )
        .route("/v1/jobs/{job}/{attempt}/start", post(jobs::start))
        .route("/v1/jobs/{job}/{attempt}/events", get(events::follow))
        .route("/v1/jobs/{job}/{attempt}/outputs", get(outputs::list))
        .route(
            "/v1/jobs/{job}/{attempt}/outputs/{name}",
            get(outputs::content),
        )
        .route("/v1/jobs/{job}/{attempt}/ack", post(outputs::acknowledge))
        .route("/v1/health", get(state::health))
        .route("/v1/limits", get(state::limits))
        .route("/v1/drain", post(state::drain))
        .route("/metrics", get(state::metrics))
        .fallback(async || ApiError::from(ErrorCode::NotFound))
        .method_not_allowed_fallback(async || ApiError::from(ErrorCode::MethodNotAllowed))
        .layer(from_fn_with_state(Arc::clone(&service), caller::collected));
    let streamed = Router::new()
        .route("/v1/jobs/{job}/{attempt}/input", put(input::receive))
        .method_not_allowed_fallback(async || ApiError::from(ErrorCode::MethodNotAllowed))
        .layer(from_fn_with_state(Arc::clone(&service), caller::streamed));
    collected.merge(streamed).with_state(service)
}
