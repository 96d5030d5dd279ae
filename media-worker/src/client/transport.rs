//! Signs a call, sends it, and turns a refusal into a [`ClientError`].

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _, TryStream, TryStreamExt as _, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, StatusCode};
use reqwest::{Body, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use super::ClientError;
use crate::api::{ErrorBody, Sha256Digest};
use crate::auth::{AUTH_HEADER, CONTENT_SHA256_HEADER, Keys, SignedParts, fresh_nonce};
use crate::clock;
use crate::endpoint::Endpoint;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For a whole call that streams nothing, and for the first byte of an answer that streams.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Shorter than the worker's, so that a connection is not used in the moment in which it closes it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Three heartbeats.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest answer that is collected in memory.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
    keys: Keys,
    base: String,
}

pub(super) enum Content {
    Empty,
    Json(Vec<u8>),
    Streamed {
        body: Body,
        size: u64,
        sha256: Sha256Digest,
        progress: Progress,
    },
}

/// Until when something must be taken of a body, or, when all was, the answer come. A receiver that was stopped keeps its
/// connection open for ever.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Mutex<Due>>);

#[derive(Debug)]
struct Due {
    at: Instant,
    /// Bytes that are still to be taken.
    left: u64,
}

impl Progress {
    fn new(size: u64) -> Self {
        Self(Arc::new(Mutex::new(Due {
            at: Instant::now() + SILENCE_TIMEOUT,
            left: size,
        })))
    }

    fn take(&self, bytes: usize) {
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        due.left = due.left.saturating_sub(bytes as u64);
        let patience = if due.left == 0 {
            CALL_TIMEOUT
        } else {
            SILENCE_TIMEOUT
        };
        due.at = Instant::now() + patience;
    }

    fn due(&self) -> Instant {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).at
    }

    async fn bound<T>(&self, sending: impl Future<Output = T>) -> Result<T, ClientError> {
        let mut sending = pin!(sending);
        loop {
            let due = self.due();
            match timeout_at(due, &mut sending).await {
                Ok(answer) => return Ok(answer),
                Err(_) if self.due() > due => {}
                Err(_) => return Err(ClientError::Stalled),
            }
        }
    }
}

impl Transport {
    pub(super) fn new(endpoint: &Endpoint, keys: Keys) -> Result<Self, ClientError> {
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        let (builder, base) = match endpoint {
            Endpoint::Unix(path) => (
                builder.unix_socket(path.clone()),
                "http://worker".to_owned(),
            ),
            Endpoint::Tcp(address) => (builder, format!("http://{address}")),
        };
        let http = builder.build().map_err(|_| ClientError::Setup)?;
        Ok(Self { http, keys, base })
    }

    pub(super) async fn json<T: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: &T,
    ) -> Result<Response, ClientError> {
        let body = serde_json::to_vec(body).map_err(|_| ClientError::Protocol)?;
        self.send(method, path, Content::Json(body)).await
    }

    /// The answer, if it is a success.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        content: Content,
    ) -> Result<Response, ClientError> {
        let progress = content.progress();
        let sending = self.request(&method, path, content)?.send();
        let response = match progress {
            Some(progress) => progress.bound(sending).await?,
            None => timeout(CALL_TIMEOUT, sending)
                .await
                .map_err(|_| ClientError::Unreachable)?,
        };
        let response = response.map_err(|_| ClientError::Unreachable)?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(refusal(response).await)
        }
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        content: Content,
    ) -> Result<RequestBuilder, ClientError> {
        let (body_sha256, content_length) = content.signed();
        let parts = SignedParts {
            method: method.as_str(),
            path_and_query: path,
            body_sha256,
            content_length,
        };
        let nonce = fresh_nonce().map_err(|_| ClientError::Setup)?;
        let signature = parts.sign(&self.keys, clock::unix_seconds(), &nonce);
        let url = format!("{}{path}", self.base);
        let request = self
            .http
            .request(method.clone(), url)
            .header(AUTH_HEADER, signature);
        Ok(content.attach(request))
    }
}

impl Content {
    pub(super) fn streamed<S>(body: S, size: u64, sha256: Sha256Digest) -> Self
    where
        S: TryStream<Ok = Bytes> + Send + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let progress = Progress::new(size);
        let taken = progress.clone();
        let body = body.inspect_ok(move |piece| taken.take(piece.len()));
        Self::Streamed {
            body: Body::wrap_stream(body),
            size,
            sha256,
            progress,
        }
    }

    fn progress(&self) -> Option<Progress> {
        match self {
            Self::Empty | Self::Json(_) => None,
            Self::Streamed { progress, .. } => Some(progress.clone()),
        }
    }

    fn signed(&self) -> (Sha256Digest, u64) {
        match self {
            Self::Empty => (Sha256Digest::of(b""), 0),
            Self::Json(body) => (Sha256Digest::of(body), body.len() as u64),
            Self::Streamed { size, sha256, .. } => (*sha256, *size),
        }
    }

    fn attach(self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Empty => request,
            Self::Json(body) => request.header(CONTENT_TYPE, "application/json").body(body),
            Self::Streamed {
                body, size, sha256, ..
            } => request
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, size)
                .header(CONTENT_SHA256_HEADER, sha256.to_string())
                .body(body),
        }
    }
}

/// A small JSON answer.
pub(super) async fn decode<T: DeserializeOwned>(response: Response) -> Result<T, ClientError> {
    serde_json::from_slice(&collect(response).await?).map_err(|_| ClientError::Protocol)
}

/// A small text answer.
pub(super) async fn text(response: Response) -> Result<String, ClientError> {
    String::from_utf8(collect(response).await?.into()).map_err(|_| ClientError::Protocol)
}

/// The body as it comes; ends with an error after [`SILENCE_TIMEOUT`] without a byte.
pub(super) fn pieces(
    response: Response,
) -> impl Stream<Item = Result<Bytes, ClientError>> + Send + 'static {
    stream::unfold(Some(response.bytes_stream().boxed()), async |source| {
        let mut source = source?;
        match timeout(SILENCE_TIMEOUT, source.next()).await {
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(source))),
            Ok(None) => None,
            Ok(Some(Err(_))) | Err(_) => Some((Err(ClientError::Unreachable), None)),
        }
    })
}

async fn collect(response: Response) -> Result<Bytes, ClientError> {
    let mut pieces = Box::pin(pieces(response));
    let mut body = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece?);
        if body.len() > MAX_ANSWER_BYTES {
            return Err(ClientError::Protocol);
        }
    }
    Ok(body.freeze())
}

async fn refusal(response: Response) -> ClientError {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    match decode::<ErrorBody>(response).await {
        Ok(body) => ClientError::from_code(body.code, retry_after.map(Duration::from_secs)),
        Err(ClientError::Unreachable) => ClientError::Unreachable,
        Err(_) if status == StatusCode::NOT_FOUND => ClientError::NotFound,
        Err(_) => ClientError::Protocol,
    }
}
