//! `/v1/verify`: is this token good? For nginx `auth_request`, Traefik ForwardAuth, Envoy `ext_authz`, Caddy.
//!
//! Answered at the edge, from memory, without a database. It never makes a session look active: last-seen
//! is for the person's own calls. It lies outside of CORS, which would let every `OPTIONS` pass: what a gateway
//! forwards may have any method.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};

use super::caller::bearer;
use super::problem::{Kind, Problem};
use super::{edge, metrics, recognised};
use crate::app::App;
use crate::ports::clock;
use crate::token_check::{FromMemory, Good, LiveToken};

/// What narrows the answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Narrowing {
    role: Option<String>,
    max_auth_age_seconds: Option<i64>,
    max_second_factor_age_seconds: Option<i64>,
}

/// What narrows the answer, if the address is one of those that verify.
pub(super) fn asked(uri: &Uri) -> Option<&str> {
    match uri.path().strip_prefix("/v1/verify")? {
        "" | "/" => Some(uri.query().unwrap_or_default()),
        // The path and the query are those of the request that the gateway asks about.
        below if below.starts_with('/') => Some(""),
        _ => None,
    }
}

/// The answer, if memory has it; `None` sends the request on to the router. A good one has its security headers.
pub(super) fn answer_from_memory(
    app: &App,
    headers: &HeaderMap,
    narrowing: &str,
) -> Option<Result<Response, Problem>> {
    let token = bearer(headers).ok()?;
    let FromMemory::Good(good) = app.tokens.in_memory(token) else {
        return None;
    };
    Some(answer(app, &good, narrowing).inspect_err(count))
}

/// Says whether the bearer token is good, and whose it is.
#[utoipa::path(
    get, path = "/v1/verify", tag = "sessions", operation_id = "verify_token",
    description = "Any method is taken. 204 with the caller in headers when the token is good. A query with any other key is \
                   refused: one that is misspelt must not let everybody in.",
    params(
        ("role" = Option<String>, Query, description = "403 unless the account has this role"),
        ("max_auth_age" = Option<i64>, Query, description = "403 when the last proof of identity is older, in seconds"),
        ("max_second_factor_age" = Option<i64>, Query, description = "403 unless a second factor was proved, and not longer ago, in seconds"),
    ),
    responses(
        (status = 204, description = "Good", headers(
            ("X-Auth-User-Id" = String, description = "UUID"),
            ("X-Auth-Session-Id" = String, description = "UUID"),
            ("X-Auth-Roles" = String, description = "Comma-separated"),
            ("X-Auth-Methods" = String, description = "Comma-separated: every way in which the person proved who they are in this session"),
            ("X-Auth-Time" = String, description = "RFC 3339: the last proof, in whichever way"),
            ("X-Auth-Second-Factor-Time" = String, description = "RFC 3339: the last proof by a second factor; only if there was one"),
        )),
        (status = 400, body = super::problem::ProblemBody, content_type = "application/problem+json", description = "malformed-request, token-in-url"),
        (status = 401, body = super::problem::ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = super::problem::ProblemBody, content_type = "application/problem+json", description = "forbidden, reauthentication-required, second-factor-required"),
    ),
    security(("bearer" = [])),
)]
pub async fn verify(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let good = presented(&app, request.headers(), request.extensions()).await;
    let answered =
        good.and_then(|good| answer(&app, &good, asked(request.uri()).unwrap_or_default()));
    answered.inspect_err(count)
}

async fn presented(
    app: &App,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Good, Problem> {
    recognised::good(app, extensions, bearer(headers)?).await
}

/// A refusal from memory has no other trace: at the pace of the hot path a line each would be too much.
fn count(problem: &Problem) {
    metrics::verify_refusal(problem.kind.slug());
}

/// As `/v1/verify`, for gateways that put the path of the request that they ask about behind it.
#[utoipa::path(
    get, path = "/v1/verify/{path}", tag = "sessions", operation_id = "verify_token_for_path",
    description = "Any method and any path is taken, as Envoy's `path_prefix` sends them; neither the path nor the query narrows \
                   the answer, which is that of `/v1/verify`.",
    params(("path" = String, Path, description = "The path that is asked about, of as many segments as it has")),
    responses(
        (status = 204, description = "Good, with the headers of `/v1/verify`"),
        (status = 401, body = super::problem::ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = super::problem::ProblemBody, content_type = "application/problem+json", description = "reauthentication-required, second-factor-required"),
    ),
    security(("bearer" = [])),
)]
pub async fn verify_below(app: State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    verify(app, request).await
}

fn answer(app: &App, good: &Good, query: &str) -> Result<Response, Problem> {
    good.require_second_factor(app.config.tokens.second_factor_required_for)?;
    if !query.is_empty() {
        narrowing(query).and_then(|wanted| check(good, &wanted, clock::now()))?;
    }
    let token = &good.token;
    let mut headers = token.verify_headers.get_or_init(|| template(token)).clone();
    headers.insert(ROLES, good.account.roles_header.clone());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    Ok(response)
}

