//! `POST /v1/oauth/revoke`: ends the session of a token (RFC 7009).

use std::sync::Arc;

use aggregates::service_key::ServiceKeyScope;
use aggregates::session::RevokeReason;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};

use super::client::Client;
use super::form::TokenForm;
use super::introspect::{Body, session_of};
use crate::app::App;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;
use crate::revocation;

/// Ends the session that a token belongs to, and with it every token of it. Once answered, no node accepts one of them.
/// A token that is not good: 200, too. Needs a service key with the scope `revoke`; people use
/// `DELETE /v1/sessions/current`.
#[utoipa::path(
    post, path = "/v1/oauth/revoke", tag = "sessions", operation_id = "revoke_token",
    request_body(content = Body, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "No token of the session is good any more", headers(("Gatelog-Position" = u64))),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "malformed-request, with `error` `invalid_request`"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-client or invalid-token, with `error` `invalid_client` or `invalid_token`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden, with `error` `insufficient_scope`"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "unsupported-media-type"),
    ),
    security(("service_key_bearer" = []), ("service_key_basic" = [])),
)]
pub async fn revoke(
    State(app): State<Arc<App>>,
    client: Client,
    form: TokenForm,
) -> Result<impl IntoResponse, Problem> {
    client.require(ServiceKeyScope::Revoke)?;
    let position = if let Some(session) = session_of(&app, &form.token).await? {
        let (reason, acting) = (RevokeReason::RevokedByService, client.acting());
        let id = session.session_id;
        let revoked = revocation::revoke(&app, id, reason, &acting, None).await?;
        revoked.position
    } else {
        // Perhaps this repeats a call whose answer was lost, and another node does not know yet.
        let settling = app.lease.settle(app.log.head().await?).await;
        settling.map_err(Problem::unavailable)?;
        None
    };
    Ok(Written {
        position,
        answer: (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]),
    })
}
