//! `GET /v1/admin/service-keys`: all keys.

use std::sync::Arc;

use axum::extract::State;
use projections::service_keys;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::ServiceKeyView;
use crate::app::App;
use crate::http::caller::Admin;
use crate::http::extract::{Paging, Params, encode_cursor};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::InlineRead;

/// A page of service keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceKeyPage)]
pub struct ServiceKeyPage {
    items: Vec<ServiceKeyView>,
    next_cursor: Option<String>,
}

/// All service keys, newest first, those that were revoked or have expired as well.
#[utoipa::path(
    get, path = "/v1/admin/service-keys", tag = "administration", operation_id = "list_service_keys", params(Paging),
    responses(
        (status = 200, body = ServiceKeyPage),
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
) -> Result<axum::Json<ServiceKeyPage>, Problem> {
    let (limit, cursor) = (paging.limit()?, paging.cursor()?);
    let page = service_keys::list(&app.database, &cursor, limit).await?;
    Ok(axum::Json(ServiceKeyPage {
        next_cursor: page.next.as_ref().map(encode_cursor),
        items: page.items.into_iter().map(Into::into).collect(),
    }))
}
