//! How far each sink has come, in the database: which node sends to it, what it tries and when again. Every write is
//! fenced: it happens only while this node has the sink and the position is the one that it knew.

use std::collections::HashMap;

use aggregates::values::WebhookSinkId;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{DbError, Row, Statement};
use uuid::Uuid;

use crate::app::App;
use crate::ports::clock::micros;

/// For how long a node has a sink. Longer than one request may take.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// Where a sink stands.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The receiver's address, sealed.
    pub sealed_url: Vec<u8>,
    /// It has everything up to here.
    pub position: u64,
    /// The end of the message that is sent, or was and was not taken as far as is known; 0 when there is none.
    pub tried_up_to: u64,
    /// How often that failed.
    pub attempts: u64,
    /// When it failed last, in microseconds; 0 when it did not.
    pub failed_at: i64,
    /// Not to be tried before, in microseconds.
    pub due_at: i64,
    /// Why it failed last.
    pub last_error: String,
}

/// What begins a sink's row.
pub fn insert(
    sink: WebhookSinkId,
    sealed_url: Vec<u8>,
    after: u64,
    now: DateTime<Utc>,
) -> Statement {
    const SQL: &str = "INSERT INTO webhook_deliveries (webhook_sink_id, sealed_url, position, tried_up_to, attempts, \
                       failed_at, due_at, last_error, lease_until, node_id, created_at) \
                       VALUES ($1, $2, $3, 0, 0, 0, 0, '', 0, '', $4)";
    let row = vec![
        sink.to_string().into(),
        sealed_url.into(),
        after.into(),
        micros(now).into(),
    ];
    (SQL.to_owned(), row)
}

/// Where a sink stands.
///
/// # Errors
/// The database failed.
pub async fn find(app: &App, sink: WebhookSinkId) -> Result<Option<Delivery>, DbError> {
    const SQL: &str = "SELECT sealed_url, position, tried_up_to, attempts, failed_at, due_at, last_error \
                       FROM webhook_deliveries WHERE webhook_sink_id = $1";
    let rows = app.database.query(SQL, &[sink.to_string().into()]).await?;
    rows.first().map(from_row).transpose()
}

/// How far each sink that there is has come.
///
/// # Errors
/// The database failed.
pub async fn positions(app: &App) -> Result<HashMap<WebhookSinkId, u64>, DbError> {
    const SQL: &str = "SELECT webhook_sink_id, position FROM webhook_deliveries WHERE webhook_sink_id IN \
                       (SELECT webhook_sink_id FROM webhook_sinks)";
    let params: [eventlog::Value; 0] = [];
    let rows = app.database.query(SQL, &params).await?;
    let parsed = rows.iter().map(|row| {
        let sink = row.text(0)?.parse();
        let sink = sink.map_err(|_| DbError::decode("a webhook sink's identifier"))?;
        let position = u64::try_from(row.int(1)?);
        Ok((
            sink,
            position.map_err(|_| DbError::decode("a negative number"))?,
        ))
    });
    parsed.collect()
}

fn from_row(row: &Row) -> Result<Delivery, DbError> {
    let count =
        |index| u64::try_from(row.int(index)?).map_err(|_| DbError::decode("a negative number"));
    Ok(Delivery {
        sealed_url: row.bytes(0)?,
        position: count(1)?,
        tried_up_to: count(2)?,
        attempts: count(3)?,
        failed_at: row.int(4)?,
        due_at: row.int(5)?,
        last_error: row.text(6)?,
    })
}

/// Takes the sink for this node, or keeps it; false when another node has it.
///
/// # Errors
/// The database failed.
pub async fn take(app: &App, sink: WebhookSinkId, now: DateTime<Utc>) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE webhook_deliveries SET lease_until = $1, node_id = $2 \
                       WHERE webhook_sink_id = $3 AND (node_id = $2 OR lease_until <= $4)";
    let row = vec![
        micros(now + LEASE).into(),
        app.node_id.to_string().into(),
        sink.to_string().into(),
        micros(now).into(),
    ];
    one(app, SQL, row).await
}

/// Lets go of the sinks of a node that stops.
///
/// # Errors
/// The database failed.
pub async fn release(app: &App, node: Uuid) -> Result<(), DbError> {
    const SQL: &str =
        "UPDATE webhook_deliveries SET lease_until = 0, node_id = '' WHERE node_id = $1";
    let row = vec![node.to_string().into()];
    app.database
        .execute(vec![(SQL.to_owned(), row)])
        .await
        .map(|_| ())
}

