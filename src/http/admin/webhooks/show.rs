//! `GET /v1/admin/webhooks/{id}`: one sink.

use std::sync::Arc;

use aggregates::values::WebhookSinkId;
use axum::extract::State;
use projections::webhook_sinks;

use super::view::WebhookView;
use crate::app::App;
use crate::http::caller::Admin;
use crate::http::extract::Id;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::InlineRead;

/// One webhook sink, and how far it has come.
#[utoipa::path(
    get, path = "/v1/admin/webhooks/{id}", tag = "administration", operation_id = "get_webhook",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = WebhookView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn show(
    State(app): State<Arc<App>>,
    _: Admin,
    _: InlineRead,
    Id(sink): Id<WebhookSinkId>,
) -> Result<axum::Json<WebhookView>, Problem> {
    let row = webhook_sinks::find(&app.database, sink).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(WebhookView::of(&app, row).await?))
}
