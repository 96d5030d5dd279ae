//! `POST /v1/me/totp`: makes a secret for the caller's device, which waits for its confirmation.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use projections::users;
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::NO_STORE;
use crate::app::App;
use crate::http::caller::RecentSingleFactorCaller;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::users::view::view;
use crate::ports::totp::qr_svg;
use crate::second_factor::{self, PENDING_LIFE};

/// A secret, shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = TotpEnrolment)]
pub struct EnrolmentView {
    /// In base 32, to be typed.
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
    /// As authenticator applications read it.
    #[schema(value_type = String)]
    otpauth_uri: Zeroizing<String>,
    /// The same as a picture.
    #[schema(value_type = String)]
    qr_svg: Zeroizing<String>,
    /// Seconds for the confirmation.
    expires_in: i64,
}

/// Makes a secret. It counts for nothing until a code of it is confirmed; a later one takes its place.
#[utoipa::path(
    post, path = "/v1/me/totp", tag = "two-factor", operation_id = "enrol_totp",
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 201, body = EnrolmentView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "reauthentication-required"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "totp-already-enabled"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
    security(("bearer" = [])),
)]
pub async fn enrol(
    State(app): State<Arc<App>>,
    RecentSingleFactorCaller(caller): RecentSingleFactorCaller,
) -> Result<impl IntoResponse, Problem> {
    let secret = second_factor::enrol(&app, caller.user_id).await?;
    let row = users::find(&app.database, caller.user_id).await?;
    let user = view(&app, &row.ok_or_else(Problem::not_found)?).await?;
    let issuer = &app.config.network.service_name;
    let uri = secret
        .otpauth_uri(issuer, &user.email)
        .map_err(Problem::internal)?;
    let enrolment = EnrolmentView {
        secret: secret.base32().map_err(Problem::internal)?,
        qr_svg: qr_svg(&uri).map_err(Problem::internal)?,
        otpauth_uri: uri,
        expires_in: PENDING_LIFE.num_seconds(),
    };
    Ok((StatusCode::CREATED, NO_STORE, axum::Json(enrolment)))
}