const ROLES: HeaderName = HeaderName::from_static("x-auth-roles");

/// Every header of a good answer; the roles and the request's identifier are put in their places in a copy of it, which
/// costs less than to put together a dozen headers each time.
fn template(token: &LiveToken) -> HeaderMap {
    let methods: Vec<&str> = token
        .auth_methods
        .iter()
        .map(|method| method.as_str())
        .collect();
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let later = String::new();
    let values = [
        (
            HeaderName::from_static("x-auth-user-id"),
            token.user_id.to_string(),
        ),
        (
            HeaderName::from_static("x-auth-session-id"),
            token.session_id.to_string(),
        ),
        (ROLES, later.clone()),
        (HeaderName::from_static("x-auth-methods"), methods.join(",")),
        (
            HeaderName::from_static("x-auth-time"),
            time(token.auth_time),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (edge::REQUEST_ID, later),
    ];
    // Identifiers, names and times are plain ASCII, so each is a header's value.
    let value_of =
        |(name, text): (HeaderName, String)| Some((name, HeaderValue::try_from(text).ok()?));
    let second_factor = token.second_factor_at.map(|at| {
        let name = HeaderName::from_static("x-auth-second-factor-time");
        (name, time(at))
    });
    let values = values.into_iter().chain(second_factor);
    let mut headers: HeaderMap = values.filter_map(value_of).collect();
    edge::secure(&mut headers);
    headers
}

fn narrowing(query: &str) -> Result<Narrowing, Problem> {
    let seconds = |key: &str, value: &str| match value.parse::<u32>() {
        Ok(seconds) => Ok(Some(i64::from(seconds))),
        Err(_) => Err(malformed(format!(
            "{key} must be a whole number of seconds"
        ))),
    };
    let mut wanted = Narrowing::default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "role" => wanted.role = Some(value.into_owned()),
            "max_auth_age" => wanted.max_auth_age_seconds = seconds(&key, &value)?,
            "max_second_factor_age" => {
                wanted.max_second_factor_age_seconds = seconds(&key, &value)?;
            }
            "access_token" | "token" => return Err(super::caller::token_in_url()),
            // Whoever asks for more than is understood must not be told that all is well.
            _ => return Err(malformed(format!("the query {UNDERSTOOD}"))),
        }
    }
    Ok(wanted)
}

const UNDERSTOOD: &str =
    "may have the keys role, max_auth_age and max_second_factor_age, and no others";

fn malformed(detail: String) -> Problem {
    Problem::new(Kind::MalformedRequest, detail)
}

fn check(good: &Good, wanted: &Narrowing, now: DateTime<Utc>) -> Result<(), Problem> {
    if let Some(role) = &wanted.role
        && !good.account.roles.iter().any(|held| held.as_str() == role)
    {
        return Err(Problem::new(
            Kind::Forbidden,
            "the account does not have the role asked for",
        ));
    }
    let is_older = |at: DateTime<Utc>, most: i64| (now - at).num_seconds() > most;
    let stale = |detail| Err(Problem::new(Kind::ReauthenticationRequired, detail));
    if let Some(most) = wanted.max_auth_age_seconds
        && is_older(good.token.auth_time, most)
    {
        return stale("the last proof of identity is older than asked for");
    }
    let second_factor_at = good.token.second_factor_at;
    if let Some(most) = wanted.max_second_factor_age_seconds
        && second_factor_at.is_none_or(|at| is_older(at, most))
    {
        return stale("there is no proof by a second factor as new as asked for");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_narrows_and_may_ask_for_nothing_that_is_not_understood() {
        let wanted = narrowing("role=auditor&max_auth_age=60&max_second_factor_age=5").unwrap();
        let expected = Narrowing {
            role: Some("auditor".to_owned()),
            max_auth_age_seconds: Some(60),
            max_second_factor_age_seconds: Some(5),
        };
        assert_eq!(wanted, expected);
        for bad in [
            "max_auth_age=-1",
            "max_auth_age=x",
            "max_auth_age=",
            "max_second_factor_age=1.5",
            "roles=admin",
            "max_age=60",
            "role=admin&Role=admin",
            "=",
            "x",
        ] {
            assert_eq!(
                narrowing(bad).unwrap_err().kind,
                Kind::MalformedRequest,
                "{bad}"
            );
        }
        assert_eq!(
            narrowing("access_token=abc").unwrap_err().kind,
            Kind::TokenInUrl
        );
    }

    #[test]
    fn only_the_exact_path_narrows_be_it_with_a_slash() {
        let of = |text: &str| asked(&text.parse().unwrap()).map(str::to_owned);
        for exact in ["/v1/verify?roles=admin", "/v1/verify/?roles=admin"] {
            assert_eq!(of(exact).as_deref(), Some("roles=admin"), "{exact}");
        }
        assert_eq!(of("/v1/verify/x?roles=admin").as_deref(), Some(""));
        assert_eq!(of("/v1/verify//?roles=admin").as_deref(), Some(""));
        assert_eq!(of("/v1/verifyx"), None);
    }
}
