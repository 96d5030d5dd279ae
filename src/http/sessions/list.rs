//! `GET /v1/sessions`: the caller's sessions.

use std::sync::Arc;

use aggregates::values::{SessionId, UserId};
use axum::extract::State;
use projections::sessions::{self, State as SessionState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::view::{SessionView, view};
use crate::app::App;
use crate::http::caller::SingleFactorCaller;
use crate::http::extract::{Paging, Params, encode_cursor};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::InlineRead;
use crate::ports::clock;

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Selection {
    /// `active` (default) or `ended`; what ended is listed for a time that the server sets.
    #[param(value_type = Option<String>)]
    state: Option<StateName>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u32>,
    /// Where the page before ended; opaque.
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateName {
    Active,
    Ended,
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionPage)]
pub struct SessionPage {
    items: Vec<SessionView>,
    next_cursor: Option<String>,
}

/// The caller's sessions, newest first; the caller's own is marked `current`.
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sessions", operation_id = "list_sessions", params(Selection),
    responses(
        (status = 200, body = SessionPage),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
    _: InlineRead,
    Params(query): Params<Selection>,
) -> Result<axum::Json<SessionPage>, Problem> {
    page(&app, caller.user_id, caller.session_id, query).await
}

/// A page of somebody's sessions, as the holder of `current` sees them.
///
/// # Errors
/// A parameter is not of its form, or a part failed.
pub async fn page(
    app: &App,
    user: UserId,
    current: SessionId,
    query: Selection,
) -> Result<axum::Json<SessionPage>, Problem> {
    let state = match query.state {
        Some(StateName::Ended) => SessionState::Ended,
        Some(StateName::Active) | None => SessionState::Active,
    };
    let paging = Paging {
        limit: query.limit,
        cursor: query.cursor,
    };
    let (limit, cursor) = (paging.limit()?, paging.cursor()?);
    let page = sessions::list(&app.database, user, state, clock::now(), &cursor, limit).await?;
    let key = app
        .vault
        .person_key(user)
        .await?
        .ok_or_else(Problem::not_found)?;
    let items = page.items.iter().map(|row| view(app, &key, row, current));
    Ok(axum::Json(SessionPage {
        items: items.collect::<Result<_, _>>()?,
        next_cursor: page.next.as_ref().map(encode_cursor),
    }))
}
