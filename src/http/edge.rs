//! The edge: what happens to every request and every answer, once.
//!
//! Outside of everything else it gives the request its identifier, answers `/v1/verify` without going through
//! the router (the hot path), turns every failure into problem+json, adds the security headers, counts, and
//! logs. What `/v1/verify` answers from memory has no line; only its refusals are counted. It never reads a body. What it
//! does not answer itself it leaves to other threads, so that the hot path waits behind no handler.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse as _, Response};
use futures::future::{BoxFuture, Either};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tower::Service;
use uuid::Uuid;

use super::caller::ClientIp;
use super::problem::{Kind, Problem};
use super::recognised::Recognised;
use super::verify;
use crate::app::App;
use crate::listener::Arrival;
use crate::ports::{clock, ids};
use crate::throttle;

/// The name of the header that carries the request's identifier.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The identifier of the request at hand, in its extensions.
#[derive(Debug, Clone, Copy)]
pub struct RequestId(pub Uuid);

/// The outermost service.
#[derive(Debug, Clone)]
pub struct Edge<S> {
    inner: S,
    app: Arc<App>,
    handlers: Handle,
}

impl<S> Edge<S> {
    /// Wraps the router, which works on the threads of the runtime that this is called in.
    pub fn new(inner: S, app: Arc<App>) -> Self {
        let handlers = Handle::current();
        Self {
            inner,
            app,
            handlers,
        }
    }
}

type Answer = Result<Response, Infallible>;

impl<S> Service<Arrival> for Edge<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Answer>, BoxFuture<'static, Answer>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, arrival: Arrival) -> Self::Future {
        let (headers, uri) = (arrival.request.headers(), arrival.request.uri());
        let request_id = request_id(headers);
        if let Some(narrowing) = verify::asked(uri) {
            match verify::answer_from_memory(&self.app, headers, narrowing) {
                Some(Ok(good)) => return Either::Left(ready(Ok(named(good, request_id)))),
                Some(Err(problem)) => {
                    let refused = finish(problem.into_response(), request_id);
                    return Either::Left(ready(Ok(refused)));
                }
                None => {}
            }
        }
        let mut request = arrival.into_request();
        request.extensions_mut().insert(RequestId(request_id));
        let started = clock::monotonic();
        let line = Line::of(&self.app, &mut request);
        let mut inner = self.inner.clone();
        std::mem::swap(&mut inner, &mut self.inner);
        let handled = self.handlers.spawn(async move {
            let Ok(mut response) = inner.call(request).await;
            let route = response.extensions_mut().remove::<Route>();
            let refusal = Refusal::of(&response);
            let response = finish(response, request_id);
            line.log(&response, request_id, route.as_ref(), &refusal, started);
            response
        });
        // A client that goes away ends its request.
        let handled = AbortOnDropHandle::new(handled);
        Either::Right(Box::pin(async move {
            Ok(handled.await.unwrap_or_else(|_| {
                let problem = Problem::internal("a request was not handled to its end");
                finish(problem.into_response(), request_id)
            }))
        }))
    }
}

/// The client's identifier if it is a UUID, else a new one.
fn request_id(headers: &HeaderMap) -> Uuid {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| Uuid::try_parse_ascii(value.as_bytes()).ok());
    given.unwrap_or_else(ids::new_id)
}

/// Renders a problem, and adds the headers that every answer has.
fn finish(mut response: Response, request_id: Uuid) -> Response {
    if response.status().as_u16() >= 400 {
        let mut buffer = [0_u8; uuid::fmt::Hyphenated::LENGTH];
        let id: &str = request_id.as_hyphenated().encode_lower(&mut buffer);
        response = as_problem(response, id);
    }
    secure(response.headers_mut());
    named(response, request_id)
}

/// Says which request the answer is for.
fn named(mut response: Response, request_id: Uuid) -> Response {
    let mut buffer = [0_u8; uuid::fmt::Hyphenated::LENGTH];
    let id: &str = request_id.as_hyphenated().encode_lower(&mut buffer);
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Adds the security headers that are not there yet.
pub(super) fn secure(headers: &mut HeaderMap) {
    for (name, value) in &SECURITY_HEADERS {
        if !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
}

/// OWASP Secure Headers. The policy fits the web application; pages that need another bring their own.
static SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-site"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ),
];

/// A problem of ours is rendered; a bare failure of a library becomes the problem of its status.
fn as_problem(mut response: Response, request_id: &str) -> Response {
    let (problem, is_ours) = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => (problem, true),
        None => (of_status(response.status()), false),
    };
    if let Some(cause) = problem.cause() {
        if problem.kind.status().is_server_error() {
            tracing::error!(
                request_id,
                problem = problem.kind.slug(),
                cause,
                "request failed"
            );
        } else {
            tracing::debug!(
                request_id,
                problem = problem.kind.slug(),
                cause,
                "request refused"
            );
        }
    }
    if is_ours
        || response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_none_or(is_plain)
    {
        let mut rendered = problem.render(request_id);
        keep(&response, &mut rendered);
        return rendered;
    }
    response
}

fn is_plain(value: &HeaderValue) -> bool {
    !value.as_bytes().starts_with(b"application/problem+json")
}

/// What a library's failure says in its headers is kept: the methods that are allowed, CORS, the range; and tus.
fn keep(from: &Response, to: &mut Response) {
    let kept = [header::ALLOW, header::VARY, header::CONTENT_RANGE];
    for (name, value) in from.headers() {
        let is_kept = ["access-control-", "tus-"]
            .iter()
            .any(|begin| name.as_str().starts_with(begin));
        if is_kept || kept.contains(name) {
            to.headers_mut().insert(name, value.clone());
        }
    }
}

