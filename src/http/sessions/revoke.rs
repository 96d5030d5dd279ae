//! `DELETE` of sessions: one, the current one, the others, or all.

use std::sync::Arc;

use aggregates::session::RevokeReason;
use aggregates::values::SessionId;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::show::own;
use crate::app::App;
use crate::http::caller::{Caller, SingleFactorCaller};
use crate::http::extract::{Id, NO_CONTENT, Params};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;
use crate::revocation::{self, RevokeError};

/// Which sessions to end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Selection {
    /// `others`: all but the caller's own. `all`: every one.
    #[param(value_type = String)]
    scope: Scope,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Scope {
    Others,
    All,
}

/// How many sessions ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RevokedCount)]
pub struct RevokedCount {
    /// So many.
    pub revoked: u64,
}

/// Ends one session of the caller. Once answered, no node accepts a token of it. Again: 204.
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "sessions", operation_id = "revoke_session",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204, description = "Ended", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn revoke(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
    Id(id): Id<SessionId>,
) -> Result<impl IntoResponse, Problem> {
    own(&app, &caller, id).await?;
    let reason = if id == caller.session_id {
        RevokeReason::SignedOut
    } else {
        RevokeReason::RevokedByUser
    };
    end(&app, &caller, id, reason).await
}

/// Signs out.
#[utoipa::path(
    delete, path = "/v1/sessions/current", tag = "sessions", operation_id = "revoke_current_session",
    responses(
        (status = 204, description = "Ended", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn revoke_current(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
) -> Result<impl IntoResponse, Problem> {
    end(&app, &caller, caller.session_id, RevokeReason::SignedOut).await
}

async fn end(
    app: &App,
    caller: &Caller,
    id: SessionId,
    reason: RevokeReason,
) -> Result<impl IntoResponse + use<>, Problem> {
    let acting = caller.acting();
    let revoked = revocation::revoke(app, id, reason, &acting, Some(caller.user_id)).await?;
    Ok(Written {
        position: revoked.position,
        answer: NO_CONTENT,
    })
}

/// Ends all of the caller's sessions, or all but this one.
#[utoipa::path(
    delete, path = "/v1/sessions", tag = "sessions", operation_id = "revoke_sessions", params(Selection),
    responses(
        (status = 200, body = RevokedCount, headers(("Gatelog-Position" = u64))),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "malformed-request"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn revoke_many(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
    Params(query): Params<Selection>,
) -> Result<impl IntoResponse, Problem> {
    let (keep, reason) = match query.scope {
        Scope::Others => (Some(caller.session_id), RevokeReason::RevokedOthers),
        Scope::All => (None, RevokeReason::RevokedAll),
    };
    let acting = caller.acting();
    let revoked = revocation::revoke_all(&app, caller.user_id, keep, reason, &acting).await?;
    let answer = axum::Json(RevokedCount {
        revoked: revoked.count,
    });
    Ok(Written {
        position: revoked.position,
        answer,
    })
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::Log(error) => error.into(),
            RevokeError::Database(error) => error.into(),
            RevokeError::Lease(error) => Self::unavailable(error),
        }
    }
}
