//! `PUT /v1/me/password`: changes the caller's password.

use std::sync::Arc;

use aggregates::values::{Password, PasswordFailure};
use axum::extract::State;
use axum::response::IntoResponse;
use projections::users::{self, UserRow};
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::app::App;
use crate::http::caller::SingleFactorCaller;
use crate::http::extract::{Json, NO_CONTENT};
use crate::http::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::http::users::view::view;
use crate::password_change::{self, PasswordChange, PasswordChangeError};
use crate::ports::passwords::broken_rules;

/// Which password shall take the place of which.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangePassword)]
pub struct Body {
    /// The password that the account has.
    #[schema(value_type = String)]
    current_password: Zeroizing<String>,
    /// By the rules of `GET /v1/config`.
    #[schema(value_type = String)]
    new_password: Zeroizing<String>,
    /// Whether every session but this one ends.
    #[serde(default = "yes")]
    #[schema(default = true)]
    revoke_other_sessions: bool,
}

fn yes() -> bool {
    true
}

/// Changes the caller's password. Once answered, no node accepts a token of the sessions that ended.
#[utoipa::path(
    put, path = "/v1/me/password", tag = "accounts", operation_id = "change_password", request_body = Body,
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 204, description = "Changed", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "wrong-password"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
    security(("bearer" = [])),
)]
pub async fn change(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    let new = Password::new(&body.new_password);
    let row = users::find(&app.database, caller.user_id).await?;
    let identity = check_rules(&app, &row.ok_or_else(Problem::not_found)?, &new).await?;
    let change = PasswordChange {
        user: caller.user_id,
        session: caller.session_id,
        current: body.current_password,
        new,
        identity,
        end_other_sessions: body.revoke_other_sessions,
    };
    let acting = caller.acting();
    let position = password_change::change(&app, change, &acting).await?;
    Ok(Written {
        position,
        answer: NO_CONTENT,
    })
}

/// Whether a new password keeps the rules that cost nothing to check; the person's address and name.
///
/// # Errors
/// 422 that names every rule that it breaks.
pub async fn check_rules(app: &App, row: &UserRow, new: &Password) -> Result<Vec<String>, Problem> {
    let user = view(app, row).await?;
    let identity: Vec<String> = std::iter::once(user.email).chain(user.name).collect();
    let failures = broken_rules(&app.config.passwords.policy, new, &identity);
    if failures.is_empty() {
        return Ok(identity);
    }
    Err(broken(&failures))
}

/// 422 that says that a new password is easily guessed.
pub fn guessable() -> Problem {
    broken(&[PasswordFailure::TooCommon])
}

fn broken(failures: &[PasswordFailure]) -> Problem {
    let errors = failures
        .iter()
        .map(|failure| FieldError::new("new_password", failure.code(), failure.message()));
    Problem::validation(errors.collect())
}

impl From<PasswordChangeError> for Problem {
    fn from(error: PasswordChangeError) -> Self {
        match error {
            PasswordChangeError::WrongPassword => {
                Self::new(Kind::WrongPassword, "the current password is another one")
            }
            PasswordChangeError::Guessable => guessable(),
            PasswordChangeError::Verifying(error) => error.into(),
            PasswordChangeError::Password(error) => error.into(),
            PasswordChangeError::Vault(error) => error.into(),
            PasswordChangeError::Log(error) => error.into(),
            PasswordChangeError::Sessions(error) => error.into(),
        }
    }
}
