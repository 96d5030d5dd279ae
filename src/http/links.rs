//! `GET /v1/links/{link}/{name}`: what a signed link is for.
//!
//! The link stands in the path and not in the query, so that a playlist's relative references lead to the same link.
//! Whatever is wrong with it, the answer is the same.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Method};
use projections::media::MediaRow;
use projections::{media, media_jobs, users};

use crate::app::App;
use crate::http::delivery::{File, deliver};
use crate::http::media::view::view;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{self, TailRead};
use crate::links::{Link, Scope};
use crate::ports::clock;

/// The file or the output, whole or a range of it. The link is the proof; no token is needed.
#[utoipa::path(
    get, path = "/v1/links/{link}/{name}", tag = "media", operation_id = "follow_link",
    params(("link" = String, Path), ("name" = String, Path), ("Range" = Option<String>, Header)),
    responses(
        (status = 200, content_type = "application/octet-stream", body = String),
        (status = 206, content_type = "application/octet-stream", body = String),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 416, body = ProblemBody, content_type = "application/problem+json", description = "range-not-satisfiable"),
    ),
)]
pub async fn follow(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, PathRejection>,
    _: TailRead<reads::MediaAndJobs>,
) -> Result<Response, Problem> {
    let Path((sealed, name)) = path.map_err(|_| Problem::not_found())?;
    let link = Link::open(&sealed, &name, app.vault.keyring(), clock::now());
    let link = link.ok_or_else(Problem::not_found)?;
    let media = media::find_any(&app.database, link.media).await?;
    let media = media.ok_or_else(Problem::not_found)?;
    let owner = users::find(&app.database, media.owner).await?;
    if owner.is_none_or(|owner| owner.is_disabled) {
        return Err(Problem::not_found());
    }
    match link.scope {
        Scope::Content => content(&app, &method, &headers, &media).await,
        Scope::Output(job, _) | Scope::Job(job) => {
            let row = media_jobs::find(&app.database, media.owner, job)
                .await?
                .filter(|row| row.media_id == media.media_id)
                .ok_or_else(Problem::not_found)?;
            let output = row.outputs.iter().find(|output| output.name == name);
            let output = output.ok_or_else(Problem::not_found)?;
            let file = File {
                object: &output.object,
                bytes: output.bytes,
                sha256: output.sha256.as_str(),
                content_type: &output.content_type,
                name: &output.name,
            };
            deliver(&app, &method, &headers, &file).await
        }
    }
}

async fn content(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    media: &MediaRow,
) -> Result<Response, Problem> {
    let key = app.vault.person_key(media.owner).await?;
    let key = key.ok_or_else(Problem::not_found)?;
    let name = view(&key, media)?.name;
    let file = File {
        object: &media.object,
        bytes: media.bytes,
        sha256: &media.sha256,
        content_type: &media.content_type,
        name: &name,
    };
    deliver(app, method, headers, &file).await
}
