//! `POST /v1/admin/users/{id}/erase`: erases an account.

use std::sync::Arc;

use aggregates::user::ErasureReason;
use aggregates::values::UserId;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;

use crate::app::App;
use crate::erasure;
use crate::http::caller::RecentAdmin;
use crate::http::extract::Id;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;

/// Begins the erasure of an account. Once answered, no node accepts a token of it and nothing can stop the erasure; the
/// event `UserErased` says when it is done. Again: the same answer, and nothing is written.
#[utoipa::path(
    post, path = "/v1/admin/users/{id}/erase", tag = "administration", operation_id = "admin_erase_user",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 202, description = "It is being erased", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "last-admin"),
    ),
    security(("bearer" = [])),
)]
pub async fn erase(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(user): Id<UserId>,
) -> Result<impl IntoResponse, Problem> {
    let acting = caller.acting();
    let reason = ErasureReason::ByAdministrator;
    let position = erasure::start(&app, user, reason, &acting).await?;
    Ok(Written {
        position,
        answer: StatusCode::ACCEPTED,
    })
}
