//! `POST /v1/admin/users/{id}/roles`: what an account may do.

use std::sync::Arc;

use aggregates::values::{Role, UserId};
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{AdminUserView, now};
use crate::administration;
use crate::app::App;
use crate::http::caller::RecentAdmin;
use crate::http::extract::{Id, Json};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;

/// The roles.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeRoles)]
pub struct Body {
    /// All that the account shall have: `admin`, `auditor`, both or none.
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
}

/// Gives an account these roles and no others. Once answered, every node goes by them. Again: the same answer.
#[utoipa::path(
    post, path = "/v1/admin/users/{id}/roles", tag = "administration", operation_id = "admin_change_roles",
    params(("id" = uuid::Uuid, Path)), request_body = Body,
    responses(
        (status = 200, body = AdminUserView, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "last-admin"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
    ),
    security(("bearer" = [])),
)]
pub async fn change(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(user): Id<UserId>,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    let acting = caller.acting();
    let position = administration::change_roles(&app.log, user, &body.roles, &acting).await?;
    let settled = match position {
        Some(position) => position,
        None => app.log.head().await?,
    };
    let settling = app.lease.settle(settled).await;
    settling.map_err(Problem::unavailable)?;
    let answer = now(&app, user).await?;
    Ok(Written { position, answer })
}
