//! `POST /v1/password-resets`: mails a link to who forgot their password.

use std::sync::Arc;

use aggregates::values::EmailAddress;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::ClientIp;
use crate::http::extract::Json;
use crate::http::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::mail::requests::{self, Request};
use crate::ports::clock;
use crate::throttle::{self, Scope};

/// Whose password was forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreatePasswordReset)]
pub struct Body {
    /// The address of the account.
    #[schema(max_length = 254)]
    email: String,
}

/// Asks for a new password. The answer is the same whether there is such an account, and takes the same time: what is to
/// be done is looked up afterwards.
#[utoipa::path(
    post, path = "/v1/password-resets", tag = "accounts", operation_id = "create_password_reset", request_body = Body,
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 202, description = "If there is such an account, a link is mailed to it"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "overloaded"),
    ),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    ClientIp(ip): ClientIp,
    Json(body): Json<Body>,
) -> Result<StatusCode, Problem> {
    let email = EmailAddress::parse(&body.email).map_err(|error| {
        Problem::validation(vec![FieldError::new("email", error.code, error.message)])
    })?;
    throttle::charge_anonymous(&app, Scope::PasswordReset, ip).await?;
    let request = Request::PasswordReset {
        email: email.as_str().to_owned(),
    };
    accept(&app, &request).await
}

/// Writes a request down, to be answered by mail: 202, whatever becomes of it.
///
/// # Errors
/// 503 when too many wait, whatever the address is.
pub async fn accept(app: &App, request: &Request) -> Result<StatusCode, Problem> {
    if requests::put(app, request, clock::now()).await? {
        return Ok(StatusCode::ACCEPTED);
    }
    Err(Problem::new(
        Kind::Overloaded,
        "too many requests wait for their mail",
    ))
}