fn of_status(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            Kind::MethodNotAllowed,
            "this resource does not have this method",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Kind::PayloadTooLarge, "the body is too large")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            Kind::UnsupportedMediaType,
            "the body is not of a type that this call takes",
        ),
        StatusCode::RANGE_NOT_SATISFIABLE => Problem::new(
            Kind::RangeNotSatisfiable,
            "the range lies outside the content",
        ),
        StatusCode::UNPROCESSABLE_ENTITY => {
            Problem::new(Kind::ValidationFailed, "the body cannot be accepted")
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => {
            Problem::unavailable("the request took too long")
        }
        other if other.is_client_error() => {
            Problem::new(Kind::MalformedRequest, "the request cannot be read")
        }
        other => Problem::internal(format!("a bare {other}")),
    }
}

/// The route's pattern, which the router leaves on the answer for the metrics.
#[derive(Debug, Clone)]
pub struct Route(pub MatchedPath);

/// Why a request was refused, in words of ours only.
#[derive(Debug, Clone, Default)]
struct Refusal {
    problem: Option<&'static str>,
    detail: Option<Cow<'static, str>>,
}

impl Refusal {
    /// What a 401 or 403 says to the client quotes nothing that the client sent; other details may.
    fn of(response: &Response) -> Self {
        let problem = response.extensions().get::<Problem>();
        let is_of_rights = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        Self {
            problem: problem.map(|problem| problem.kind.slug()),
            detail: problem
                .filter(|problem| is_of_rights.contains(&problem.kind.status()))
                .map(Problem::detail),
        }
    }
}

/// What the access log says of a request: never its query, which may hold what a person typed, and never an address.
struct Line {
    app: Arc<App>,
    method: http::Method,
    path: String,
    client: Option<ClientIp>,
    caller: Recognised,
}

impl Line {
    /// Of a request, which gets the place for its caller.
    fn of(app: &Arc<App>, request: &mut Request<Body>) -> Self {
        let caller = Recognised::default();
        request.extensions_mut().insert(caller.clone());
        Self {
            app: Arc::clone(app),
            method: request.method().clone(),
            path: logged_path(request.uri().path()),
            client: ClientIp::of(app, request.extensions(), request.headers()),
            caller,
        }
    }

    /// The network of the client, as a keyed hash: lines from one network are alike, and it is not told which it is.
    fn network(&self) -> Option<String> {
        let keyring = self.app.vault.keyring();
        let mut name = throttle::network_name(keyring, self.client?.0);
        name.truncate(LOGGED_NETWORK_CHARS);
        Some(name)
    }

    fn log(
        &self,
        response: &Response,
        request_id: Uuid,
        route: Option<&Route>,
        refusal: &Refusal,
        started: Instant,
    ) {
        let status = response.status().as_u16();
        let elapsed = started.elapsed();
        let route = route.map_or("unmatched", |route| route.0.as_str());
        let method = super::metrics::method_label(&self.method);
        super::metrics::request(method, route, status, elapsed);
        let caller = self.caller.principal().unwrap_or_default();
        tracing::info!(
            %request_id,
            method,
            path = self.path,
            status,
            user_id = caller.user_id.map(display),
            session_id = caller.session_id.map(display),
            service_key_id = caller.service_key_id.map(display),
            network = self.network(),
            problem = refusal.problem,
            detail = refusal.detail.as_deref(),
            ended = caller.ended,
            duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }
}

/// As much of a network's hash as a line has: 64 bits.
const LOGGED_NETWORK_CHARS: usize = 16;

/// The longest segment of a path that may be logged: above an identifier, below a token and a signed link.
const LOGGED_SEGMENT_BYTES: usize = 48;

/// The path without what may be a secret: long segments, and everything where a link stands.
fn logged_path(path: &str) -> String {
    let mut former = "";
    let segments = path.split('/').map(|segment| {
        let is_link = former == "links" && !segment.is_empty() && path.starts_with("/v1/links/");
        former = segment;
        if is_link || segment.len() > LOGGED_SEGMENT_BYTES {
            "..."
        } else {
            segment
        }
    });
    let segments: Vec<&str> = segments.collect();
    segments.join("/").chars().take(256).collect()
}

/// Answers a panic in a handler with a plain 500. The panic hook has logged it.
pub fn answer_panic(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::internal("a handler panicked").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_path_has_no_link_and_no_token() {
        let id = "0197a1b2-0000-7000-8000-000000000000";
        let plain = format!("/v1/jobs/{id}/outputs/v1080p.m3u8");
        assert_eq!(logged_path(&plain), plain);
        for secret in ["AQ".repeat(49), "0f".repeat(32), "short".to_owned()] {
            for path in ["/v1/links/SECRET", "/v1/links/SECRET/content"] {
                let logged = logged_path(&path.replace("SECRET", &secret));
                assert!(!logged.contains(&secret), "{logged}");
                assert!(logged.starts_with("/v1/links/..."), "{logged}");
            }
        }
        let elsewhere = format!("/v1/%6cinks//{}/x", "AQ".repeat(49));
        assert_eq!(logged_path(&elsewhere), "/v1/%6cinks//.../x");
        assert_eq!(logged_path(""), "");
        assert_eq!(logged_path("/a".repeat(1000).as_str()).len(), 256);
    }
}
