//! `GET /v1/audit/log/rollbacks`: where the log was given up and begun anew.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::Auditor;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::InlineRead;
use crate::notary::rollback::{Rollback, rollbacks};

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogRollbacks)]
pub struct LogRollbacks {
    items: Vec<Rollback>,
}

/// The former logs that this one took the place of, each after a restore that was behind what had been signed or because its
/// key was given up; the oldest first.
#[utoipa::path(
    get, path = "/v1/audit/log/rollbacks", tag = "audit", operation_id = "list_log_rollbacks",
    responses(
        (status = 200, body = LogRollbacks),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "read-model-behind"),
    ),
    security(("bearer" = []), ("service_key_bearer" = [])),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    _: Auditor,
    _: InlineRead,
) -> Result<axum::Json<LogRollbacks>, Problem> {
    let items = rollbacks(&app.database).await?;
    Ok(axum::Json(LogRollbacks { items }))
}
