//! `POST` and `DELETE /v1/me/email`: asks for another address, and takes that back.

use std::sync::Arc;

use aggregates::values::EmailAddress;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use projections::users::{self, UserRow};
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::app::App;
use crate::email_change;
use crate::http::caller::{RecentSingleFactorCaller, SingleFactorCaller};
use crate::http::extract::{Json, NO_CONTENT};
use crate::http::problem::{FieldError, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::http::sessions::reauthenticate::right_password;

/// Which address, and the proof of who asks.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeEmail)]
pub struct Body {
    /// The address that the account shall have.
    #[schema(max_length = 254)]
    email: String,
    /// The account's password.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
}

/// Asks for another address, in the place of any that was asked for before. A link is mailed to it, and a word to the
/// present one. If another account has the address, the answer is the same, and its owner is told instead. For the
/// account's own address, as long as it is not confirmed, the link to that is mailed once more.
#[utoipa::path(
    post, path = "/v1/me/email", tag = "accounts", operation_id = "change_email", request_body = Body,
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 202, description = "It waits for its confirmation", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "wrong-password, reauthentication-required"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
    security(("bearer" = [])),
)]
pub async fn change(
    State(app): State<Arc<App>>,
    RecentSingleFactorCaller(caller): RecentSingleFactorCaller,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    let email = EmailAddress::parse(&body.email).map_err(|error| {
        Problem::validation(vec![FieldError::new("email", error.code, error.message)])
    })?;
    let row = users::find(&app.database, caller.user_id).await?;
    let claim = app.vault.keyring().email_claim_id(&email);
    let is_unconfirmed = |row: &UserRow| row.email_claim_id == claim && !row.is_email_verified;
    let is_own = row.as_ref().is_some_and(is_unconfirmed);
    right_password(&app, &caller, row, &body.password).await?;
    let (user, acting) = (caller.user_id, caller.acting());
    let position = if is_own {
        email_change::mail_again(&app, user).await?;
        None
    } else {
        email_change::request(&app, user, &email, &acting).await?
    };
    Ok(Written {
        position,
        answer: StatusCode::ACCEPTED,
    })
}

/// Takes back a change of the address. Again, or without one: the same answer.
#[utoipa::path(
    delete, path = "/v1/me/email", tag = "accounts", operation_id = "cancel_email_change",
    responses(
        (status = 204, description = "The address stays", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn cancel(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
) -> Result<impl IntoResponse, Problem> {
    let position = email_change::cancel(&app, caller.user_id, &caller.acting()).await?;
    Ok(Written {
        position,
        answer: NO_CONTENT,
    })
}
