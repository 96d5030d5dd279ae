//! Failures of each account in its present window, until the log has their number.
//!
//! Counted for addresses without an account too, so that a failure takes as long; those are only swept.

use aggregates::values::EmailClaimId;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError, Statement, Value};

use crate::ports::clock::micros;

/// As many failures in a window are a flood.
pub const FLOOD: i64 = 10;
/// The window.
pub const WINDOW: TimeDelta = TimeDelta::hours(1);

/// A window of an account's failures.
#[derive(Debug, Clone)]
pub struct Window {
    /// Whose.
    pub claim: EmailClaimId,
    /// Since.
    pub began_at: DateTime<Utc>,
    /// How many, so far.
    pub failures: i64,
    /// Whether the log knows of the flood.
    pub is_announced: bool,
}

/// What counts one.
pub(super) fn counting(claim: EmailClaimId, now: DateTime<Utc>) -> Statement {
    const SQL: &str = "INSERT INTO sign_in_failures (email_claim_id, window_began, failures, is_announced) \
        VALUES ($1, $2, 1, 0) \
        ON CONFLICT (email_claim_id) DO UPDATE SET failures = sign_in_failures.failures + 1";
    (
        SQL.into(),
        vec![claim.to_string().into(), micros(now).into()],
    )
}

/// Windows that the log is to hear of: floods that it does not know yet, and those of known floods that are over. In
/// the order of their claims, after `after`.
///
/// # Errors
/// The database failed.
pub async fn due(
    database: &Database,
    after: &str,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Window>, DbError> {
    const SQL: &str = "SELECT email_claim_id, window_began, failures, is_announced FROM sign_in_failures \
        WHERE email_claim_id > $1 AND ((is_announced = 0 AND failures >= $2) \
            OR (is_announced = 1 AND window_began <= $3)) \
        ORDER BY email_claim_id LIMIT $4";
    let params: [Value; 4] = [
        after.into(),
        FLOOD.into(),
        micros(now - WINDOW).into(),
        limit.into(),
    ];
    let rows = database.query(SQL, &params).await?;
    rows.iter().map(window).collect()
}

fn window(row: &eventlog::Row) -> Result<Window, DbError> {
    let claim = row.text(0)?.parse();
    let began_at = DateTime::from_timestamp_micros(row.int(1)?);
    Ok(Window {
        claim: claim.map_err(|_| DbError::decode("a claim that is none"))?,
        began_at: began_at.ok_or_else(|| DbError::decode("a time that is none"))?,
        failures: row.int(2)?,
        is_announced: row.int(3)? == 1,
    })
}

/// Notes that the log knows of the flood.
///
/// # Errors
/// The database failed.
pub async fn announced(database: &Database, window: &Window) -> Result<(), DbError> {
    const SQL: &str = "UPDATE sign_in_failures SET is_announced = 1 \
                       WHERE email_claim_id = $1 AND window_began = $2";
    let key = vec![
        window.claim.to_string().into(),
        micros(window.began_at).into(),
    ];
    database.execute(vec![(SQL.into(), key)]).await.map(|_| ())
}

/// Begins the next window at `now`, with the failures that came since the log was told. Where the flood is over, they are
/// the beginning of another one, or of none.
///
/// # Errors
/// The database failed.
pub async fn counted(
    database: &Database,
    window: &Window,
    is_over: bool,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    const SQL: &str = "UPDATE sign_in_failures SET window_began = $1, failures = failures - $2, is_announced = $3 \
                       WHERE email_claim_id = $4 AND window_began = $5";
    let row = vec![
        micros(now).into(),
        window.failures.into(),
        i64::from(!is_over).into(),
        window.claim.to_string().into(),
        micros(window.began_at).into(),
    ];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}

/// Removes a window that no account has.
///
/// # Errors
/// The database failed.
pub async fn remove(database: &Database, claim: EmailClaimId) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM sign_in_failures WHERE email_claim_id = $1";
    let key = vec![claim.to_string().into()];
    database.execute(vec![(SQL.into(), key)]).await.map(|_| ())
}

/// Removes windows that are over and were no flood.
///
/// # Errors
/// The database failed.
pub async fn sweep(database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM sign_in_failures WHERE is_announced = 0 AND window_began <= $1 AND failures < $2";
    let row = vec![micros(now - WINDOW).into(), FLOOD.into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}
