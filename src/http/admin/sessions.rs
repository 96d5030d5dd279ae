//! `POST /v1/admin/sessions/revoke-all`: ends the sessions of everybody.

use std::sync::Arc;

use aggregates::values::UserId;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::{Acting, App};
use crate::http::caller::RecentAdmin;
use crate::http::extract::OptionalJson;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;
use crate::http::sessions::revoke::RevokedCount;
use crate::revocation::{self, Kept, RevokeError, Revoked};

/// What goes on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RevokeAllSessions)]
pub struct Body {
    /// Whether the session that the call is made in goes on; by default it ends as well.
    keep_current: Option<bool>,
}

/// Ends every session of every account, such as when tokens may have leaked. Once answered, no node accepts a token of a
/// session that had begun before the call; whoever signs in meanwhile may have to do so once more. Each end is an event
/// with the administrator. Service keys and signed links are not touched.
///
/// Many sessions take a while (some thousand a second): the call goes on to its end when its client leaves or is told 503,
/// and the same call again ends what is left and counts that.
#[utoipa::path(
    post, path = "/v1/admin/sessions/revoke-all", tag = "administration", operation_id = "admin_revoke_all_sessions",
    request_body = Option<Body>,
    responses(
        (status = 200, body = RevokedCount, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "unavailable or overloaded"),
    ),
    security(("bearer" = [])),
)]
pub async fn revoke_all(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    OptionalJson(body): OptionalJson<Body>,
) -> Result<impl IntoResponse, Problem> {
    let kept = if body.keep_current == Some(true) {
        Kept::Session(caller.session_id)
    } else {
        Kept::Nothing
    };
    let (keeper, acting, by) = (Arc::clone(&app), caller.acting(), caller.user_id);
    let task = app
        .finishing
        .spawn(async move { end_all(&keeper, kept, &acting, by).await });
    let revoked = task.await.map_err(Problem::internal)??;
    let answer = axum::Json(RevokedCount {
        revoked: revoked.count,
    });
    Ok(Written {
        position: revoked.position,
        answer,
    })
}

async fn end_all(
    app: &App,
    kept: Kept,
    acting: &Acting,
    by: UserId,
) -> Result<Revoked, RevokeError> {
    let (log, database) = (&app.log, &app.database);
    let revoked = revocation::revoke_everywhere(log, database, kept, acting, Some(by)).await?;
    // A call before this one may have been cut off before it had settled.
    app.lease.settle(app.log.head().await?).await?;
    Ok(revoked)
}
