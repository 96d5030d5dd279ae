//! `POST /v1/media/{id}/jobs`: asks for a media job.

use std::sync::Arc;

use aggregates::media_job::{JobOptions, MediaJob, Preset, RequestMediaJob};
use aggregates::values::{JobId, MediaId, Sha256Hex};
use axum::extract::State;
use axum::response::IntoResponse;
use chrono::TimeDelta;
use http::{StatusCode, header};
use projections::media::MediaRow;
use projections::media_jobs;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::room;
use super::view::{JobView, view};
use crate::app::App;
use crate::erasure;
use crate::http::caller::Caller;
use crate::http::extract::{Id, Json};
use crate::http::media::show::own;
use crate::http::problem::{FieldError, Problem, ProblemBody};
use crate::http::reads::{self, TailRead, Written};
use crate::policies::dispatch_media_jobs::preset_version;
use crate::ports::clock;

/// From then on no attempt at a job is begun, and one that runs is ended.
const DEADLINE: TimeDelta = TimeDelta::hours(6);

/// The longest that a file may last which the workers take.
const LONGEST_SECONDS: f64 = media_worker::presets::MAX_DURATION_SECONDS as f64;

/// What to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateJob)]
pub struct Body {
    /// `metadata`, `poster`, `web-video`, `preview`, `audio`, `image`, `waveform` or `hls`.
    #[schema(value_type = String)]
    preset: Preset,
    /// What may be chosen.
    #[serde(default)]
    options: Options,
}

/// What may be chosen. Numbers only.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobOptions)]
pub struct Options {
    /// `poster` and `preview`: where to take it, in milliseconds; within the file, and within two hours.
    seek_ms: Option<u32>,
}

/// Asks for a job. The same request is the same job; one that was cancelled, or failed and is retryable, waits again.
/// `web-video` and `hls` ask for `metadata` too, which must succeed
/// first.
#[utoipa::path(
    post, path = "/v1/media/{id}/jobs", tag = "media", operation_id = "create_job", request_body = Body,
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 202, body = JobView, headers(("Location" = String), ("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "quota-exceeded"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-jobs"),
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
    let options = JobOptions {
        seek_ms: body.options.seek_ms,
    };
    within(&app, &media, options).await?;
    let wanted = request(&media, body.preset, options)?;
    let job_id = wanted.job_id;
    let probe = body
        .preset
        .wants_probe()
        .then(|| request(&media, Preset::Metadata, JobOptions::default()))
        .transpose()?;
    let _turn = app.jobs.turn_to_ask(caller.user_id).await;
    let jobs = probe.iter().chain([&wanted]);
    let jobs: Vec<JobId> = jobs.map(|request| request.job_id).collect();
    room::check(&app, &media, &jobs).await?;
    let acting = caller.acting();
    if let Some(probe) = probe {
        // Should this node die before the job itself is asked for, a probe is all that is left of it.
        let id = probe.job_id.to_string();
        let context = acting.command();
        app.log
            .execute::<MediaJob>(&id, probe.into(), &context)
            .await?;
    }
    let context = acting.command();
    let outcome = app
        .log
        .execute::<MediaJob>(&job_id.to_string(), wanted.into(), &context)
        .await?;
    erasure::still_there(&app, caller.user_id, &acting).await?;
    let position = outcome.position.unwrap_or_else(|| app.log.last_written());
    app.read_models
        .wait_for(position, std::time::Duration::from_secs(2))
        .await;
    let row = media_jobs::find(&app.database, caller.user_id, job_id).await?;
    let row = row.ok_or_else(|| Problem::unavailable("the job is not in its read model yet"))?;
    let location = [(header::LOCATION, format!("/v1/jobs/{job_id}"))];
    let answer = (StatusCode::ACCEPTED, location, axum::Json(view(&app, &row)));
    Ok(Written {
        position: outcome.position,
        answer,
    })
}

/// Refuses a place that the file cannot have: beyond its end, if that is known, and else beyond what any file may last.
async fn within(app: &App, media: &MediaRow, options: JobOptions) -> Result<(), Problem> {
    let Some(seek_ms) = options.seek_ms else {
        return Ok(());
    };
    let probe = media_jobs::probe_of(&app.database, media.media_id).await?;
    let duration = probe
        .and_then(|probe| probe.result)
        .and_then(|metadata| metadata.duration_seconds);
    let most = duration.map_or(LONGEST_SECONDS, |seconds| seconds.min(LONGEST_SECONDS));
    if f64::from(seek_ms) <= most * 1000.0 {
        return Ok(());
    }
    let text = format!("must lie within the file, before second {most}");
    let error = FieldError::new("options.seek_ms", "out_of_range", text);
    Err(Problem::validation(vec![error]))
}

fn request(
    media: &MediaRow,
    preset: Preset,
    options: JobOptions,
) -> Result<RequestMediaJob, Problem> {
    let preset_version = preset_version(preset);
    let at = clock::now();
    Ok(RequestMediaJob {
        job_id: job_id(media, preset, preset_version, options),
        media_id: media.media_id,
        owner: media.owner,
        preset,
        preset_version,
        input_sha256: media
            .sha256
            .parse::<Sha256Hex>()
            .map_err(Problem::internal)?,
        input_bytes: media.bytes,
        options,
        deadline_at: at + DEADLINE,
        at,
    })
}

/// `UUIDv5` of everything that decides what comes out.
fn job_id(media: &MediaRow, preset: Preset, version: u32, options: JobOptions) -> JobId {
    let seek = options.seek_ms.map(|ms| ms.to_string()).unwrap_or_default();
    let text = format!(
        "{}/{version}/{}/seek_ms={seek}",
        preset.as_str(),
        media.sha256
    );
    JobId::from(Uuid::new_v5(&media.media_id.into(), text.as_bytes()))
}
