//! `DELETE /v1/admin/service-keys/{id}`: ends a key.

use std::sync::Arc;

use aggregates::values::ServiceKeyId;
use axum::extract::State;
use axum::response::IntoResponse;

use crate::app::App;
use crate::http::caller::RecentAdmin;
use crate::http::extract::{Id, NO_CONTENT};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;
use crate::service_keys;

/// Ends a service key. Once answered, no node accepts it. Again: 204.
#[utoipa::path(
    delete, path = "/v1/admin/service-keys/{id}", tag = "administration", operation_id = "revoke_service_key",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204, description = "Ended", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn revoke(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(key): Id<ServiceKeyId>,
) -> Result<impl IntoResponse, Problem> {
    let acting = caller.acting();
    let position = service_keys::revoke(&app, key, caller.user_id, &acting).await?;
    Ok(Written {
        position,
        answer: NO_CONTENT,
    })
}
