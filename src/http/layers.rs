//! The layers between the edge and the handlers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::edge::{REQUEST_ID, Route};
use super::extract::refuse_token_in_url;
use super::problem::Problem;
use super::uploads::tus;
use super::{idempotent, reads};
use crate::app::App;
use crate::config::NetworkConfig;

/// Leaves the route's pattern on the answer, for the metrics.
pub async fn route(path: MatchedPath, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Route(path));
    response
}

/// Refuses tokens in the URL before anything else looks at the request.
pub async fn no_token_in_url(request: Request, next: Next) -> Response {
    match refuse_token_in_url(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Ends requests that take too long. Uploads, downloads and exports are bounded by their own means.
pub async fn time_out(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let patience = Duration::from_secs(app.config.network.request_timeout_seconds);
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable("the request took too long").into_response(),
    }
}

/// Ends an upload that pauses for too long.
pub fn upload_pause(network: &NetworkConfig) -> RequestBodyTimeoutLayer {
    RequestBodyTimeoutLayer::new(Duration::from_secs(network.client_timeout_seconds))
}

/// CORS for the exact origins of the settings; none by default.
pub fn cors(network: &NetworkConfig) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(network.cors_origins.iter().cloned()))
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::RANGE,
            header::IF_NONE_MATCH,
            idempotent::KEY,
            reads::MIN_POSITION,
            REQUEST_ID,
            tus::RESUMABLE,
            tus::LENGTH,
            tus::METADATA,
            tus::OFFSET,
            tus::CHECKSUM,
        ])
        .expose_headers([
            header::LOCATION,
            header::RETRY_AFTER,
            header::ETAG,
            header::CONTENT_RANGE,
            header::CONTENT_DISPOSITION,
            reads::POSITION,
            REQUEST_ID,
            HeaderName::from_static("idempotency-replayed"),
            tus::RESUMABLE,
            tus::VERSION,
            tus::EXTENSION,
            tus::MAX_SIZE,
            tus::CHECKSUM_ALGORITHM,
            tus::LENGTH,
            tus::METADATA,
            tus::OFFSET,
            tus::EXPIRES,
            tus::MEDIA_ID,
        ])
        .max_age(Duration::from_mins(10))
}
