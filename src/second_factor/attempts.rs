//! How many wrong codes an account may be sent in a while, so that six digits cannot be guessed.
//!
//! One row an account. A try is counted before the code is looked at, in one statement, and given back when the code
//! was right: however many try at once, on however many nodes, no more than [`WRONG_CODES`] are looked at in vain.

use aggregates::values::UserId;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError};

use crate::ports::clock::micros;

/// Wrong codes of an account in one window.
pub const WRONG_CODES: i64 = 10;
/// The window.
pub const WINDOW: TimeDelta = TimeDelta::minutes(10);

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
    const SQL: &str = "INSERT INTO second_factor_failures (user_id, window_began, failures) VALUES ($1, $2, 1) \
        ON CONFLICT (user_id) DO UPDATE SET \
        failures = CASE WHEN second_factor_failures.window_began <= $3 THEN 1 \
                        ELSE second_factor_failures.failures + 1 END, \
        window_began = CASE WHEN second_factor_failures.window_began <= $3 THEN excluded.window_began \
                            ELSE second_factor_failures.window_began END \
        WHERE second_factor_failures.window_began <= $3 OR second_factor_failures.failures < $4";
    let row = vec![
        user.to_string().into(),
        micros(now).into(),
        micros(now - WINDOW).into(),
        WRONG_CODES.into(),
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
    const SQL: &str = "SELECT window_began FROM second_factor_failures WHERE user_id = $1";
    let rows = database.query(SQL, &[user.to_string().into()]).await?;
    let began = rows.first().map(|row| row.int(0)).transpose()?;
    let left =
        began.unwrap_or_default() + WINDOW.num_microseconds().unwrap_or_default() - micros(now);
    let seconds = u32::try_from(left / 1_000_000).unwrap_or_default();
    Ok(Attempt::RetryAfter(seconds.saturating_add(1)))
}

/// Gives a try back: the code was right, or was not looked at.
///
/// # Errors
/// The database failed.
pub async fn give_back(database: &Database, user: UserId) -> Result<(), DbError> {
    const SQL: &str = "UPDATE second_factor_failures SET failures = failures - 1 \
                       WHERE user_id = $1 AND failures > 0";
    let row = vec![user.to_string().into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}

/// Removes rows whose window is over.
///
/// # Errors
/// The database failed.
pub async fn sweep(database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM second_factor_failures WHERE window_began <= $1";
    let row = vec![micros(now - WINDOW).into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}
