//! Reads after writes: `Gatelog-Position` on every write, `Gatelog-Min-Position` on every read.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::problem::{Kind, Problem};
use crate::app::App;

/// The position in the log of the last event that a call wrote.
pub const POSITION: HeaderName = HeaderName::from_static("gatelog-position");
/// The position that a read model must have reached.
pub const MIN_POSITION: HeaderName = HeaderName::from_static("gatelog-min-position");

/// How long a read waits.
const WAIT: Duration = Duration::from_secs(2);

/// A read of models that change in the append itself: what was written is there at once on every node that
/// shares the database; a position from the future is waited for.
#[derive(Debug)]
pub struct InlineRead;

/// The models that follow the log, of those that a call reads.
pub trait Follows {
    /// Their names.
    const MODELS: &'static [&'static str];
}

/// Files.
#[derive(Debug)]
pub struct Media;

impl Follows for Media {
    const MODELS: &'static [&'static str] = &["media"];
}

/// Jobs, and the files that they are of.
#[derive(Debug)]
pub struct MediaAndJobs;

impl Follows for MediaAndJobs {
    const MODELS: &'static [&'static str] = &["media", "media_jobs"];
}

/// Jobs alone.
#[derive(Debug)]
pub struct Jobs;

impl Follows for Jobs {
    const MODELS: &'static [&'static str] = &["media_jobs"];
}

/// A read of models that follow the log: up to the position that the call names, and otherwise up to what this node has
/// written, unless the model is paused or parked.
#[derive(Debug)]
pub struct TailRead<M>(PhantomData<M>);

impl FromRequestParts<Arc<App>> for InlineRead {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if let Some(wanted) = min_position(&parts.headers)? {
            let mut head = app.log.watch_head();
            let reached = async { head.wait_for(|head| *head >= wanted).await.is_ok() };
            if !tokio::time::timeout(WAIT, reached).await.unwrap_or(false) {
                return Err(behind());
            }
        }
        Ok(Self)
    }
}

impl<M: Follows> FromRequestParts<Arc<App>> for TailRead<M> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let models = &app.read_models;
        let asked = min_position(&parts.headers)?.unwrap_or(0);
        let written = app.log.last_written();
        if models.wait_for_these(M::MODELS, asked, written, WAIT).await {
            Ok(Self(PhantomData))
        } else {
            Err(behind())
        }
    }
}

/// The position that a call asks for.
pub(super) fn min_position(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(MIN_POSITION) else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| {
        Problem::new(
            Kind::MalformedRequest,
            "Gatelog-Min-Position must be a position in the log",
        )
    })
}

fn behind() -> Problem {
    Problem::new(
        Kind::ReadModelBehind,
        "the read model has not reached that position within 2 s",
    )
}

/// An answer with the position of what it wrote, if it wrote anything.
#[derive(Debug)]
pub struct Written<T> {
    /// The last event's position.
    pub position: Option<u64>,
    /// The answer itself.
    pub answer: T,
}

impl<T: IntoResponse> IntoResponse for Written<T> {
    fn into_response(self) -> Response {
        let mut response = self.answer.into_response();
        if let Some(position) = self.position {
            response
                .headers_mut()
                .insert(POSITION, HeaderValue::from(position));
        }
        response
    }
}
