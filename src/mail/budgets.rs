//! How much may be asked for in a window of an hour: one row a key, counted in one statement.

use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError};

use crate::ports::clock::micros;

/// The window.
const WINDOW: TimeDelta = TimeDelta::hours(1);

/// Takes one of `most` from the budget of `key`; false when nothing is left.
///
/// # Errors
/// The database failed.
pub async fn take(
    database: &Database,
    key: &str,
    most: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    const SQL: &str = "INSERT INTO mail_budgets (budget_key, window_began, used) VALUES ($1, $2, 1) \
        ON CONFLICT (budget_key) DO UPDATE SET \
        used = CASE WHEN mail_budgets.window_began <= $3 THEN 1 ELSE mail_budgets.used + 1 END, \
        window_began = CASE WHEN mail_budgets.window_began <= $3 THEN excluded.window_began \
                            ELSE mail_budgets.window_began END \
        WHERE mail_budgets.window_began <= $3 OR mail_budgets.used < $4";
    let row = vec![
        key.into(),
        micros(now).into(),
        micros(now - WINDOW).into(),
        most.into(),
    ];
    let affected = database.execute(vec![(SQL.into(), row)]).await?;
    Ok(affected.first() == Some(&1))
}

/// Gives one back that was taken for nothing.
///
/// # Errors
/// The database failed.
pub async fn give_back(database: &Database, key: &str) -> Result<(), DbError> {
    const SQL: &str = "UPDATE mail_budgets SET used = used - 1 WHERE budget_key = $1 AND used > 0";
    let row = vec![key.into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}

/// Whether nothing of `most` is left.
///
/// # Errors
/// The database failed.
pub async fn is_spent(
    database: &Database,
    key: &str,
    most: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    const SQL: &str = "SELECT 1 FROM mail_budgets \
                       WHERE budget_key = $1 AND used >= $2 AND window_began > $3";
    let params = [key.into(), most.into(), micros(now - WINDOW).into()];
    Ok(!database.query(SQL, &params).await?.is_empty())
}

/// Removes windows that are over.
///
/// # Errors
/// The database failed.
pub async fn sweep(database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM mail_budgets WHERE window_began <= $1";
    let row = vec![micros(now - WINDOW).into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}
