//! How many wrong codes an account may be sent in a while, so that six digits cannot be guessed.
//!
//! One row an account. A try is counted before the code is looked at, in one statement, and given back when the code
//! was right: however many try at once, on however many nodes, no more than [`WRONG_CODES`] are looked at in vain. Those
//! in a row are counted as well, so that patience does not help.

use aggregates::values::UserId;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError};

use crate::ports::clock::micros;

/// Wrong codes of an account in one window.
pub const WRONG_CODES: i64 = 10;
/// The window.
pub const WINDOW: TimeDelta = TimeDelta::minutes(10);
/// Wrong codes in a row; then the account rests, and the count begins anew (NIST SP 800-63B-4, 3.2.2).
pub const IN_A_ROW: i64 = 100;
/// How long.
pub const REST: TimeDelta = TimeDelta::hours(24);

/// Whether a code may be looked at.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It may, and was counted.
    Allowed,
    /// Not for so many seconds.
    RetryAfter(u32),
}

/// Counts a try.
///
/// # Errors
/// The database failed.
pub async fn count(
    database: &Database,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Attempt, DbError> {
    const SQL: &str = "INSERT INTO second_factor_failures (user_id, window_began, failures, in_a_row, last_at) \
        VALUES ($1, $2, 1, 1, $2) ON CONFLICT (user_id) DO UPDATE SET \
        failures = CASE WHEN second_factor_failures.window_began <= $3 THEN 1 \
                        ELSE second_factor_failures.failures + 1 END, \
        window_began = CASE WHEN second_factor_failures.window_began <= $3 THEN excluded.window_began \
                            ELSE second_factor_failures.window_began END, \
        in_a_row = CASE WHEN second_factor_failures.last_at <= $4 THEN 1 \
                        ELSE second_factor_failures.in_a_row + 1 END, \
        last_at = excluded.last_at \
        WHERE (second_factor_failures.window_began <= $3 OR second_factor_failures.failures < $5) \
          AND (second_factor_failures.last_at <= $4 OR second_factor_failures.in_a_row < $6)";
    let row = vec![
        user.to_string().into(),
        micros(now).into(),
        micros(now - WINDOW).into(),
        micros(now - REST).into(),
        WRONG_CODES.into(),
        IN_A_ROW.into(),
    ];
    let affected = database.execute(vec![(SQL.into(), row)]).await?;
    if affected.first() == Some(&1) {
        return Ok(Attempt::Allowed);
    }
    retry_after(database, user, now).await
}

async fn retry_after(
    database: &Database,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Attempt, DbError> {
    const SQL: &str =
        "SELECT window_began, in_a_row, last_at FROM second_factor_failures WHERE user_id = $1";
    let rows = database.query(SQL, &[user.to_string().into()]).await?;
    let ends = match rows.first() {
        None => 0,
        Some(row) if row.int(1)? >= IN_A_ROW => row.int(2)?.saturating_add(length(REST)),
        Some(row) => row.int(0)?.saturating_add(length(WINDOW)),
    };
    let left = ends - micros(now);
    let seconds = u32::try_from(left / 1_000_000).unwrap_or_default();
    Ok(Attempt::RetryAfter(seconds.saturating_add(1)))
}

fn length(time: TimeDelta) -> i64 {
    time.num_microseconds().unwrap_or_default()
}

/// Gives a try back: the code was right, so that none is wrong in a row.
///
/// # Errors
/// The database failed.
pub async fn give_back(database: &Database, user: UserId) -> Result<(), DbError> {
    const SQL: &str = "UPDATE second_factor_failures SET failures = failures - 1, in_a_row = 0 \
                       WHERE user_id = $1 AND failures > 0";
    let row = vec![user.to_string().into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}

/// Removes rows of which nothing counts any more.
///
/// # Errors
/// The database failed.
pub async fn sweep(database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str =
        "DELETE FROM second_factor_failures WHERE window_began <= $1 AND last_at <= $2";
    let row = vec![micros(now - WINDOW).into(), micros(now - REST).into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}
