//! `GET /v1/audit/events`: the log, in the order of its positions.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use eventlog::{DbError, EventFilter, Lines, Log, SCAN_POSITIONS, Stretch};
use futures::TryStreamExt as _;
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::http::caller::Auditor;
use crate::http::extract::Params;
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::reads::InlineRead;
use crate::ocsf;

/// Bytes of lines after which a page ends.
const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Positions that one request for a page looks at; what lies behind them is another page's.
const PAGE_SCAN: u64 = 10 * SCAN_POSITIONS;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Selection {
    /// Events after this position (default 0).
    after: Option<u64>,
    /// At most so many, 1 to 10000; 100 by default, and without an end when streamed as NDJSON.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
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
    /// Only events that were recorded before this time.
    until: Option<DateTime<Utc>>,
    /// How an event is written: `cloudevents` (default), or `ocsf` with only the events that have a place in it.
    #[param(value_type = Option<String>)]
    format: Option<Format>,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// The exported line, byte for byte.
    #[default]
    CloudEvents,
    /// As the Open Cybersecurity Schema Framework has it.
    Ocsf,
}

impl Format {
    /// The line in this format; nothing when it has none.
    pub(super) fn write(self, line: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::CloudEvents => Some(line.into()),
            Self::Ocsf => ocsf::line(line).map(Into::into),
        }
    }
}

/// A page of the log. An item is a CloudEvents 1.0 event, byte for byte as it is exported.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventPage)]
pub struct EventPage {
    #[schema(value_type = Vec<Object>)]
    items: Vec<Box<RawValue>>,
    /// Where to go on: pass it as `after`. With a filter a page may have fewer events than its limit, or none, although
    /// more follow; the last page is the one whose `next_after` is `head` or beyond.
    next_after: u64,
    /// The position of the log's last event.
    head: u64,
}

/// The log, as JSON, or as NDJSON (one event a line, streamed to the head) with `Accept: application/x-ndjson`.
#[utoipa::path(
    get, path = "/v1/audit/events", tag = "audit", operation_id = "list_events", params(Selection),
    responses(
        (status = 200, body = EventPage),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "position-beyond-head"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
    security(("bearer" = []), ("service_key_bearer" = [])),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    _: Auditor,
    _: InlineRead,
    Params(query): Params<Selection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let limit = query.limit.map(limit).transpose()?;
    let format = query.format.unwrap_or_default();
    let parts = [query.r#type, query.subject, query.stream, query.actor];
    let filter = filter(parts, format)?;
    let asked = position(query.after.unwrap_or(0))?;
    let head = app.log.head().await?;
    not_beyond(asked, head)?;
    let after = asked.max(first_after(&app.log, query.since).await?);
    let up_to = match query.until {
        Some(until) => app.log.position_before(until).await?.min(head),
        None => head,
    };
    let stretch = Stretch { after, up_to };
    if wants_ndjson(&headers) {
        return export(&app, stretch, limit.unwrap_or(usize::MAX), filter, format);
    }
    let (lines, reached) = page(&app.log, stretch, limit.unwrap_or(100), &filter).await?;
    let written = lines.iter().filter_map(|line| format.write(line));
    let raw = written.map(|line| RawValue::from_string(line.into_owned()));
    let items = raw.collect::<Result<_, _>>().map_err(Problem::internal)?;
    let next_after = if reached < up_to { reached } else { head };
    Ok(axum::Json(EventPage {
        items,
        next_after,
        head,
    })
    .into_response())
}

/// The events of a page, and how far the log was looked at for them.
async fn page(
    log: &Log,
    mut stretch: Stretch,
    limit: usize,
    filter: &EventFilter,
) -> Result<(Vec<String>, u64), Problem> {
    let mut items = Vec::new();
    let end = stretch.after.saturating_add(PAGE_SCAN);
    let mut bytes = 0;
    while items.len() < limit && bytes < PAGE_BYTES && stretch.after < stretch.up_to.min(end) {
        let lines = log.read_lines(stretch, limit - items.len(), filter).await?;
        stretch.after = lines.reached();
        bytes += lines.iter().map(|(_, line)| line.len()).sum::<usize>();
        items.extend(lines.iter().map(|(_, line)| line.to_owned()));
    }
    Ok((items, stretch.after))
}

/// Lines up to the head at the time of asking, a few chunks of them in memory at once.
fn export(
    app: &App,
    stretch: Stretch,
    limit: usize,
    filter: EventFilter,
    format: Format,
) -> Result<Response, Problem> {
    let place = app.live_streams.take_export()?;
    let chunks = app.log.stream_lines(stretch, limit, filter);
    let chunks = chunks
        .map_ok(move |lines: Lines| {
            let _held = &place;
            Bytes::from(text(lines, format))
        })
        .inspect_err(|error: &DbError| tracing::error!(%error, "an export of the log broke off"));
    let content_type = HeaderValue::from_static("application/x-ndjson");
    let headers = [(header::CONTENT_TYPE, content_type)];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// The lines of a chunk in a format, each with its line end.
fn text(lines: Lines, format: Format) -> String {
    if format == Format::CloudEvents {
        return lines.into_text();
    }
    let mut text = String::new();
    for line in lines.iter().filter_map(|(_, line)| format.write(line)) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The filter by type, subject, stream and actor. A format that has no place for some types takes only the others.
pub(super) fn filter(
    [event_type, subject, stream, actor]: [Option<String>; 4],
    format: Format,
) -> Result<EventFilter, Problem> {
    let event_types = match (event_type.map(name).transpose()?, format) {
        (Some(event_type), _) => vec![event_type],
        (None, Format::CloudEvents) => Vec::new(),
        (None, Format::Ocsf) => ocsf::event_types(),
    };
    Ok(EventFilter {
        event_types,
        subject: subject.map(name).transpose()?,
        stream: stream.map(name).transpose()?,
        actor: actor.map(name).transpose()?,
    })
}

/// The position behind which the first event from `since` on is.
async fn first_after(log: &Log, since: Option<DateTime<Utc>>) -> Result<u64, DbError> {
    match since {
        Some(since) => log.position_before(since).await,
        None => Ok(0),
    }
}

pub(super) fn position(after: u64) -> Result<u64, Problem> {
    if i64::try_from(after).is_ok() {
        return Ok(after);
    }
    Err(Problem::new(
        Kind::MalformedRequest,
        "after must be a position in the log",
    ))
}

/// Who has read more than there is has read another log, and would miss the events that get those positions.
pub(super) fn not_beyond(asked: u64, head: u64) -> Result<(), Problem> {
    if asked <= head {
        return Ok(());
    }
    Err(Problem::new(
        Kind::PositionBeyondHead,
        format!("the log ends at {head}, before position {asked}"),
    ))
}

/// No event's name has a NUL, and PostgreSQL does not take one in a text.
fn name(text: String) -> Result<String, Problem> {
    if text.contains('\0') {
        return Err(Problem::new(
            Kind::MalformedRequest,
            "a filter must not contain NUL",
        ));
    }
    Ok(text)
}

fn limit(limit: u32) -> Result<usize, Problem> {
    match limit {
        1..=10_000 => Ok(limit as usize),
        _ => Err(Problem::new(
            Kind::MalformedRequest,
            "limit must be from 1 to 10000",
        )),
    }
}

fn wants_ndjson(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accept
        .split(',')
        .any(|entry| entry.split(';').next().unwrap_or_default().trim() == "application/x-ndjson")
}
