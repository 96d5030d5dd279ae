//! `POST /v1/sessions`: signs in.

use std::sync::Arc;

use aggregates::values::{DeviceName, EmailAddress};
use axum::Extension;
use axum::extract::State;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, header};
use projections::sessions;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::view::{SessionView, view};
use crate::app::{Acting, App};
use crate::http::caller::ClientIp;
use crate::http::edge::RequestId;
use crate::http::extract::Json;
use crate::http::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::http::users::view::{UserView, view as user_view};
use crate::sign_in::{self, Device, NewTokens, SignInError};

/// As much of a `User-Agent` as is kept.
const USER_AGENT_CHARS: usize = 512;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateSession)]
pub struct Body {
    /// The address.
    email: String,
    /// The password.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
    /// A name for the device, for the list of sessions.
    #[schema(min_length = 1, max_length = 100)]
    device_name: Option<String>,
}

/// Tokens, shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub struct TokensView {
    /// 64 hexadecimal characters.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// 64 hexadecimal characters.
    refresh_token: String,
    /// Seconds.
    refresh_expires_in: i64,
}

impl TokensView {
    /// Tokens that were made at `at` for a session that ends at `session_end`, beyond which none is good.
    pub fn new(tokens: &NewTokens, at: DateTime<Utc>, session_end: DateTime<Utc>) -> Self {
        let pair = tokens.pair.clone().ending_by(session_end);
        Self {
            access_token: tokens.access.expose().to_owned(),
            token_type: "Bearer",
            expires_in: (pair.access_expires_at - at).num_seconds(),
            refresh_token: tokens.refresh.expose().to_owned(),
            refresh_expires_in: (pair.refresh_expires_at - at).num_seconds(),
        }
    }
}

/// A new session.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedIn)]
pub struct SignedIn {
    #[serde(flatten)]
    tokens: TokensView,
    session: SessionView,
    user: UserView,
}

/// Signs in.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "sessions", operation_id = "create_session", request_body = Body,
    responses(
        (status = 201, body = SignedIn, headers(("Location" = String), ("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-credentials"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "account-disabled"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    ClientIp(ip): ClientIp,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    let device = Device {
        name: device_name(body.device_name.as_deref())?,
        user_agent: user_agent(&headers),
        ip,
    };
    let email = EmailAddress::parse(&body.email).ok();
    let (proof, user) = sign_in::verify_password(&app, email.as_ref(), body.password).await?;
    let acting = Acting {
        actor: Some(proof.user_id().to_string()),
        request_id: Some(request_id),
    };
    let opened = sign_in::open_session(&app, &proof, &device, &acting).await?;
    app.last_seen.note(opened.session_id);
    let key = app
        .vault
        .person_key(user.user_id)
        .await?
        .ok_or_else(Problem::not_found)?;
    let row = sessions::find(&app.database, opened.session_id).await?;
    let row = row.ok_or_else(|| Problem::internal("the session is not in its read model"))?;
    let signed_in = SignedIn {
        tokens: TokensView::new(&opened.tokens, row.created_at, row.expires_at),
        session: view(&app, &key, &row, opened.session_id)?,
        user: user_view(&app, &user).await?,
    };
    let headers = [
        (
            header::LOCATION,
            format!("/v1/sessions/{}", opened.session_id),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let answer = (StatusCode::CREATED, headers, axum::Json(signed_in));
    Ok(Written {
        position: opened.position,
        answer,
    })
}

fn device_name(text: Option<&str>) -> Result<Option<DeviceName>, Problem> {
    text.map(DeviceName::parse).transpose().map_err(|error| {
        Problem::validation(vec![FieldError::new(
            "device_name",
            error.code,
            error.message,
        )])
    })
}

/// Printable text only, cut to a length that any real browser stays under.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(
        text.chars()
            .filter(|c| !c.is_control())
            .take(USER_AGENT_CHARS)
            .collect(),
    )
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::InvalidCredentials => Self::new(
                Kind::InvalidCredentials,
                "the address and the password do not belong together",
            ),
            SignInError::AccountDisabled => Self::new(
                Kind::AccountDisabled,
                "this account was disabled by an administrator",
            ),
            SignInError::Password(error) => error.into(),
            SignInError::Vault(error) => error.into(),
            SignInError::Database(error) => error.into(),
            SignInError::NoRandomness(error) => Self::internal(error),
            SignInError::Log(error) => error.into(),
            SignInError::Revoke(error) => error.into(),
        }
    }
}
