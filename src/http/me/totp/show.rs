//! `GET /v1/me/totp`: whether the caller has a second factor.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use projections::users;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::SingleFactorCaller;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::InlineRead;

/// The caller's second factor.
#[derive(Serialize, ToSchema)]
#[schema(as = Totp)]
pub struct TotpView {
    /// Whether it is on.
    enabled: bool,
    /// Since when.
    enabled_at: Option<DateTime<Utc>>,
    /// Recovery codes that were not used yet.
    recovery_codes_left: u32,
}

/// The caller's second factor.
#[utoipa::path(
    get, path = "/v1/me/totp", tag = "two-factor", operation_id = "show_totp",
    responses(
        (status = 200, body = TotpView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn show(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
    _: InlineRead,
) -> Result<axum::Json<TotpView>, Problem> {
    let row = users::find(&app.database, caller.user_id).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(TotpView {
        enabled: row.totp_id.is_some(),
        enabled_at: row.totp_enabled_at,
        recovery_codes_left: row.recovery_codes_left,
    }))
}
