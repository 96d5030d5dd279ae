//! The service keys. Inline, so that one that was revoked is refused at once on every node.

use aggregates::service_key::{ServiceKeyEvent, ServiceKeyScope};
use aggregates::values::{ServiceKeyId, TokenHash, UserId};
use chrono::{DateTime, Utc};
use eventlog::{
    Change, Column, Database, DbError, Kind, Projection, ProjectionError, RecordedEvent, Row,
    Table, Value,
};

use crate::page::{Cursor, Page, probe_limit};
use crate::support::{micros, names, opt_time, parse, time, to_names, typed};

/// The projection.
#[derive(Debug)]
pub struct ServiceKeys;

static TABLES: &[&Table] = &[&TABLE];
static TABLE: Table = Table {
    name: "service_keys",
    columns: &[
        Column {
            name: "service_key_id",
            kind: Kind::Text,
        },
        Column {
            name: "name",
            kind: Kind::Text,
        },
        Column {
            name: "scopes",
            kind: Kind::Text,
        },
        Column {
            name: "key_hash",
            kind: Kind::Text,
        },
        Column {
            name: "expires_at",
            kind: Kind::Int,
        },
        Column {
            name: "created_by",
            kind: Kind::Text,
        },
        Column {
            name: "created_at",
            kind: Kind::Int,
        },
        Column {
            name: "revoked_at",
            kind: Kind::Int,
        },
    ],
};
const REVOKED_AT: usize = 7;

impl Projection for ServiceKeys {
    fn name(&self) -> &'static str {
        "service_keys"
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        if event.aggregate_type != "service_key" {
            return Ok(());
        }
        let key: Value = event.aggregate_id.as_str().into();
        changes.push(match parse(event)? {
            ServiceKeyEvent::ServiceKeyCreated {
                name,
                scopes,
                key_hash,
                expires_at,
                created_by,
                at,
                ..
            } => Change::Upsert {
                table: &TABLE,
                row: vec![
                    key,
                    name.into(),
                    to_names(&scopes)?.into(),
                    key_hash.as_str().into(),
                    expires_at.map_or(Value::Int(None), micros),
                    created_by.to_string().into(),
                    micros(at),
                    Value::Int(None),
                ],
            },
            ServiceKeyEvent::ServiceKeyRevoked { at, .. } => Change::Update {
                table: &TABLE,
                key,
                set: vec![(REVOKED_AT, micros(at))],
            },
        });
        Ok(())
    }
}

/// One service key, without the key.
#[derive(Debug, Clone)]
pub struct ServiceKeyRow {
    /// Which.
    pub service_key_id: ServiceKeyId,
    /// What the administrator called it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<ServiceKeyScope>,
    /// Its end, if it has one.
    pub expires_at: Option<DateTime<Utc>>,
    /// The administrator who made it.
    pub created_by: UserId,
    /// Made when.
    pub created_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

const SELECT: &str = "SELECT service_key_id, name, scopes, expires_at, created_by, created_at, \
                      revoked_at FROM service_keys";

/// The key with this hash, good or not.
///
/// # Errors
/// The database failed.
pub async fn find_by_hash(
    database: &Database,
    hash: &TokenHash,
) -> Result<Option<ServiceKeyRow>, DbError> {
    let sql = format!("{SELECT} WHERE key_hash = $1");
    let rows = database.query(&sql, &[hash.as_str().into()]).await?;
    rows.first().map(from_row).transpose()
}

/// One key, good or not.
///
/// # Errors
/// The database failed.
pub async fn find(
    database: &Database,
    key: ServiceKeyId,
) -> Result<Option<ServiceKeyRow>, DbError> {
    let sql = format!("{SELECT} WHERE service_key_id = $1");
    let rows = database.query(&sql, &[key.to_string().into()]).await?;
    rows.first().map(from_row).transpose()
}

/// All keys, newest first, those that are good no more as well.
///
/// # Errors
/// The database failed.
pub async fn list(
    database: &Database,
    after: &Cursor,
    limit: usize,
) -> Result<Page<ServiceKeyRow>, DbError> {
    let sql = format!(
        "{SELECT} WHERE (created_at, service_key_id) < ($1, $2) \
         ORDER BY created_at DESC, service_key_id DESC LIMIT $3"
    );
    let [created_at, id] = after.values();
    let rows = database
        .query(&sql, &[created_at, id, probe_limit(limit)])
        .await?;
    let rows: Vec<ServiceKeyRow> = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::from_rows(rows, limit, |row| Cursor {
        created_at: row.created_at.timestamp_micros(),
        id: row.service_key_id.to_string(),
    }))
}

fn from_row(row: &Row) -> Result<ServiceKeyRow, DbError> {
    Ok(ServiceKeyRow {
        service_key_id: typed(row, 0)?,
        name: row.text(1)?,
        scopes: names(row, 2)?,
        expires_at: opt_time(row, 3)?,
        created_by: typed(row, 4)?,
        created_at: time(row, 5)?,
        revoked_at: opt_time(row, 6)?,
    })
}
