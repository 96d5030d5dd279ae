//! Uploaded files. A tail.

use std::collections::BTreeSet;

use aggregates::media::MediaEvent;
use aggregates::values::{MediaId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{
    Change, Column, Database, DbError, Kind, Projection, ProjectionError, RecordedEvent, Row,
    Table, Value,
};

use crate::page::{Cursor, Page, probe_limit};
use crate::support::{count, int, micros, parse, time, typed};
use crate::users::SealedField;

/// The projection.
#[derive(Debug)]
pub struct MediaFiles;

static TABLES: &[&Table] = &[&TABLE];
static TABLE: Table = Table {
    name: "media",
    columns: &[
        Column {
            name: "media_id",
            kind: Kind::Text,
        },
        Column {
            name: "owner_id",
            kind: Kind::Text,
        },
        Column {
            name: "name",
            kind: Kind::Text,
        },
        Column {
            name: "name_event_id",
            kind: Kind::Text,
        },
        Column {
            name: "bytes",
            kind: Kind::Int,
        },
        Column {
            name: "sha256",
            kind: Kind::Text,
        },
        Column {
            name: "content_type",
            kind: Kind::Text,
        },
        Column {
            name: "object",
            kind: Kind::Text,
        },
        Column {
            name: "created_at",
            kind: Kind::Int,
        },
    ],
};

impl Projection for MediaFiles {
    fn name(&self) -> &'static str {
        "media"
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        if event.aggregate_type != "media" {
            return Ok(());
        }
        let key = event.aggregate_id.as_str().into();
        changes.push(match parse(event)? {
            MediaEvent::MediaStored {
                owner,
                name,
                bytes,
                sha256,
                content_type,
                object,
                at,
                ..
            } => Change::Upsert {
                table: &TABLE,
                row: vec![
                    key,
                    owner.to_string().into(),
                    name.as_str().into(),
                    event.event_id.to_string().into(),
                    int(bytes),
                    sha256.as_str().into(),
                    content_type.into(),
                    object.into(),
                    micros(at),
                ],
            },
            MediaEvent::MediaDeleted { .. } => Change::Delete { table: &TABLE, key },
        });
        Ok(())
    }
}

/// One uploaded file.
#[derive(Debug, Clone)]
pub struct MediaRow {
    /// Which.
    pub media_id: MediaId,
    /// Whose.
    pub owner: UserId,
    /// The file's name, sealed.
    pub name: SealedField,
    /// Size.
    pub bytes: u64,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
    /// What the content is, by its own first bytes.
    pub content_type: String,
    /// Where the blob store has it.
    pub object: String,
    /// Stored when.
    pub created_at: DateTime<Utc>,
}

const SELECT: &str = "SELECT media_id, owner_id, name, name_event_id, bytes, sha256, content_type, object, \
                      created_at FROM media";

/// One file of `owner`; another person's is not found.
///
/// # Errors
/// The database failed.
pub async fn find(
    database: &Database,
    owner: UserId,
    media: MediaId,
) -> Result<Option<MediaRow>, DbError> {
    let sql = format!("{SELECT} WHERE media_id = $1 AND owner_id = $2");
    let rows = database
        .query(&sql, &[media.to_string().into(), owner.to_string().into()])
        .await?;
    rows.first().map(from_row).transpose()
}

/// One file, whoever's it is; for who proves the right to it by other means.
///
/// # Errors
/// The database failed.
pub async fn find_any(database: &Database, media: MediaId) -> Result<Option<MediaRow>, DbError> {
    let sql = format!("{SELECT} WHERE media_id = $1");
    let rows = database.query(&sql, &[media.to_string().into()]).await?;
    rows.first().map(from_row).transpose()
}

/// A person's files, newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    database: &Database,
    owner: UserId,
    after: &Cursor,
    limit: usize,
) -> Result<Page<MediaRow>, DbError> {
    let sql = format!(
        "{SELECT} WHERE owner_id = $1 AND (created_at, media_id) < ($2, $3) \
         ORDER BY created_at DESC, media_id DESC LIMIT $4"
    );
    let [created_at, id] = after.values();
    let params = [owner.to_string().into(), created_at, id, probe_limit(limit)];
    let rows = database.query(&sql, &params).await?;
    let rows: Vec<MediaRow> = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::from_rows(rows, limit, |row| Cursor {
        created_at: row.created_at.timestamp_micros(),
        id: row.media_id.to_string(),
    }))
}

/// Of these objects, those that are the content of a file.
///
/// # Errors
/// The database failed.
pub async fn referred_to(
    database: &Database,
    objects: &[String],
) -> Result<BTreeSet<String>, DbError> {
    if objects.is_empty() {
        return Ok(BTreeSet::new());
    }
    let places: Vec<String> = (1..=objects.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT DISTINCT object FROM media WHERE object IN ({})",
        places.join(", ")
    );
    let params: Vec<Value> = objects.iter().map(|name| name.as_str().into()).collect();
    let rows = database.query(&sql, &params).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

fn from_row(row: &Row) -> Result<MediaRow, DbError> {
    Ok(MediaRow {
        media_id: typed(row, 0)?,
        owner: typed(row, 1)?,
        name: SealedField {
            text: row.text(2)?,
            event_id: typed(row, 3)?,
        },
        bytes: count(row, 4)?,
        sha256: row.text(5)?,
        content_type: row.text(6)?,
        object: row.text(7)?,
        created_at: time(row, 8)?,
    })
}
