//! `DELETE /v1/admin/users/{id}/totp`: for people who lost their device and their recovery codes.

use std::sync::Arc;

use aggregates::session::RevokeReason;
use aggregates::values::UserId;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::find;
use crate::app::App;
use crate::http::caller::RecentAdmin;
use crate::http::extract::{Id, NO_CONTENT, Params};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;
use crate::{revocation, second_factor};

/// What else to do.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Selection {
    /// Whether every session of the account ends as well (default: no).
    #[serde(default)]
    revoke_sessions: bool,
}

/// Turns an account's second factor off: the password alone is enough until another one is enrolled. Again: 204.
#[utoipa::path(
    delete, path = "/v1/admin/users/{id}/totp", tag = "administration", operation_id = "admin_reset_totp",
    params(("id" = uuid::Uuid, Path), Selection),
    responses(
        (status = 204, description = "Off", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden, reauthentication-required, or account-disabled"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn reset(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(user): Id<UserId>,
    Params(query): Params<Selection>,
) -> Result<impl IntoResponse, Problem> {
    let acting = caller.acting();
    let row = find(&app, user).await?;
    let mut position = second_factor::disable(&app.log, &app.vault, &row, &acting).await?;
    if query.revoke_sessions {
        let (reason, by) = (RevokeReason::RevokedByAdmin, Some(caller.user_id));
        let revoked = revocation::revoke_all_by(&app, user, None, reason, &acting, by).await?;
        position = position.max(revoked.position);
    }
    Ok(Written {
        position,
        answer: NO_CONTENT,
    })
}
