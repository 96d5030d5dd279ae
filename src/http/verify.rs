//! `/v1/verify`: is this token good? For nginx `auth_request`, Traefik ForwardAuth, Envoy `ext_authz`, Caddy.
//!
//! Answered at the edge, from memory, without a database. It never makes a session look active: last-seen
//! is for the person's own calls.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue, StatusCode, header};
use std::sync::Arc;

use super::caller::bearer;
use super::problem::{Kind, Problem};
use crate::app::App;
use crate::ports::clock;
use crate::token_check::{FromMemory, Good};

/// What narrows the answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Narrowing {
    role: Option<String>,
    max_auth_age_seconds: Option<i64>,
}

/// The answer, if memory has it; `None` sends the request on to [`verify`].
pub(super) fn answer_from_memory(app: &App, request: &Request) -> Option<Response> {
    let token = bearer(request.headers()).ok()?;
    let FromMemory::Good(good) = app.tokens.in_memory(token) else {
        return None;
    };
    Some(answer(&good, request.uri().query().unwrap_or_default()))
}

/// Says whether the bearer token is good, and whose it is.
#[utoipa::path(
    get, path = "/v1/verify", tag = "sessions", operation_id = "verify_token",
    description = "Any method is taken. 204 with the caller in headers when the token is good.",
    params(
        ("role" = Option<String>, Query, description = "403 unless the account has this role"),
        ("max_auth_age" = Option<i64>, Query, description = "403 when the last proof of identity is older, in seconds"),
    ),
    responses(
        (status = 204, description = "Good", headers(
            ("X-Auth-User-Id" = String, description = "UUID"),
            ("X-Auth-Session-Id" = String, description = "UUID"),
            ("X-Auth-Roles" = String, description = "Comma-separated"),
            ("X-Auth-Methods" = String, description = "Comma-separated"),
            ("X-Auth-Time" = String, description = "RFC 3339"),
        )),
        (status = 401, body = super::problem::ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = super::problem::ProblemBody, content_type = "application/problem+json", description = "forbidden, reauthentication-required"),
    ),
    security(("bearer" = [])),
)]
pub async fn verify(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let token = bearer(request.headers())?;
    let good = app
        .tokens
        .check(token)
        .await?
        .ok_or_else(super::caller::invalid_token)?;
    Ok(answer(&good, request.uri().query().unwrap_or_default()))
}

fn answer(good: &Good, query: &str) -> Response {
    if !query.is_empty() {
        let refused = narrowing(query).and_then(|wanted| check(good, &wanted, clock::now()));
        if let Err(problem) = refused {
            return problem.into_response();
        }
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.reserve(12);
    let values = &good.token.headers;
    headers.insert(
        HeaderName::from_static("x-auth-user-id"),
        values.user_id.clone(),
    );
    headers.insert(
        HeaderName::from_static("x-auth-session-id"),
        values.session_id.clone(),
    );
    headers.insert(
        HeaderName::from_static("x-auth-roles"),
        good.account.roles_header.clone(),
    );
    headers.insert(
        HeaderName::from_static("x-auth-methods"),
        values.methods.clone(),
    );
    headers.insert(HeaderName::from_static("x-auth-time"), values.time.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn narrowing(query: &str) -> Result<Narrowing, Problem> {
    let bad = || {
        Problem::new(
            Kind::MalformedRequest,
            "max_auth_age must be a whole number of seconds",
        )
    };
    let mut wanted = Narrowing::default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "role" => wanted.role = Some(value.into_owned()),
            "max_auth_age" => {
                let seconds = value.parse::<u32>().map_err(|_| bad())?;
                wanted.max_auth_age_seconds = Some(i64::from(seconds));
            }
            "access_token" | "token" => return Err(super::caller::token_in_url()),
            _ => {}
        }
    }
    Ok(wanted)
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
    let age = (now - good.token.auth_time).num_seconds();
    match wanted.max_auth_age_seconds {
        Some(most) if age > most => Err(Problem::new(
            Kind::ReauthenticationRequired,
            "the last proof of identity is older than asked for",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_narrows_and_its_other_keys_are_the_gateways_own() {
        let wanted = narrowing("role=auditor&max_auth_age=60&x=1").unwrap();
        let expected = Narrowing {
            role: Some("auditor".to_owned()),
            max_auth_age_seconds: Some(60),
        };
        assert_eq!(wanted, expected);
        for bad in ["max_auth_age=-1", "max_auth_age=x", "max_auth_age="] {
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
}
