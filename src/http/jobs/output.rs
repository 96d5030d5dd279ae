//! `GET /v1/jobs/{id}/outputs/{name}`: a file that a job made.

use std::sync::Arc;

use aggregates::values::JobId;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Method};

use super::show::own;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::delivery::{File, deliver};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{self, TailRead};

/// The output, whole or a range of it.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/outputs/{name}", tag = "media", operation_id = "show_job_output",
    params(("id" = uuid::Uuid, Path), ("name" = String, Path), ("Range" = Option<String>, Header)),
    responses(
        (status = 200, content_type = "application/octet-stream", body = String),
        (status = 206, content_type = "application/octet-stream", body = String),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 416, body = ProblemBody, content_type = "application/problem+json", description = "range-not-satisfiable"),
    ),
    security(("bearer" = [])),
)]
pub async fn output(
    State(app): State<Arc<App>>,
    caller: Caller,
    method: Method,
    headers: HeaderMap,
    _: TailRead<reads::Jobs>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
) -> Result<Response, Problem> {
    let Path((id, name)) = path.map_err(|_| Problem::not_found())?;
    let id: JobId = id.parse().map_err(|_| Problem::not_found())?;
    let row = own(&app, &caller, id).await?;
    // Only a name that the job reported is ever looked up, so no text of a client reaches the store.
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
