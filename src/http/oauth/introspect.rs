//! `POST /v1/oauth/introspect`: what a token is good for (RFC 7662).

use std::sync::Arc;

use aggregates::service_key::ServiceKeyScope;
use aggregates::values::{AuthMethod, Role, TokenHash};
use axum::extract::State;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use http::header;
use projections::sessions::SessionRow;
use projections::{sessions, users};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::client::Client;
use super::form::TokenForm;
use crate::app::App;
use crate::http::problem::{Problem, ProblemBody};
use crate::ports::{clock, ids};
use crate::second_factor::demand::Standing;
use crate::token_check::is_well_formed;

/// The form (RFC 7662, section 2.1).
#[derive(ToSchema)]
#[schema(as = IntrospectToken)]
#[expect(
    dead_code,
    reason = "only for the document; the form is parsed by hand"
)]
pub struct Body {
    /// An access or a refresh token.
    token: String,
    /// `access_token` or `refresh_token`; either kind is found without it.
    token_type_hint: Option<String>,
}

/// What a token is good for. Of one that is not good only `active` is told.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Introspection)]
pub struct Introspection {
    /// Whether the token is good now.
    active: bool,
    #[serde(flatten)]
    facts: Option<Facts>,
}

/// Of a good token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IntrospectionFacts)]
pub struct Facts {
    /// `Bearer` of an access token; `refresh_token` of a refresh token, which is no proof for any call but a refresh.
    #[schema(value_type = String)]
    token_type: TokenType,
    /// The server that issued it.
    iss: String,
    /// The account.
    sub: Uuid,
    /// The session.
    sid: Uuid,
    /// The token's end, in seconds since the epoch.
    exp: i64,
    /// When it was issued, likewise, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// When the person last proved who they are, likewise, in whichever way.
    auth_time: i64,
    /// When they last did by a second factor, likewise, if ever in this session. Once the password alone was proved anew
    /// this is older than `auth_time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    gatelog_second_factor_time: Option<i64>,
    /// How, at the session's beginning and since (RFC 8176): `pwd`, `otp`, `recovery_code`; and `mfa` for more than one of them.
    amr: Vec<&'static str>,
    /// What the account may do.
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum TokenType {
    Bearer,
    #[serde(rename = "refresh_token")]
    RefreshToken,
}

/// Says what a token is good for. Needs a service key with the scope `introspect`.
#[utoipa::path(
    post, path = "/v1/oauth/introspect", tag = "sessions", operation_id = "introspect_token",
    request_body(content = Body, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = Introspection),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "malformed-request, with `error` `invalid_request`"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-client or invalid-token, with `error` `invalid_client` or `invalid_token`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden, with `error` `insufficient_scope`"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "unsupported-media-type"),
    ),
    security(("service_key_bearer" = []), ("service_key_basic" = [])),
)]
pub async fn introspect(
    State(app): State<Arc<App>>,
    client: Client,
    form: TokenForm,
) -> Result<impl IntoResponse, Problem> {
    client.require(ServiceKeyScope::Introspect)?;
    let facts = facts(&app, &form.token, clock::now()).await?;
    let answer = Introspection {
        active: facts.is_some(),
        facts,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(answer)))
}

/// `None` unless the token is good, and has the second factor that its account must have. Read from the database, whose word is the same on every node.
async fn facts(app: &App, token: &str, now: DateTime<Utc>) -> Result<Option<Facts>, Problem> {
    let Some((session, token_type)) = find(app, token).await? else {
        return Ok(None);
    };
    let Some(user) = users::find(&app.database, session.user_id).await? else {
        return Ok(None);
    };
    let end = match token_type {
        TokenType::Bearer => session.access_expires_at,
        TokenType::RefreshToken => session.refresh_expires_at,
    };
    let end = end.min(session.expires_at);
    let standing = Standing {
        roles: &user.roles,
        has_second_factor: user.totp_id.is_some(),
        is_proved: session.second_factor_at.is_some(),
    };
    let required_for = app.config.tokens.second_factor_required_for;
    if end <= now || user.is_disabled || standing.require(required_for).is_err() {
        return Ok(None);
    }
    Ok(Some(Facts {
        token_type,
        iss: app.config.network.public_url.clone(),
        sub: session.user_id.into(),
        sid: session.session_id.into(),
        exp: end.timestamp(),
        iat: session.tokens_issued_at.map(|at| at.timestamp()),
        auth_time: session.auth_time.timestamp(),
        gatelog_second_factor_time: session.second_factor_at.map(|at| at.timestamp()),
        amr: amr(&session.auth_methods),
        roles: user.roles,
    }))
}

/// The session, not ended, that a token belongs to.
async fn find(app: &App, token: &str) -> Result<Option<(SessionRow, TokenType)>, Problem> {
    if !is_well_formed(token) {
        return Ok(None);
    }
    let (database, hash) = (
        &app.database,
        TokenHash::from_bytes(ids::token_digest(token)),
    );
    if let Some(session) = sessions::find_by_access_token(database, &hash).await? {
        return Ok(Some((session, TokenType::Bearer)));
    }
    let session = sessions::find_by_refresh_token(database, &hash).await?;
    Ok(session.map(|session| (session, TokenType::RefreshToken)))
}

/// As [`find`], the session alone.
pub(super) async fn session_of(app: &App, token: &str) -> Result<Option<SessionRow>, Problem> {
    Ok(find(app, token).await?.map(|(session, _)| session))
}

fn amr(methods: &[AuthMethod]) -> Vec<&'static str> {
    let name = |method: &AuthMethod| match method {
        AuthMethod::Password => "pwd",
        AuthMethod::Totp => "otp",
        AuthMethod::RecoveryCode => "recovery_code",
    };
    let mut names: Vec<_> = methods.iter().map(name).collect();
    if names.len() > 1 {
        names.push("mfa");
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_token_that_is_not_good_only_that_is_told() {
        let text = serde_json::to_string(&Introspection::default()).unwrap();
        assert_eq!(text, r#"{"active":false}"#);
    }

    #[test]
    fn methods_have_their_registered_names() {
        assert_eq!(amr(&[AuthMethod::Password]), ["pwd"]);
        let both = [AuthMethod::Password, AuthMethod::Totp];
        assert_eq!(amr(&both), ["pwd", "otp", "mfa"]);
    }
}
