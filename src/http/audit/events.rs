//! `GET /v1/audit/events`: the log, in the order of its positions.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use eventlog::{DbError, EventFilter, Log, RecordedEvent, cloud_event_line};
use futures::{Stream, TryStreamExt as _};
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::http::caller::Auditor;
use crate::http::extract::Params;
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::reads::InlineRead;

/// Events of one read of the database while streaming.
const STEP: usize = 500;

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
}

/// A page of the log. An item is a CloudEvents 1.0 event, byte for byte as it is exported.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventPage)]
pub struct EventPage {
    #[schema(value_type = Vec<Object>)]
    items: Vec<Box<RawValue>>,
    /// Where to go on: pass it as `after`.
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
    let after = position(query.after.unwrap_or(0))?;
    let limit = query.limit.map(limit).transpose()?;
    let head = app.log.head().await?;
    let filter = filter(query.r#type, query.subject, query.stream)?;
    if wants_ndjson(&headers) {
        let lines = lines(
            app.log.clone(),
            filter,
            after,
            head,
            limit.unwrap_or(usize::MAX),
        );
        let content_type = HeaderValue::from_static("application/x-ndjson");
        return Ok((
            [(header::CONTENT_TYPE, content_type)],
            Body::from_stream(lines),
        )
            .into_response());
    }
    let limit = limit.unwrap_or(100);
    let events = app.log.read_filtered(after, head, limit, &filter).await?;
    let is_full = events.len() == limit;
    let next_after = events
        .last()
        .filter(|_| is_full)
        .map_or(head.max(after), |last| last.position);
    let items = events.iter().map(raw).collect::<Result<_, _>>()?;
    Ok(axum::Json(EventPage {
        items,
        next_after,
        head,
    })
    .into_response())
}

pub(super) fn filter(
    event_type: Option<String>,
    subject: Option<String>,
    stream: Option<String>,
) -> Result<EventFilter, Problem> {
    Ok(EventFilter {
        event_type: event_type.map(name).transpose()?,
        subject: subject.map(name).transpose()?,
        stream: stream.map(name).transpose()?,
    })
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

fn raw(event: &RecordedEvent) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(cloud_event_line(event)).map_err(Problem::internal)
}

/// Lines up to the head at the time of asking, a few hundred events in memory at once.
fn lines(
    log: Log,
    filter: EventFilter,
    after: u64,
    head: u64,
    limit: usize,
) -> impl Stream<Item = Result<Bytes, DbError>> + Send {
    futures::stream::try_unfold(
        (log, filter, after, limit),
        move |(log, filter, after, left)| async move {
            if left == 0 || after >= head {
                return Ok(None);
            }
            let events = log
                .read_filtered(after, head, left.min(STEP), &filter)
                .await?;
            let Some(last) = events.last() else {
                return Ok(None);
            };
            let (next, left) = (last.position, left - events.len());
            let text: String = events
                .iter()
                .map(|event| cloud_event_line(event) + "\n")
                .collect();
            Ok(Some((Bytes::from(text), (log, filter, next, left))))
        },
    )
    .inspect_err(|error: &DbError| tracing::error!(%error, "an export of the log broke off"))
}
