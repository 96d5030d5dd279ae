//! `POST /v1/admin/service-keys`: makes a key.

use std::sync::Arc;

use aggregates::service_key::ServiceKeyScope;
use aggregates::values::ServiceKeyName;
use axum::extract::State;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use http::{StatusCode, header};
use projections::service_keys as rows;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::view::ServiceKeyView;
use crate::app::App;
use crate::http::caller::RecentAdmin;
use crate::http::extract::Json;
use crate::http::problem::{FieldError, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::service_keys::{self, Wanted};

/// What the key is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateServiceKey)]
pub struct Body {
    /// Names the service, never a person: it stands in the log in clear.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// At least one of `audit`, `introspect`, `revoke`.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<ServiceKeyScope>,
    /// Its end; without it, the key is good until it is revoked.
    expires_at: Option<DateTime<Utc>>,
}

/// A new service key.
#[derive(Serialize, ToSchema)]
#[schema(as = NewServiceKey)]
pub struct NewServiceKeyView {
    #[serde(flatten)]
    service_key: ServiceKeyView,
    /// 64 hexadecimal characters, shown once.
    #[schema(value_type = String)]
    key: Zeroizing<String>,
}

/// Makes a service key. The key itself is shown once.
#[utoipa::path(
    post, path = "/v1/admin/service-keys", tag = "administration", operation_id = "create_service_key",
    request_body = Body,
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 201, body = NewServiceKeyView, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
    ),
    security(("bearer" = [])),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    let wanted = check(body)?;
    let acting = caller.acting();
    let new = service_keys::create(&app, wanted, caller.user_id, &acting).await?;
    let row = rows::find(&app.database, new.id).await?;
    let row = row.ok_or_else(|| Problem::internal("a new service key has no row"))?;
    let view = NewServiceKeyView {
        service_key: row.into(),
        key: Zeroizing::new(new.key.expose().to_owned()),
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok(Written {
        position: new.position,
        answer: (StatusCode::CREATED, no_store, axum::Json(view)),
    })
}

fn check(body: Body) -> Result<Wanted, Problem> {
    let name = ServiceKeyName::parse(&body.name).map_err(|error| {
        Problem::validation(vec![FieldError::new("name", error.code, error.message)])
    })?;
    Ok(Wanted {
        name,
        scopes: body.scopes,
        expires_at: body.expires_at,
    })
}
