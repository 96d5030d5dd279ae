//! `POST /v1/admin/webhooks`: makes a sink.

use std::sync::Arc;

use aggregates::values::WebhookSinkName;
use aggregates::webhook_sink::WebhookFormat;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};
use projections::webhook_sinks;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{SecretView, WebhookView};
use crate::app::App;
use crate::http::caller::RecentAdmin;
use crate::http::extract::Json;
use crate::http::problem::{FieldError, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::webhooks::{self, Made, Wanted};

/// To whom and what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateWebhook)]
pub struct Body {
    /// Names the receiver, never a person: it stands in the log in clear.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Where the events are posted to: https, and of the public internet. Only its origin is shown again.
    #[schema(max_length = 2048)]
    url: String,
    /// Only events of these types; all without it.
    #[serde(default)]
    event_types: Vec<String>,
    /// `cloudevents` (default) or `ocsf`.
    #[schema(value_type = Option<String>)]
    format: Option<WebhookFormat>,
    /// Events after this position; without it, those to come.
    after: Option<u64>,
}

/// Makes a webhook sink. Its secret is shown once.
#[utoipa::path(
    post, path = "/v1/admin/webhooks", tag = "administration", operation_id = "create_webhook",
    request_body = Body,
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 201, body = SecretView, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden or reauthentication-required"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "conflict: there are as many as a server has; or position-beyond-head"),
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
    let made = webhooks::create(&app, wanted, caller.user_id, &acting).await?;
    shown_once(&app, made, StatusCode::CREATED).await
}

/// The answer with a secret.
pub(super) async fn shown_once(
    app: &App,
    made: Made,
    status: StatusCode,
) -> Result<impl IntoResponse + use<>, Problem> {
    let row = webhook_sinks::find(&app.database, made.id).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    let view = SecretView {
        webhook: WebhookView::of(app, row).await?,
        secret: made.secret,
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok(Written {
        position: made.position,
        answer: (status, no_store, axum::Json(view)),
    })
}

fn check(body: Body) -> Result<Wanted, Problem> {
    let mut errors = Vec::new();
    let name = WebhookSinkName::parse(&body.name)
        .map_err(|error| errors.push(FieldError::new("name", error.code, error.message)));
    let known = aggregates::all_event_types();
    if let Some(unknown) = body
        .event_types
        .iter()
        .position(|one| !known.contains(&one.as_str()))
    {
        let field = format!("event_types[{unknown}]");
        errors.push(FieldError::new(&field, "unknown", "is no type of event"));
    }
    if body
        .after
        .is_some_and(|after| i64::try_from(after).is_err())
    {
        errors.push(FieldError::new(
            "after",
            "too_large",
            "must be a position in the log",
        ));
    }
    match name {
        Ok(name) if errors.is_empty() => Ok(Wanted {
            name,
            url: body.url,
            event_types: body.event_types,
            format: body.format.unwrap_or(WebhookFormat::CloudEvents),
            after: body.after,
        }),
        _ => Err(Problem::validation(errors)),
    }
}
