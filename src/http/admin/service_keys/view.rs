//! A service key as administrators see it.

use aggregates::service_key::ServiceKeyScope;
use chrono::{DateTime, Utc};
use projections::service_keys::ServiceKeyRow;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A service key, without the key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceKey)]
pub struct ServiceKeyView {
    /// `UUIDv7`; also the user name of Basic authentication.
    pub id: Uuid,
    /// What the administrator called it.
    pub name: String,
    /// `audit`, `introspect`, `revoke`.
    #[schema(value_type = Vec<String>)]
    pub scopes: Vec<ServiceKeyScope>,
    /// The administrator who made it.
    pub created_by: Uuid,
    /// Made when.
    pub created_at: DateTime<Utc>,
    /// Its end, if it has one.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl From<ServiceKeyRow> for ServiceKeyView {
    fn from(row: ServiceKeyRow) -> Self {
        Self {
            id: row.service_key_id.into(),
            name: row.name,
            scopes: row.scopes,
            created_by: row.created_by.into(),
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}
