//! The webhook sinks. Inline, so that one that was paused or removed is sent to no more at once, on every node.

use aggregates::values::{UserId, WebhookSecretId, WebhookSinkId};
use aggregates::webhook_sink::{WebhookFormat, WebhookSinkEvent};
use chrono::{DateTime, Utc};
use eventlog::{
    Change, Column, Database, DbError, Kind, Projection, ProjectionError, RecordedEvent, Row,
    Table, Value,
};

use crate::page::{Cursor, Page, probe_limit};
use crate::support::{int, micros, name, opt_time, parse, time, to_name, typed};

/// The projection.
#[derive(Debug)]
pub struct WebhookSinks;

const fn text(name: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Text,
    }
}

const fn number(name: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Int,
    }
}

static TABLES: &[&Table] = &[&TABLE];
static TABLE: Table = Table {
    name: "webhook_sinks",
    columns: &[
        text("webhook_sink_id"),
        text("name"),
        text("origin"),
        text("event_types"),
        text("format"),
        text("state"),
        text("secret_id"),
        number("rotated_at"),
        number("parked_position"),
        number("tries_since"),
        text("created_by"),
        number("created_at"),
    ],
};
const STATE: usize = 5;
const SECRET_ID: usize = 6;
const ROTATED_AT: usize = 7;
const PARKED_POSITION: usize = 8;
const TRIES_SINCE: usize = 9;

impl Projection for WebhookSinks {
    fn name(&self) -> &'static str {
        "webhook_sinks"
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        if event.aggregate_type != "webhook_sink" {
            return Ok(());
        }
        let key: Value = event.aggregate_id.as_str().into();
        let update = |set: Vec<(usize, Value)>| Change::Update {
            table: &TABLE,
            key: key.clone(),
            set,
        };
        let active = |at| {
            update(vec![
                (STATE, "active".into()),
                (PARKED_POSITION, Value::Int(None)),
                (TRIES_SINCE, micros(at)),
            ])
        };
        changes.push(match parse(event)? {
            created @ WebhookSinkEvent::WebhookSinkCreated { .. } => created_row(key, created)?,
            WebhookSinkEvent::WebhookSinkPaused { .. } => update(vec![(STATE, "paused".into())]),
            WebhookSinkEvent::WebhookSinkResumed { at, .. }
            | WebhookSinkEvent::WebhookSinkRetried { at, .. } => active(at),
            WebhookSinkEvent::WebhookSinkParked { position, .. } => update(vec![
                (STATE, "parked".into()),
                (PARKED_POSITION, int(position)),
            ]),
            WebhookSinkEvent::WebhookSecretRotated { secret_id, at, .. } => update(vec![
                (SECRET_ID, secret_id.to_string().into()),
                (ROTATED_AT, micros(at)),
            ]),
            WebhookSinkEvent::WebhookSinkRemoved { .. } => Change::Delete {
                table: &TABLE,
                key: key.clone(),
            },
        });
        Ok(())
    }
}

fn created_row(key: Value, event: WebhookSinkEvent) -> Result<Change, ProjectionError> {
    let WebhookSinkEvent::WebhookSinkCreated {
        name,
        origin,
        event_types,
        format,
        secret_id,
        created_by,
        at,
        ..
    } = event
    else {
        return Err(ProjectionError::new("not the first event".to_owned()));
    };
    Ok(Change::Upsert {
        table: &TABLE,
        row: vec![
            key,
            name.into(),
            origin.into(),
            event_types.join(",").into(),
            to_name(&format)?.into(),
            "active".into(),
            secret_id.to_string().into(),
            Value::Int(None),
            Value::Int(None),
            micros(at),
            created_by.to_string().into(),
            micros(at),
        ],
    })
}

/// One sink, as far as the log knows it.
#[derive(Debug, Clone)]
pub struct WebhookSinkRow {
    /// Which.
    pub webhook_sink_id: WebhookSinkId,
    /// What the administrator called it.
    pub name: String,
    /// Scheme, host and port of the receiver.
    pub origin: String,
    /// The types that it gets; none for all.
    pub event_types: Vec<String>,
    /// How an event is written.
    pub format: WebhookFormat,
    /// `active`, `paused` or `parked`.
    pub state: String,
    /// Its secret in the vault.
    pub secret_id: WebhookSecretId,
    /// When it got that secret in the place of another one.
    pub rotated_at: Option<DateTime<Utc>>,
    /// What it did not take, when it is parked.
    pub parked_position: Option<i64>,
    /// Failures before this time do not count.
    pub tries_since: DateTime<Utc>,
    /// The administrator who made it.
    pub created_by: UserId,
    /// Made when.
    pub created_at: DateTime<Utc>,
}

const SELECT: &str = "SELECT webhook_sink_id, name, origin, event_types, format, state, secret_id, rotated_at, \
                      parked_position, tries_since, created_by, created_at FROM webhook_sinks";

/// One sink.
///
/// # Errors
/// The database failed.
pub async fn find(
    database: &Database,
    sink: WebhookSinkId,
) -> Result<Option<WebhookSinkRow>, DbError> {
    let sql = format!("{SELECT} WHERE webhook_sink_id = $1");
    let rows = database.query(&sql, &[sink.to_string().into()]).await?;
    rows.first().map(from_row).transpose()
}

/// The sinks in this state.
///
/// # Errors
/// The database failed.
pub async fn in_state(database: &Database, state: &str) -> Result<Vec<WebhookSinkRow>, DbError> {
    let sql = format!("{SELECT} WHERE state = $1 ORDER BY webhook_sink_id");
    let rows = database.query(&sql, &[state.into()]).await?;
    rows.iter().map(from_row).collect()
}

/// How many sinks there are.
///
/// # Errors
/// The database failed.
pub async fn count(database: &Database) -> Result<u64, DbError> {
    const SQL: &str = "SELECT COUNT(*) FROM webhook_sinks";
    let rows = database.query(SQL, &[]).await?;
    let count = rows.first().map(|row| crate::support::count(row, 0));
    count.unwrap_or(Ok(0))
}

/// All sinks, newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    database: &Database,
    after: &Cursor,
    limit: usize,
) -> Result<Page<WebhookSinkRow>, DbError> {
    let sql = format!(
        "{SELECT} WHERE (created_at, webhook_sink_id) < ($1, $2) \
         ORDER BY created_at DESC, webhook_sink_id DESC LIMIT $3"
    );
    let [created_at, id] = after.values();
    let rows = database
        .query(&sql, &[created_at, id, probe_limit(limit)])
        .await?;
    let rows: Vec<WebhookSinkRow> = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::from_rows(rows, limit, |row| Cursor {
        created_at: row.created_at.timestamp_micros(),
        id: row.webhook_sink_id.to_string(),
    }))
}

fn from_row(row: &Row) -> Result<WebhookSinkRow, DbError> {
    let types = row.text(3)?;
    let types = types.split(',').filter(|one| !one.is_empty());
    Ok(WebhookSinkRow {
        webhook_sink_id: typed(row, 0)?,
        name: row.text(1)?,
        origin: row.text(2)?,
        event_types: types.map(str::to_owned).collect(),
        format: name(&row.text(4)?)?,
        state: row.text(5)?,
        secret_id: typed(row, 6)?,
        rotated_at: opt_time(row, 7)?,
        parked_position: row.opt_int(8)?,
        tries_since: time(row, 9)?,
        created_by: typed(row, 10)?,
        created_at: time(row, 11)?,
    })
}
