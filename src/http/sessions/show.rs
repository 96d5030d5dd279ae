//! `GET /v1/sessions/{id}` and `/v1/sessions/current`: one session of the caller.

use std::sync::Arc;

use aggregates::values::SessionId;
use axum::extract::State;
use projections::sessions::{self, SessionRow};

use super::view::{SessionView, view};
use crate::app::App;
use crate::http::caller::{Caller, SingleFactorCaller};
use crate::http::extract::Id;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::InlineRead;

/// One session of the caller.
#[utoipa::path(
    get, path = "/v1/sessions/{id}", tag = "sessions", operation_id = "show_session",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = SessionView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn show(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
    _: InlineRead,
    Id(id): Id<SessionId>,
) -> Result<axum::Json<SessionView>, Problem> {
    shown(&app, &caller, id).await
}

/// The session that asks.
#[utoipa::path(
    get, path = "/v1/sessions/current", tag = "sessions", operation_id = "show_current_session",
    responses(
        (status = 200, body = SessionView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn show_current(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
    _: InlineRead,
) -> Result<axum::Json<SessionView>, Problem> {
    shown(&app, &caller, caller.session_id).await
}

async fn shown(
    app: &App,
    caller: &Caller,
    id: SessionId,
) -> Result<axum::Json<SessionView>, Problem> {
    let row = own(app, caller, id).await?;
    let key = app
        .vault
        .person_key(caller.user_id)
        .await?
        .ok_or_else(Problem::not_found)?;
    Ok(axum::Json(view(app, &key, &row, caller.session_id)?))
}

/// A session of the caller; another person's is not found.
pub(super) async fn own(app: &App, caller: &Caller, id: SessionId) -> Result<SessionRow, Problem> {
    let row = sessions::find(&app.database, id).await?;
    row.filter(|row| row.user_id == caller.user_id)
        .ok_or_else(Problem::not_found)
}
