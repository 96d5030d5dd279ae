//! Refusing politely.
//!
//! A client that is still sending when the answer comes and the connection closes sees a broken pipe, not the
//! answer; and one that has sent all of it finds the connection closed when it asks for something else. So a refusal takes in what is left of a small body, for a short time, and throws it away.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt as _;

/// As much as is taken in, and for how long at most.
const BYTES: usize = 8 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(2);
/// An answer from the record does not need the body either.
const REPLAYED: &str = "idempotency-replayed";

/// The layer.
pub async fn layer(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body));
    let lent = Body::new(Lent(Arc::clone(&body)));
    let response = next.run(Request::from_parts(parts, lent)).await;
    let is_replayed = response.headers().contains_key(REPLAYED);
    if is_replayed || !response.status().is_success() {
        // What is still coming after that is the client's own fault.
        let _ = tokio::time::timeout(PATIENCE, discard(Lent(body))).await;
    }
    response
}

async fn discard(mut body: Lent) {
    let mut left = BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// The body, for whoever reads it at the moment.
struct Lent(Arc<Mutex<Body>>);

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        match self.0.lock() {
            Ok(mut body) => Pin::new(&mut *body).poll_frame(context),
            Err(_) => Poll::Ready(None),
        }
    }
}
