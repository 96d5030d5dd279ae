//! `POST /v1/media/{id}/links`: a link that needs no header, for players and downloads.

use std::sync::Arc;

use aggregates::media_job::Preset;
use aggregates::values::{JobId, MediaId};
use axum::extract::State;
use axum::response::IntoResponse;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use http::{HeaderValue, StatusCode, header};
use projections::media::MediaRow;
use projections::media_jobs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::show::own;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::{Id, Json};
use crate::http::problem::{FieldError, Problem, ProblemBody};
use crate::http::reads::{self, TailRead};
use crate::links::{CONTENT_NAME, Link, Scope};
use crate::ports::clock;

const SHORTEST_SECONDS: u32 = 10;
const LONGEST_SECONDS: u32 = 12 * 60 * 60;
const USUAL_SECONDS: u32 = 60 * 60;

/// What the link is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateLink)]
pub struct Body {
    /// Seconds; an hour by default.
    #[schema(minimum = 10, maximum = 43200)]
    expires_in: Option<u32>,
    /// An output of a job on the file, instead of the file itself.
    output: Option<Output>,
}

/// An output of a job. With one of `hls` the link covers all outputs of its job, by their names.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LinkedOutput)]
pub struct Output {
    /// The job.
    job: Uuid,
    /// The output's name.
    name: String,
}

/// A link. Whoever has it has what it is for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Link)]
pub struct LinkView {
    /// Relative to this server.
    url: String,
    /// From then on it answers `not-found`.
    expires_at: DateTime<Utc>,
}

/// Makes a link that works without a token until it runs out or the file is deleted. It cannot be taken back alone.
#[utoipa::path(
    post, path = "/v1/media/{id}/links", tag = "media", operation_id = "create_link", request_body = Body,
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 201, body = LinkView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
    ),
    security(("bearer" = [])),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    _: TailRead<reads::MediaAndJobs>,
    Id(id): Id<MediaId>,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    let media = own(&app, &caller, id).await?;
    let seconds = body.expires_in.unwrap_or(USUAL_SECONDS);
    if !(SHORTEST_SECONDS..=LONGEST_SECONDS).contains(&seconds) {
        let message = "must be from 10 to 43200 seconds";
        let error = FieldError::new("expires_in", "out_of_range", message);
        return Err(Problem::validation(vec![error]));
    }
    let (scope, name) = match body.output {
        None => (Scope::Content, CONTENT_NAME.to_owned()),
        Some(output) => of_output(&app, &media, output).await?,
    };
    let link = Link {
        media: media.media_id,
        scope,
        expires_at: clock::now().trunc_subsecs(0) + TimeDelta::seconds(seconds.into()),
    };
    let sealed = link.seal(app.vault.keyring());
    let view = LinkView {
        url: format!("/v1/links/{sealed}/{name}"),
        expires_at: link.expires_at,
    };
    let unkept = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, unkept, axum::Json(view)))
}

/// The output must be of a job on this very file.
async fn of_output(
    app: &App,
    media: &MediaRow,
    wanted: Output,
) -> Result<(Scope, String), Problem> {
    let job = JobId::from(wanted.job);
    let row = media_jobs::find(&app.database, media.owner, job)
        .await?
        .filter(|row| row.media_id == media.media_id)
        .ok_or_else(Problem::not_found)?;
    let is_made = row.outputs.iter().any(|output| output.name == wanted.name);
    if !is_made {
        return Err(Problem::not_found());
    }
    let scope = match row.preset {
        Preset::Hls => Scope::Job(job),
        _ => Scope::Output(job, wanted.name.clone()),
    };
    Ok((scope, wanted.name))
}
