//! `GET /v1/admin/webhooks`: all sinks.

use std::sync::Arc;

use axum::extract::State;
use projections::webhook_sinks;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::WebhookView;
use crate::app::App;
use crate::http::caller::Admin;
use crate::http::extract::{Paging, Params, encode_cursor};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::InlineRead;

/// A page of webhook sinks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookPage)]
pub struct WebhookPage {
    items: Vec<WebhookView>,
    next_cursor: Option<String>,
}

/// All webhook sinks, newest first.
#[utoipa::path(
    get, path = "/v1/admin/webhooks", tag = "administration", operation_id = "list_webhooks", params(Paging),
    responses(
        (status = 200, body = WebhookPage),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
    ),
    security(("bearer" = [])),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    _: Admin,
    _: InlineRead,
    Params(paging): Params<Paging>,
) -> Result<axum::Json<WebhookPage>, Problem> {
    let (limit, cursor) = (paging.limit()?, paging.cursor()?);
    let page = webhook_sinks::list(&app.database, &cursor, limit).await?;
    let next_cursor = page.next.as_ref().map(encode_cursor);
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(WebhookView::of(&app, row).await?);
    }
    Ok(axum::Json(WebhookPage { items, next_cursor }))
}
