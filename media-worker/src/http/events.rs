//! `GET …/events?after=N`: what happens to a job, one JSON object a line, until its result.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::stream;
use serde::Deserialize;
use tokio::time::timeout;

use super::ApiError;
use super::path::Known;
use crate::api::{ErrorCode, EventBody, JobEvent};
use crate::jobs::Job;

const HEARTBEAT: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    #[serde(default)]
    after: u64,
}

pub(super) async fn follow(
    Known(job): Known,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let Query(Range { after }) =
        range.map_err(|_| ApiError::new(ErrorCode::InvalidSpec, "after: expected a number"))?;
    let reader = Reader {
        job,
        seq: after,
        pending: VecDeque::new(),
        is_over: false,
    };
    let lines = stream::unfold(reader, async |mut reader| {
        let line = reader.next_line().await?;
        Some((Ok::<_, serde_json::Error>(line), reader))
    });
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(lines)))
}

struct Reader {
    job: Arc<Job>,
    /// The last event that was handed out.
    seq: u64,
    pending: VecDeque<JobEvent>,
    is_over: bool,
}

impl Reader {
    /// The next line, `None` after the result. That somebody takes it shows that the job is wanted.
    async fn next_line(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let event = self.next_event().await;
        self.job.touch();
        self.seq = event.seq;
        self.is_over = matches!(event.body, EventBody::Result { .. });
        let mut line = serde_json::to_vec(&event).ok()?;
        line.push(b'\n');
        Some(line.into())
    }

    async fn next_event(&mut self) -> JobEvent {
        if self.pending.is_empty() {
            // The result, asked for again by a reader that has it, must not be awaited for ever.
            let after = if self.job.state().is_final() {
                self.seq.min(self.job.events.last_seq().saturating_sub(1))
            } else {
                self.seq
            };
            // Whether it came in time is seen from what is there.
            let _ = timeout(HEARTBEAT, self.job.events.wait_beyond(after)).await;
            self.pending = self.job.events.after(after).into();
        }
        let heartbeat = JobEvent {
            seq: self.seq,
            body: EventBody::Heartbeat,
        };
        self.pending.pop_front().unwrap_or(heartbeat)
    }
}
