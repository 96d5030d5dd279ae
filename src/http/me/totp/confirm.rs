//! `POST /v1/me/totp/confirm`: turns the second factor on.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{NO_STORE, RecoveryCodesView, end_others};
use crate::app::App;
use crate::http::caller::SingleFactorCaller;
use crate::http::extract::Json;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;
use crate::second_factor;

/// A code of the device.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfirmTotp)]
pub struct Body {
    /// Six digits.
    #[schema(value_type = String)]
    code: Zeroizing<String>,
    /// Whether every other session of the account ends; false when it is left out.
    #[serde(default)]
    revoke_other_sessions: bool,
}

/// Turns the second factor on, with a code of the secret that waits. The recovery codes are shown once.
#[utoipa::path(
    post, path = "/v1/me/totp/confirm", tag = "two-factor", operation_id = "confirm_totp", request_body = Body,
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 200, body = RecoveryCodesView, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-code"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "totp-already-enabled or totp-not-pending"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
    security(("bearer" = [])),
)]
pub async fn confirm(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    let acting = caller.acting();
    let new = second_factor::confirm(&app, caller.user_id, &body.code, &acting).await?;
    let view = RecoveryCodesView {
        recovery_codes: new.codes,
    };
    let revoke = body.revoke_other_sessions;
    Ok(Written {
        position: end_others(&app, &caller, revoke, new.position).await?,
        answer: (NO_STORE, axum::Json(view)),
    })
}
