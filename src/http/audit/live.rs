//! `GET /v1/audit/events/live`: the log up to its head, then what comes, as server-sent events.
//!
//! A stream reads the next events from the database when its client has taken the last ones: it holds at most one
//! step in memory, and nobody who writes ever waits for it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use eventlog::{DbError, EventFilter, SCAN_POSITIONS, Stretch};
use futures::{Stream, TryStreamExt as _};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;
use zeroize::Zeroizing;

use super::events::{Format, filter, not_beyond, position};
use crate::app::App;
use crate::http::caller::{Auditor, MayAudit, bearer, may_audit};
use crate::http::extract::Params;
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::reads::InlineRead;

/// Events of one read of the database.
const STEP: usize = 100;
/// Streams of this server at once.
const MAX_STREAMS: usize = 128;
/// Exports of this server at once; each has a few chunks of a MiB in memory.
const MAX_EXPORTS: usize = 32;
/// How often a stream with nothing to send looks whether its token is still good.
const CHECK: Duration = Duration::from_millis(500);
/// A comment goes out when nothing else did for so long, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Where a client that was cut off goes on (HTML, section 9.2).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// nginx shall hand on each event as it comes.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The streams and exports of this server: how many there may be, and the streams' end.
#[derive(Debug)]
pub struct LiveStreams {
    places: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Default for LiveStreams {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MAX_STREAMS)),
            exports: Arc::new(Semaphore::new(MAX_EXPORTS)),
            stop: CancellationToken::new(),
        }
    }
}

impl LiveStreams {
    /// A place for an export, until it is dropped.
    pub(super) fn take_export(&self) -> Result<OwnedSemaphorePermit, Problem> {
        take_place(&self.exports, "exports")
    }

    /// Ends every stream, and those that come.
    pub fn end(&self) {
        self.stop.cancel();
    }
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LiveSelection {
    /// Events after this position (default 0). The header `Last-Event-ID` wins over it.
    after: Option<u64>,
    /// Only events of this type.
    r#type: Option<String>,
    /// Only events of the stream with this identifier.
    subject: Option<String>,
    /// Only events of this stream, `<kind>/<identifier>`.
    stream: Option<String>,
    /// Only events that this person or policy caused, as `actor` of an event names them.
    actor: Option<String>,
    /// Only events that were recorded at this time or later.
    since: Option<DateTime<Utc>>,
    /// How an event is written: `cloudevents` (default), or `ocsf` with only the events that have a place in it.
    #[param(value_type = Option<String>)]
    format: Option<Format>,
}

/// The log as server-sent events: catches up, then follows. `id` is the position and `data` the exported line. The
/// stream lives as long as its access token or service key; go on with `Last-Event-ID`.
#[utoipa::path(
    get, path = "/v1/audit/events/live", tag = "audit", operation_id = "follow_events",
    params(
        LiveSelection,
        ("Last-Event-ID" = Option<u64>, Header, description = "The position of the last event that was received"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "malformed-request"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "position-beyond-head"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "read-model-behind"),
    ),
    security(("bearer" = []), ("service_key_bearer" = [])),
)]
pub async fn follow(
    State(app): State<Arc<App>>,
    _: Auditor,
    _: InlineRead,
    Params(query): Params<LiveSelection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let begin = start(&headers, query.after)?;
    not_beyond(begin, app.log.head().await?)?;
    let format = query.format.unwrap_or_default();
    let parts = [query.r#type, query.subject, query.stream, query.actor];
    let follower = Follower {
        after: begin,
        told: begin,
        since: query.since,
        filter: filter(parts, format)?,
        format,
        token: bearer(&headers)?.to_owned().into(),
        head: app.log.watch_head(),
        _place: take_place(&app.live_streams.places, "live streams")?,
        app,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let events = Sse::new(follower.events()).keep_alive(keep_alive);
    Ok(([(ACCEL_BUFFERING, "no")], events).into_response())
}

/// The position after which the stream begins.
fn start(headers: &HeaderMap, after: Option<u64>) -> Result<u64, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return position(after.unwrap_or(0));
    };
    let last = value.to_str().ok().and_then(|text| text.parse().ok());
    let last = last.ok_or_else(|| {
        Problem::new(
            Kind::MalformedRequest,
            "Last-Event-ID must be a position in the log",
        )
    })?;
    position(last)
}

fn take_place(places: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, Problem> {
    let place = Arc::clone(places).try_acquire_owned();
    place.map_err(|_| {
        Problem::new(
            Kind::TooManyAttempts,
            format!("as many {what} as this server has are open"),
        )
    })
}

/// One stream.
struct Follower {
    app: Arc<App>,
    filter: EventFilter,
    format: Format,
    /// Only events from this time on; nothing once the first of them has come.
    since: Option<DateTime<Utc>>,
    /// How far the filter has been applied.
    after: u64,
    /// The last `id` that was sent.
    told: u64,
    head: watch::Receiver<u64>,
    token: Zeroizing<String>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn events(self) -> impl Stream<Item = Result<Event, DbError>> {
        futures::stream::try_unfold(self, |mut follower| async move {
            let step = follower.next_step().await?;
            Ok::<_, DbError>(step.map(|events| (events, follower)))
        })
        .map_ok(|events| futures::stream::iter(events.into_iter().map(Ok)))
        .try_flatten()
        .inspect_err(|error: &DbError| tracing::warn!(%error, "a live stream of the log broke off"))
    }

    /// The next events, at least one, when there are any; nothing when the stream is over.
    async fn next_step(&mut self) -> Result<Option<Vec<Event>>, DbError> {
        let stop = self.app.live_streams.stop.clone();
        while !stop.is_cancelled() && self.may_go_on().await? {
            let head = *self.head.borrow_and_update();
            if self.after < head {
                let mut events = self.read(head).await?;
                events.extend(self.how_far().filter(|_| events.is_empty()));
                if !events.is_empty() {
                    return Ok(Some(events));
                }
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                changed = self.head.changed() => if changed.is_err() { return Ok(None) },
                () = tokio::time::sleep(CHECK) => {}
            }
        }
        Ok(None)
    }

    async fn read(&mut self, head: u64) -> Result<Vec<Event>, DbError> {
        if let Some(since) = self.since {
            let before = self.app.log.position_before(since).await?;
            self.after = self.after.max(before.min(head));
            if before >= head {
                return Ok(Vec::new());
            }
            self.since = None;
        }
        let stretch = Stretch {
            after: self.after,
            up_to: head,
        };
        let lines = self.app.log.read_lines(stretch, STEP, &self.filter).await?;
        self.after = lines.reached();
        let mut sent = Vec::new();
        for (position, line) in lines.iter() {
            let Some(line) = self.format.write(line) else {
                continue;
            };
            self.told = position;
            sent.push(Event::default().id(position.to_string()).data(line));
        }
        Ok(sent)
    }

    /// An `id` alone, which a client keeps as its last and hands to nobody (HTML, section 9.2.6), so that one who comes
    /// back is spared what was looked through in vain.
    fn how_far(&mut self) -> Option<Event> {
        if self.after - self.told < SCAN_POSITIONS {
            return None;
        }
        self.told = self.after;
        Some(Event::default().id(self.after.to_string()))
    }

    /// Whether the token or service key is still good, and still lets its holder read the log.
    async fn may_go_on(&self) -> Result<bool, DbError> {
        let may = may_audit(&self.app, &self.token).await?;
        Ok(matches!(may, MayAudit::Yes(_)))
    }
}
