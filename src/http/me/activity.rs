//! `GET /v1/me/activity`: what happened to the caller's account.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use eventlog::Metadata;
use projections::activity::{self, ActivityRow};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::{Paging, Params, encode_cursor};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::InlineRead;

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activity)]
pub struct ActivityView {
    /// When.
    at: DateTime<Utc>,
    /// The event's type, as in the audit log; `SessionEnded` for a session that ended in whatever way. Of
    /// `SessionReauthenticated` the last one of each session is there.
    r#type: String,
    /// Who did it.
    by: By,
    /// The session that began, was proved anew or ended; `GET /v1/sessions/{id}` tells its device.
    session_id: Option<Uuid>,
    /// Why it ended.
    end_reason: Option<String>,
}

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum By {
    /// The person.
    Person,
    /// An administrator.
    Administrator,
    /// Another service, with a key of this server.
    Service,
    /// The server, by a rule.
    System,
}

/// A page of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityPage)]
pub struct ActivityPage {
    items: Vec<ActivityView>,
    next_cursor: Option<String>,
}

/// What happened to the caller's account, newest first.
#[utoipa::path(
    get, path = "/v1/me/activity", tag = "accounts", operation_id = "list_activity", params(Paging),
    responses(
        (status = 200, body = ActivityPage),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    _: InlineRead,
    Params(paging): Params<Paging>,
) -> Result<axum::Json<ActivityPage>, Problem> {
    let (limit, cursor) = (paging.limit()?, paging.cursor()?);
    let page = activity::list(&app.database, caller.user_id, &cursor, limit).await?;
    Ok(axum::Json(ActivityPage {
        items: page.items.iter().map(|row| view(&caller, row)).collect(),
        next_cursor: page.next.as_ref().map(encode_cursor),
    }))
}

/// One thing as clients see it.
pub fn view(caller: &Caller, row: &ActivityRow) -> ActivityView {
    ActivityView {
        at: row.at,
        r#type: row.event_type.clone(),
        by: by(caller, row),
        session_id: row.session_id.map(Into::into),
        end_reason: row.end_reason.clone(),
    }
}

fn by(caller: &Caller, row: &ActivityRow) -> By {
    let Some(metadata) = &row.metadata else {
        return match row.end_reason.as_deref() {
            Some("revoked_by_admin" | "user_disabled") => By::Administrator,
            Some("revoked_by_service") => By::Service,
            Some("expired" | "idle" | "refresh_token_reused" | "too_many_sessions") => By::System,
            _ => By::Person,
        };
    };
    let metadata: Metadata = serde_json::from_str(metadata).unwrap_or_default();
    match metadata.actor.as_deref() {
        Some(actor) if actor == caller.user_id.to_string() => By::Person,
        Some(actor) if actor.starts_with("policy:") => By::System,
        Some(_) => By::Administrator,
        None => By::System,
    }
}
