//! `POST /v1/admin/users/{id}/disable`: shuts an account out.

use std::sync::Arc;

use aggregates::user::DisableReason;
use aggregates::values::UserId;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{AdminUserView, now};
use crate::administration;
use crate::app::App;
use crate::http::caller::RecentAdmin;
use crate::http::extract::{Id, OptionalJson};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;

/// Why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DisableUser)]
pub struct Body {
    /// `by_administrator` (default), `compromised` or `abuse`.
    #[schema(value_type = Option<String>)]
    reason: Option<DisableReason>,
}

/// Shuts an account out. Once answered, no node accepts a token of it. Again: the same answer.
#[utoipa::path(
    post, path = "/v1/admin/users/{id}/disable", tag = "administration", operation_id = "admin_disable_user",
    params(("id" = uuid::Uuid, Path)), request_body = Option<Body>,
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
pub async fn disable(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(user): Id<UserId>,
    OptionalJson(body): OptionalJson<Body>,
) -> Result<impl IntoResponse, Problem> {
    let reason = body.reason.unwrap_or(DisableReason::ByAdministrator);
    let acting = caller.acting();
    let position = administration::disable(&app, user, reason, &acting, caller.user_id).await?;
    let answer = now(&app, user).await?;
    Ok(Written { position, answer })
}
