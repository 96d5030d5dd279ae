//! The layer for routes that take an `Idempotency-Key` and a JSON body.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use eventlog::noting_appends;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::caller::{ClientIp, bearer};
use super::extract::read_body;
use super::problem::{Kind, Problem};
use super::reads::POSITION;
use super::recognised;
use crate::app::App;
use crate::idempotency::{Answer, Claim, Record};
use crate::ports::clock;
use crate::throttle::{self, Scope, network};

/// The request header.
pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Answers larger than this are not kept; no answer of a JSON call comes near.
const ANSWER_BYTES: usize = 256 * 1024;

/// Answers a repeated request from the record; without a key it does nothing.
pub async fn layer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match handle(&app, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn handle(app: &Arc<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let Some(key) = key(&request)? else {
        return Ok(next.run(request).await);
    };
    let (mut parts, body) = request.into_parts();
    let bytes = read_body(body).await?;
    let ClientIp(ip) = ClientIp::from_request_parts(&mut parts, app).await?;
    let person = person(app, &parts).await?;
    let is_stranger = person.is_none();
    if is_stranger {
        // A claim is written before anything is looked at, so whoever is refused again and again makes none.
        throttle::check_anonymous(app, Scope::IdempotencyKey, ip).await?;
    }
    // Keys of strangers are not one another's.
    let who = person.unwrap_or_else(|| network(ip));
    let method = parts.method.as_str().as_bytes();
    let path = parts.uri.path().as_bytes();
    let scope: [&[u8]; 4] = [&who, method, path, key.as_bytes()];
    let claim = app.idempotency.claim(&scope, &bytes, clock::now()).await?;
    let record = match begin(claim)? {
        Begin::Work(record) => record,
        Begin::Answer(answer) => return Ok(replay(answer)),
    };
    let work = next.run(Request::from_parts(parts, Body::from(bytes)));
    let response = to_its_end(app, record, work).await?;
    if is_stranger && response.status().is_client_error() {
        throttle::charge_anonymous(app, Scope::IdempotencyKey, ip).await?;
    }
    Ok(response)
}

/// Does the work and keeps its answer, also when the client hangs up or has waited for too long: what was begun with a key
/// is not left half done.
///
/// # Errors
/// What became of it could not be kept.
pub async fn to_its_end(
    app: &Arc<App>,
    record: Record,
    work: impl Future<Output = Response> + Send + 'static,
) -> Result<Response, Problem> {
    let keeper = Arc::clone(app);
    let task = app.finishing.spawn(async move {
        let (response, has_appended) = noting_appends(work).await;
        finish(&keeper, &record, response, has_appended).await
    });
    task.await.map_err(Problem::internal)?
}

/// What a claim means for the request at hand.
pub enum Begin {
    /// Do the work.
    Work(Record),
    /// It was done; this was the answer.
    Answer(Answer),
}

/// Refuses what cannot be answered now.
///
/// # Errors
/// 409 or 422, by the claim.
pub fn begin(claim: Claim) -> Result<Begin, Problem> {
    match claim {
        Claim::New(record) => Ok(Begin::Work(record)),
        Claim::Done(answer) => Ok(Begin::Answer(answer)),
        Claim::NotKept => Err(Problem::new(
            Kind::IdempotencyReplay,
            "this request succeeded before, and its answer held a token that is not kept",
        )),
        Claim::InProgress => Err(Problem::new(
            Kind::IdempotencyInProgress,
            "a request with this key is being worked on",
        )
        .retry_after(1)),
        Claim::Unknown => Err(Problem::new(
            Kind::IdempotencyReplay,
            "what became of the request with this key is not known; see whether it was done, and use another key",
        )),
        Claim::OtherRequest => Err(Problem::new(
            Kind::IdempotencyKeyReused,
            "this key was used for another request",
        )),
    }
}

/// The key of a request, checked.
///
/// # Errors
/// 400 when it is empty, longer than 255 characters or not printable ASCII.
pub fn key(request: &Request) -> Result<Option<String>, Problem> {
    key_of(request.headers())
}

/// As [`key`], from the headers.
///
/// # Errors
/// 400 when it is empty, longer than 255 characters or not printable ASCII.
pub fn key_of(headers: &http::HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(KEY) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .ok()
        .filter(|text| (1..=255).contains(&text.len()));
    text.map(|text| Some(text.to_owned())).ok_or_else(|| {
        Problem::new(
            Kind::MalformedRequest,
            "Idempotency-Key must be 1 to 255 printable characters",
        )
    })
}

/// Keys belong to the person, whichever session they use; `None` for a stranger. Those of a session without the second factor
/// that the account must have are apart: such a session is told no answer of one that has it.
async fn person(app: &App, parts: &Parts) -> Result<Option<Vec<u8>>, Problem> {
    let Ok(token) = bearer(&parts.headers) else {
        return Ok(None);
    };
    let good = app.tokens.check(token).await?;
    // A repeated request may be answered before its handler looks at the caller.
    if let Some(good) = &good {
        recognised::note(&parts.extensions, good);
    }
    let required_for = app.config.tokens.second_factor_required_for;
    Ok(good.map(|good| {
        let who = good.token.user_id.to_string();
        match good.require_second_factor(required_for) {
            Ok(()) => who.into_bytes(),
            Err(_) => format!("{who} single-factor").into_bytes(),
        }
    }))
}

/// Keeps a success, and gives the key back after a failure that wrote nothing. After one that wrote, or may have, the key
/// stays claimed: the same request would write again.
async fn finish(
    app: &App,
    record: &Record,
    response: Response,
    has_appended: bool,
) -> Result<Response, Problem> {
    if response.status().is_server_error() && has_appended {
        return Ok(response);
    }
    if !response.status().is_success() {
        app.idempotency.forget(record).await?;
        return Ok(response);
    }
    let holds_token = response
        .headers()
        .get(header::CACHE_CONTROL)
        .is_some_and(|v| v == "no-store");
    if holds_token {
        app.idempotency.complete(record, None).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, ANSWER_BYTES)
        .await
        .map_err(Problem::internal)?;
    let kept = answer_of(parts.status, &parts.headers, &body);
    app.idempotency.complete(record, Some(&kept)).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// The parts of an answer that are kept.
pub fn answer_of(status: StatusCode, headers: &http::HeaderMap, body: &[u8]) -> Answer {
    let kept = [header::CONTENT_TYPE, header::LOCATION, POSITION];
    let headers = kept.iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    Answer {
        status: status.as_u16(),
        headers: headers.collect(),
        body: String::from_utf8_lossy(body).into_owned(),
    }
}

/// The answer as it was, marked as a repetition.
pub fn replay(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    let mark = HeaderName::from_static("idempotency-replayed");
    response
        .headers_mut()
        .insert(mark, HeaderValue::from_static("true"));
    response
}
