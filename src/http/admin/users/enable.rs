//! `POST /v1/admin/users/{id}/enable`: lets an account in again.

use std::sync::Arc;

use aggregates::values::UserId;
use axum::extract::State;
use axum::response::IntoResponse;

use super::view::{AdminUserView, now};
use crate::administration;
use crate::app::App;
use crate::http::caller::RecentAdmin;
use crate::http::extract::Id;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;

/// Lets an account in again; its former sessions stay ended. Again: the same answer.
#[utoipa::path(
    post, path = "/v1/admin/users/{id}/enable", tag = "administration", operation_id = "admin_enable_user",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = AdminUserView, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn enable(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(user): Id<UserId>,
) -> Result<impl IntoResponse, Problem> {
    let acting = caller.acting();
    let position = administration::enable(&app, user, &acting, caller.user_id).await?;
    let answer = now(&app, user).await?;
    Ok(Written { position, answer })
}
