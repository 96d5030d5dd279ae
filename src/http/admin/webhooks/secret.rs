//! `POST /v1/admin/webhooks/{id}/secret`: gives a sink another secret.

use std::sync::Arc;

use aggregates::values::WebhookSinkId;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;

use super::create::shown_once;
use super::view::SecretView;
use crate::app::App;
use crate::http::caller::RecentAdmin;
use crate::http::extract::Id;
use crate::http::problem::{Problem, ProblemBody};
use crate::webhooks;

/// Gives a sink another secret, shown once. For 24 hours the one before signs beside it.
#[utoipa::path(
    post, path = "/v1/admin/webhooks/{id}/secret", tag = "administration", operation_id = "rotate_webhook_secret",
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 200, body = SecretView, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn rotate(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(sink): Id<WebhookSinkId>,
) -> Result<impl IntoResponse, Problem> {
    let acting = caller.acting();
    let made = webhooks::rotate_secret(&app, sink, caller.user_id, &acting).await?;
    shown_once(&app, made, StatusCode::OK).await
}
