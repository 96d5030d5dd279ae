//! `GET /v1/jobs/{id}/events`: a job as it goes on, as server-sent events.
//!
//! States come from the read model, progress from this node's memory: it is nowhere else, and 0 while another node
//! drives the job. The token is checked again and again, so that a stream never outlives it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aggregates::values::{JobId, UserId};
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use http::{HeaderMap, HeaderName};
use projections::media_jobs::{self, JobRow, JobState};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::show::own;
use super::view::view;
use crate::app::App;
use crate::http::caller::{Caller, bearer};
use crate::http::extract::Id;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{self, TailRead};

/// How often memory is looked at, and the read model if it has moved.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The data of a `progress` event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobProgress)]
pub struct Progress {
    /// 0 to 1.
    progress: f64,
    /// Of which attempt.
    attempt: u32,
}

/// The job as it goes on: a `state` event (a job) at the start and at every change, `progress` events in between.
/// The stream ends with the job, with its token and with the server; open it again to go on.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/events", tag = "media", operation_id = "follow_job",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, content_type = "text/event-stream", body = Progress),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn events(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    _: TailRead<reads::Jobs>,
    Id(id): Id<JobId>,
) -> Result<impl IntoResponse, Problem> {
    let token = Zeroizing::new(bearer(&headers)?.to_owned());
    own(&app, &caller, id).await?;
    let model = app
        .read_models
        .watch("media_jobs")
        .ok_or_else(|| Problem::internal("the jobs have no read model"))?;
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let follow = Follow {
        app,
        token,
        owner: caller.user_id,
        job: id,
        model,
        ticks,
        row: None,
        progress: 0.0,
    };
    // A proxy that buffers would hold every event back.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    let stream = Sse::new(follow.stream()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok((unbuffered, stream))
}

/// One client that follows one job.
struct Follow {
    app: Arc<App>,
    token: Zeroizing<String>,
    owner: UserId,
    job: JobId,
    /// The read model's position.
    model: watch::Receiver<u64>,
    ticks: Interval,
    /// The job as the client has seen it.
    row: Option<JobRow>,
    progress: f64,
}

impl Follow {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        futures::stream::unfold(self, |mut follow| async move {
            let event = follow.next().await?;
            Some((Ok(event), follow))
        })
    }

    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.row.as_ref().is_some_and(is_over) {
                return None;
            }
            tokio::select! {
                () = self.app.jobs.closed() => return None,
                _ = self.ticks.tick() => {}
            }
            if !self.has_good_token().await {
                return None;
            }
            if self.row.is_none() || self.model.has_changed().ok()? {
                let row = self.read().await?;
                if self.is_news(&row) {
                    return self.tell_state(row);
                }
            }
            if let Some(event) = self.news_of_progress() {
                return Some(event);
            }
        }
    }

    /// In doubt the token is not good any more.
    async fn has_good_token(&self) -> bool {
        let checked = self.app.tokens.check(&self.token).await;
        let required_for = self.app.config.tokens.second_factor_required_for;
        checked.ok().flatten().is_some_and(|good| {
            good.token.user_id == self.owner && good.require_second_factor(required_for).is_ok()
        })
    }

    async fn read(&mut self) -> Option<JobRow> {
        self.model.mark_unchanged();
        let found = media_jobs::find(&self.app.database, self.owner, self.job).await;
        found
            .inspect_err(|error| tracing::warn!(%error, "a job cannot be followed any more"))
            .ok()
            .flatten()
    }

    fn is_news(&self, row: &JobRow) -> bool {
        let known = self.row.as_ref().map(|row| (row.state, row.attempt));
        known != Some((row.state, row.attempt))
    }

    fn tell_state(&mut self, row: JobRow) -> Option<Event> {
        let event = Event::default().event("state");
        let event = event.json_data(view(&self.app, &row)).ok();
        self.progress = 0.0;
        self.row = Some(row);
        event
    }

    fn news_of_progress(&mut self) -> Option<Event> {
        let row = self
            .row
            .as_ref()
            .filter(|row| row.state == JobState::Running)?;
        let progress = self.app.jobs.progress(self.job);
        if progress <= self.progress {
            return None;
        }
        self.progress = progress;
        let attempt = row.attempt;
        let data = Progress { progress, attempt };
        Event::default().event("progress").json_data(data).ok()
    }
}

fn is_over(row: &JobRow) -> bool {
    match row.state {
        JobState::Queued | JobState::Running => false,
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => true,
    }
}
