//! `OPTIONS /v1/uploads`: what the server can do.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::tus;
use crate::app::App;
use crate::uploads::checksum;

/// The extensions of tus.
const EXTENSIONS: HeaderValue =
    HeaderValue::from_static("creation,creation-with-upload,termination,expiration,checksum");

/// What the server can do: `Tus-Version`, `Tus-Extension`, `Tus-Max-Size` and `Tus-Checksum-Algorithm`.
#[utoipa::path(
    options, path = "/v1/uploads", tag = "media", operation_id = "upload_options",
    responses((status = 200, description = "In the headers", headers(
        ("Tus-Resumable" = String), ("Tus-Version" = String), ("Tus-Extension" = String),
        ("Tus-Max-Size" = u64), ("Tus-Checksum-Algorithm" = String),
    ))),
)]
pub async fn options(State(app): State<Arc<App>>) -> (StatusCode, HeaderMap) {
    (StatusCode::OK, abilities(&app))
}

/// Adds it to the answer of CORS, which answers every `OPTIONS`.
pub async fn layer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_upload = path == "/v1/uploads" || path.starts_with("/v1/uploads/");
    let is_asked = is_upload && request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    if is_asked {
        response.headers_mut().extend(abilities(&app));
    }
    response
}

fn abilities(app: &App) -> HeaderMap {
    HeaderMap::from_iter([
        (tus::RESUMABLE, tus::V1),
        (tus::VERSION, tus::V1),
        (tus::EXTENSION, EXTENSIONS),
        (
            tus::MAX_SIZE,
            HeaderValue::from(app.config.media.upload_max_bytes),
        ),
        (
            tus::CHECKSUM_ALGORITHM,
            HeaderValue::from_static(checksum::ALGORITHMS),
        ),
    ])
}