/// The sink has everything up to `to`; false when this node has it no more.
///
/// # Errors
/// The database failed.
pub async fn advance(app: &App, sink: WebhookSinkId, from: u64, to: u64) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE webhook_deliveries SET position = $1, tried_up_to = 0, attempts = 0, failed_at = 0, \
                       due_at = 0, last_error = '' WHERE webhook_sink_id = $2 AND position = $3 AND node_id = $4";
    let row = vec![
        to.into(),
        sink.to_string().into(),
        from.into(),
        app.node_id.to_string().into(),
    ];
    one(app, SQL, row).await
}

/// Notes the end of a message before it is sent for the first time, so that whoever sends it again, after whatever
/// happens, sends the same; false when this node has the sink no more.
///
/// # Errors
/// The database failed.
pub async fn begin(
    app: &App,
    sink: WebhookSinkId,
    known: &Delivery,
    up_to: u64,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE webhook_deliveries SET tried_up_to = $1 WHERE webhook_sink_id = $2 AND position = $3 \
                       AND tried_up_to = $4 AND node_id = $5 AND lease_until > $6";
    let row = vec![
        up_to.into(),
        sink.to_string().into(),
        known.position.into(),
        known.tried_up_to.into(),
        app.node_id.to_string().into(),
        micros(now).into(),
    ];
    one(app, SQL, row).await
}

/// A try that failed.
#[derive(Debug)]
pub struct Failure<'a> {
    /// Where the sink stands.
    pub position: u64,
    /// How often by now.
    pub attempts: u64,
    /// Not to be tried before.
    pub due_at: DateTime<Utc>,
    /// Why.
    pub error: &'a str,
}

/// Notes a failure; false when this node has the sink no more.
///
/// # Errors
/// The database failed.
pub async fn note_failure(
    app: &App,
    sink: WebhookSinkId,
    failure: &Failure<'_>,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE webhook_deliveries SET attempts = $1, failed_at = $2, due_at = $3, last_error = $4 \
                       WHERE webhook_sink_id = $5 AND position = $6 AND node_id = $7";
    let row = vec![
        failure.attempts.into(),
        micros(now).into(),
        micros(failure.due_at).into(),
        failure.error.into(),
        sink.to_string().into(),
        failure.position.into(),
        app.node_id.to_string().into(),
    ];
    one(app, SQL, row).await
}

async fn one(app: &App, sql: &str, row: Vec<eventlog::Value>) -> Result<bool, DbError> {
    let affected = app.database.execute(vec![(sql.to_owned(), row)]).await?;
    Ok(affected.first() == Some(&1))
}

/// What removes all of a sink that is not in the log.
pub fn removals(sink: WebhookSinkId) -> Vec<Statement> {
    [
        "DELETE FROM webhook_deliveries WHERE webhook_sink_id = $1",
        "DELETE FROM vault_webhook_secrets WHERE webhook_sink_id = $1",
    ]
    .map(|sql| (sql.to_owned(), vec![sink.to_string().into()]))
    .to_vec()
}

/// Removes what belongs to no sink, and secrets that are in force no more. What was made in the last hour may be one whose
/// event is still to come.
///
/// # Errors
/// The database failed.
pub async fn sweep(app: &App, now: DateTime<Utc>) -> Result<(), DbError> {
    const ORPHANS: &str = "DELETE FROM webhook_deliveries WHERE created_at < $1 AND NOT EXISTS (\
        SELECT 1 FROM webhook_sinks WHERE webhook_sinks.webhook_sink_id = webhook_deliveries.webhook_sink_id)";
    const SECRETS: &str = "DELETE FROM vault_webhook_secrets WHERE created_at < $1 AND NOT EXISTS (\
        SELECT 1 FROM webhook_sinks WHERE webhook_sinks.webhook_sink_id = vault_webhook_secrets.webhook_sink_id \
        AND (webhook_sinks.secret_id = vault_webhook_secrets.secret_id OR webhook_sinks.rotated_at > $2))";
    let unfinished = micros(now - TimeDelta::hours(1));
    let in_force = micros(now - super::FORMER_SECRET_SIGNS);
    let statements = vec![
        (ORPHANS.to_owned(), vec![unfinished.into()]),
        (SECRETS.to_owned(), vec![unfinished.into(), in_force.into()]),
    ];
    app.database.execute(statements).await.map(|_| ())
}
