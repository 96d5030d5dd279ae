//! A webhook sink as administrators see it.

use aggregates::webhook_sink::WebhookFormat;
use chrono::{DateTime, Utc};
use eventlog::DbError;
use projections::webhook_sinks::WebhookSinkRow;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::app::App;
use crate::webhooks::deliveries;

/// A webhook sink, without its secret and without the path of its address.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    /// `UUIDv7`.
    pub id: Uuid,
    /// What the administrator called it.
    pub name: String,
    /// Scheme, host and port of the receiver.
    pub origin: String,
    /// The types of events that it gets; none for all.
    pub event_types: Vec<String>,
    /// `cloudevents` or `ocsf`.
    #[schema(value_type = String)]
    pub format: WebhookFormat,
    /// `active`, `paused`, or `parked`: it was tried too often and waits for `retry`.
    pub state: String,
    /// It has every event up to here.
    pub position: u64,
    /// How far that is behind the log's head.
    pub events_behind: u64,
    /// How often the message at hand was tried.
    pub attempts: u64,
    /// Why it was not taken last.
    pub last_error: Option<String>,
    /// The administrator who made it.
    pub created_by: Uuid,
    /// Made when.
    pub created_at: DateTime<Utc>,
}

/// A sink with its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub struct SecretView {
    #[serde(flatten)]
    pub(super) webhook: WebhookView,
    /// `whsec_` and the key in base64, as Standard Webhooks has it; shown once.
    #[schema(value_type = String)]
    pub(super) secret: Zeroizing<String>,
}

impl WebhookView {
    /// A sink with where it stands.
    ///
    /// # Errors
    /// The database failed.
    pub async fn of(app: &App, row: WebhookSinkRow) -> Result<Self, DbError> {
        let head = app.log.head().await?;
        let delivery = deliveries::find(app, row.webhook_sink_id).await?;
        let position = delivery.as_ref().map_or(0, |delivery| delivery.position);
        let attempts = delivery.as_ref().map_or(0, |delivery| delivery.attempts);
        let last_error = delivery.map(|delivery| delivery.last_error);
        Ok(Self {
            id: row.webhook_sink_id.into(),
            name: row.name,
            origin: row.origin,
            event_types: row.event_types,
            format: row.format,
            state: row.state,
            position,
            events_behind: head.saturating_sub(position),
            attempts,
            last_error: last_error.filter(|error| !error.is_empty()),
            created_by: row.created_by.into(),
            created_at: row.created_at,
        })
    }
}
