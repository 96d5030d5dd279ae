//! `POST /v1/sessions/current/reauthenticate`: the person proves once more who they are.

use std::sync::Arc;

use aggregates::session::{Session, SessionCommand};
use aggregates::values::AuthMethod;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header;
use projections::users::UserRow;
use projections::{sessions, users};
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::signed_in::TokensView;
use crate::app::{Acting, App};
use crate::http::caller::{Caller, SingleFactorCaller, invalid_token};
use crate::http::extract::Json;
use crate::http::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::ports::clock;
use crate::second_factor::{self, Code};
use crate::sign_in::{self, SignInError};

/// The proof: exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reauthenticate)]
pub struct Body {
    /// The account's password.
    #[schema(value_type = Option<String>)]
    password: Option<Zeroizing<String>>,
    /// Six digits of the second factor's device.
    #[schema(value_type = Option<String>)]
    code: Option<Zeroizing<String>>,
}

/// Proves once more who the caller is: new tokens, and the session's `auth_time` is now. The old tokens die.
#[utoipa::path(
    post, path = "/v1/sessions/current/reauthenticate", tag = "sessions", operation_id = "reauthenticate",
    request_body = Body,
    responses(
        (status = 200, body = TokensView, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token, invalid-code"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "wrong-password"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "totp-not-enabled"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
    security(("bearer" = [])),
)]
pub async fn reauthenticate(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    let acting = caller.acting();
    let auth_method = prove(&app, &caller, body, &acting).await?;
    let session = sessions::find(&app.database, caller.session_id).await?;
    let session = session.ok_or_else(invalid_token)?;
    let at = clock::now();
    let tokens = sign_in::new_tokens(&app.config.tokens, at).map_err(Problem::internal)?;
    let context = acting.command();
    let command = SessionCommand::Reauthenticate {
        auth_method,
        tokens: tokens.pair.clone(),
        most_an_hour: app.config.throttles.refreshes_per_hour,
        at,
    };
    let id = caller.session_id.to_string();
    let outcome = app.log.execute::<Session>(&id, command, &context).await?;
    let settled = outcome.position.unwrap_or_default();
    let settling = app.lease.settle(settled).await;
    settling.map_err(Problem::unavailable)?;
    let answer = TokensView::new(&tokens, at, session.expires_at);
    Ok(Written {
        position: outcome.position,
        answer: ([(header::CACHE_CONTROL, "no-store")], axum::Json(answer)),
    })
}

/// Asks for the password of the caller's own account once more.
///
/// # Errors
/// 403 when it is another one, 429 when too many were tried.
pub async fn right_password(
    app: &App,
    caller: &Caller,
    account: Option<UserRow>,
    password: &str,
) -> Result<(), Problem> {
    let verified = sign_in::verify_again(app, account, caller.session_id, password).await;
    verified.map_err(|error| match error {
        SignInError::InvalidCredentials => {
            Problem::new(Kind::WrongPassword, "the password is another one")
        }
        other => other.into(),
    })?;
    Ok(())
}

async fn prove(
    app: &App,
    caller: &Caller,
    body: Body,
    acting: &Acting,
) -> Result<AuthMethod, Problem> {
    let account = users::find(&app.database, caller.user_id).await?;
    match (body.password, body.code) {
        (Some(password), None) => {
            right_password(app, caller, account, &password).await?;
            Ok(AuthMethod::Password)
        }
        (None, Some(code)) => {
            let account = account.ok_or_else(invalid_token)?;
            let proved = second_factor::prove(app, &account, Code::Totp(code), acting).await?;
            Ok(proved.method())
        }
        (None, None) => Err(wrong("missing", "or code is required")),
        (Some(_), Some(_)) => Err(wrong("ambiguous", "and code exclude each other")),
    }
}

fn wrong(code: &str, message: &str) -> Problem {
    Problem::validation(vec![FieldError::new("password", code, message)])
}
