//! What is done to a webhook sink: `POST /v1/admin/webhooks/{id}/pause|resume|retry`, and `DELETE /v1/admin/webhooks/{id}`.

use std::sync::Arc;

use aggregates::values::WebhookSinkId;
use aggregates::webhook_sink::WebhookSinkCommand;
use axum::extract::State;
use axum::response::IntoResponse;

use crate::app::App;
use crate::http::caller::{Caller, RecentAdmin};
use crate::http::extract::{Id, NO_CONTENT};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;
use crate::ports::clock;
use crate::webhooks;

/// Stops the sending to a sink for a while. Again: 204.
#[utoipa::path(
    post, path = "/v1/admin/webhooks/{id}/pause", tag = "administration", operation_id = "pause_webhook",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204, description = "Paused", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn pause(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(sink): Id<WebhookSinkId>,
) -> Result<impl IntoResponse, Problem> {
    let (by, at) = (caller.user_id, clock::now());
    done(&app, &caller, sink, WebhookSinkCommand::Pause { by, at }).await
}

/// Goes on sending after a pause, from where it stopped. Again: 204.
#[utoipa::path(
    post, path = "/v1/admin/webhooks/{id}/resume", tag = "administration", operation_id = "resume_webhook",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204, description = "Resumed", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn resume(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(sink): Id<WebhookSinkId>,
) -> Result<impl IntoResponse, Problem> {
    let (by, at) = (caller.user_id, clock::now());
    done(&app, &caller, sink, WebhookSinkCommand::Resume { by, at }).await
}

/// Tries again what a parked sink did not take, then goes on. Again: 204.
#[utoipa::path(
    post, path = "/v1/admin/webhooks/{id}/retry", tag = "administration", operation_id = "retry_webhook",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204, description = "Retried", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn retry(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(sink): Id<WebhookSinkId>,
) -> Result<impl IntoResponse, Problem> {
    let (by, at) = (caller.user_id, clock::now());
    done(&app, &caller, sink, WebhookSinkCommand::Retry { by, at }).await
}

/// Removes a sink with its secret. Again: 204.
#[utoipa::path(
    delete, path = "/v1/admin/webhooks/{id}", tag = "administration", operation_id = "delete_webhook",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204, description = "Removed", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
    ),
    security(("bearer" = [])),
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    RecentAdmin(caller): RecentAdmin,
    Id(sink): Id<WebhookSinkId>,
) -> Result<impl IntoResponse, Problem> {
    let (by, at) = (caller.user_id, clock::now());
    done(&app, &caller, sink, WebhookSinkCommand::Remove { by, at }).await
}

async fn done(
    app: &App,
    caller: &Caller,
    sink: WebhookSinkId,
    command: WebhookSinkCommand,
) -> Result<impl IntoResponse + use<>, Problem> {
    let position = webhooks::act(app, sink, command, &caller.acting()).await?;
    Ok(Written {
        position,
        answer: NO_CONTENT,
    })
}
