//! An uploaded file as its owner sees it.

use chrono::{DateTime, Utc};
use projections::media::MediaRow;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::problem::Problem;
use crate::keyring::PersonKey;

/// An uploaded file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Media)]
pub struct MediaView {
    /// `UUIDv7`.
    pub id: Uuid,
    /// The file's name.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
    /// What the content is, by its own first bytes.
    pub content_type: String,
    /// Stored when.
    pub created_at: DateTime<Utc>,
}

/// Opens the sealed name.
///
/// # Errors
/// It does not open.
pub fn view(key: &PersonKey, row: &MediaRow) -> Result<MediaView, Problem> {
    Ok(MediaView {
        id: row.media_id.into(),
        name: key.open(row.name.event_id, "name", &row.name.text)?,
        bytes: row.bytes,
        sha256: row.sha256.clone(),
        content_type: row.content_type.clone(),
        created_at: row.created_at,
    })
}
