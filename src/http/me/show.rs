//! `GET /v1/me`: the caller's own account.

use std::sync::Arc;

use axum::extract::State;
use projections::users;

use crate::app::App;
use crate::http::caller::SingleFactorCaller;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::InlineRead;
use crate::http::users::view::{UserView, view};

/// The caller's own account.
#[utoipa::path(
    get, path = "/v1/me", tag = "accounts", operation_id = "show_me",
    responses(
        (status = 200, body = UserView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn show(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
    _: InlineRead,
) -> Result<axum::Json<UserView>, Problem> {
    let row = users::find(&app.database, caller.user_id)
        .await?
        .ok_or_else(Problem::not_found)?;
    Ok(axum::Json(view(&app, &row).await?))
}
