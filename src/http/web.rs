//! The web application at `/`, and the answer to paths that are nobody's.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, StatusCode, header};
use tower::ServiceExt as _;
use tower_http::services::ServeDir;

use super::problem::Problem;
use crate::app::App;

/// A file of the application; its start page for every other page that a browser asks for; else 404.
pub async fn fallback(State(app): State<Arc<App>>, request: Request) -> Response {
    let is_api = request.uri().path().starts_with("/v1/");
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let Some(dir) = app.config.web_dir.clone().filter(|_| is_read && !is_api) else {
        return Problem::not_found().into_response();
    };
    serve(dir, request).await
}

async fn serve(dir: PathBuf, request: Request) -> Response {
    let wants_page = accepts_html(&request);
    let is_asset = request.uri().path().starts_with("/assets/");
    let index = Request::new(axum::body::Body::empty());
    let Ok(found) = ServeDir::new(&dir).oneshot(request).await;
    if found.status() != StatusCode::NOT_FOUND {
        return cached(found.map(axum::body::Body::new), is_asset);
    }
    if !wants_page {
        return Problem::not_found().into_response();
    }
    let Ok(page) = ServeDir::new(&dir).oneshot(index).await;
    cached(page.map(axum::body::Body::new), false)
}

fn accepts_html(request: &Request) -> bool {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|text| text.contains("text/html"))
}

/// Assets have their content's hash in their name; pages are always asked for anew.
fn cached(mut response: Response, is_asset: bool) -> Response {
    let value = if is_asset {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
    response
}
