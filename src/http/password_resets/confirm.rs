//! `POST /v1/password-resets/confirm`: sets a new password with a link that was mailed.

use std::sync::Arc;

use aggregates::values::Password;
use axum::Extension;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::app::{Acting, App};
use crate::http::caller::ClientIp;
use crate::http::edge::RequestId;
use crate::http::email_confirmations::create::expired_or_used;
use crate::http::extract::{Json, NO_CONTENT};
use crate::http::me::password::{check_rules, guessable};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;
use crate::password_reset::{self, PasswordResetError};
use crate::throttle::{self, Scope};

/// The link's token and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfirmPasswordReset)]
pub struct Body {
    /// From the link: 64 hexadecimal characters.
    #[schema(value_type = String)]
    token: Zeroizing<String>,
    /// By the rules of `GET /v1/config`.
    #[schema(value_type = String)]
    new_password: Zeroizing<String>,
}

/// Sets a new password. Once answered, no node accepts a token of any session of the account. Signing in afterwards asks
/// for the second factor as before. A password that breaks a rule leaves the link good.
#[utoipa::path(
    post, path = "/v1/password-resets/confirm", tag = "accounts", operation_id = "confirm_password_reset",
    request_body = Body,
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 204, description = "Reset", headers(("Gatelog-Position" = u64))),
        (status = 410, body = ProblemBody, content_type = "application/problem+json", description = "token-expired-or-used"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
)]
pub async fn confirm(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    ClientIp(ip): ClientIp,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    throttle::charge_anonymous(&app, Scope::MailedToken, ip).await?;
    let link = password_reset::find(&app, &body.token).await?;
    let new = Password::new(&body.new_password);
    let identity = check_rules(&app, &link.row, &new).await?;
    if app.passwords.is_guessable(&new, identity).await? {
        return Err(guessable());
    }
    let acting = Acting::person(link.row.user_id, request_id);
    let position = password_reset::reset(&app, &link, new, &acting).await?;
    Ok(Written {
        position,
        answer: NO_CONTENT,
    })
}

impl From<PasswordResetError> for Problem {
    fn from(error: PasswordResetError) -> Self {
        match error {
            PasswordResetError::ExpiredOrUsed => expired_or_used(),
            PasswordResetError::Password(error) => error.into(),
            PasswordResetError::Vault(error) => error.into(),
            PasswordResetError::Database(error) => error.into(),
            PasswordResetError::Log(error) => error.into(),
            PasswordResetError::Sessions(error) => error.into(),
        }
    }
}
