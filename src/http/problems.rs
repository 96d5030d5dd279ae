//! `GET /problems/{slug}`: what a kind of problem means, for people.

use axum::extract::Path;
use axum::response::{Html, IntoResponse, Response};

use super::problem::{Kind, Problem};

/// The page of one kind.
///
/// # Errors
/// 404 for a slug that is none.
pub async fn show(Path(slug): Path<String>) -> Result<Response, Problem> {
    let kind = Kind::ALL
        .iter()
        .find(|kind| kind.slug() == slug)
        .ok_or_else(Problem::not_found)?;
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\
         <body><h1>{title}</h1><p><code>/problems/{slug}</code>, HTTP status {status}</p><p>{text}</p>\
         </body></html>",
        title = kind.title(),
        slug = kind.slug(),
        status = kind.status().as_u16(),
        text = kind
            .explanation()
            .replace('&', "&amp;")
            .replace('<', "&lt;"),
    );
    Ok(Html(page).into_response())
}
