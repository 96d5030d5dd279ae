//! `GET /v1/admin/users/{id}`: one account.

use std::sync::Arc;

use aggregates::values::UserId;
use axum::extract::State;

use super::view::{AdminUserView, now};
use crate::app::App;
use crate::http::caller::Admin;
use crate::http::extract::Id;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::InlineRead;

/// One account.
#[utoipa::path(
    get, path = "/v1/admin/users/{id}", tag = "administration", operation_id = "admin_show_user",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = AdminUserView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn show(
    State(app): State<Arc<App>>,
    _: Admin,
    _: InlineRead,
    Id(user): Id<UserId>,
) -> Result<axum::Json<AdminUserView>, Problem> {
    now(&app, user).await
}
