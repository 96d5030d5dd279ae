//! `GET` and `DELETE /v1/admin/users/{id}/sessions`.

use std::sync::Arc;

use aggregates::session::RevokeReason;
use aggregates::values::UserId;
use axum::extract::State;
use axum::response::IntoResponse;

use super::view::find;
use crate::app::App;
use crate::http::caller::{Admin, RecentAdmin};
use crate::http::extract::{Id, Params};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{InlineRead, Written};
use crate::http::sessions::list::{Selection, SessionPage, page};
use crate::http::sessions::revoke::RevokedCount;
use crate::revocation;

/// An account's sessions, newest first.
#[utoipa::path(
    get, path = "/v1/admin/users/{id}/sessions", tag = "administration", operation_id = "admin_list_sessions",
    params(("id" = uuid::Uuid, Path), Selection),
    responses(
        (status = 200, body = SessionPage),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    _: InlineRead,
    Id(user): Id<UserId>,
    Params(query): Params<Selection>,
) -> Result<axum::Json<SessionPage>, Problem> {
    find(&app, user).await?;
    page(&app, user, caller.session_id, query).await
}

/// Ends every session of an account. Once answered, no node accepts a token of them.
#[utoipa::path(
    delete, path = "/v1/admin/users/{id}/sessions", tag = "administration", operation_id = "admin_revoke_sessions",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = RevokedCount, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn revoke(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(user): Id<UserId>,
) -> Result<impl IntoResponse, Problem> {
    find(&app, user).await?;
    let acting = caller.acting();
    let (reason, by) = (RevokeReason::RevokedByAdmin, Some(caller.user_id));
    let revoked = revocation::revoke_all_by(&app, user, None, reason, &acting, by).await?;
    let answer = axum::Json(RevokedCount {
        revoked: revoked.count,
    });
    Ok(Written {
        position: revoked.position,
        answer,
    })
}
