//! Wrong codes of each account in its present window, until the log has their number: those at sign-ins, after a right
//! password, apart from those in sessions.
//!
//! How many are looked at is limited elsewhere (`attempts`); here they are only counted.

use aggregates::user::SecondFactorStage;
use aggregates::values::UserId;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError, Value};

use crate::ports::clock::micros;

/// As many wrong codes in a window are a flood: the tries of one challenge.
pub const FLOOD: i64 = 5;
/// The window.
pub const WINDOW: TimeDelta = TimeDelta::hours(1);

/// A window of an account's wrong codes.
#[derive(Debug, Clone)]
pub struct Window {
    /// Whose.
    pub user: UserId,
    /// Where they were asked for.
    pub stage: SecondFactorStage,
    /// Since.
    pub began_at: DateTime<Utc>,
    /// How many, so far.
    pub failures: i64,
    /// Whether the log knows of the flood.
    pub is_announced: bool,
}

/// Counts one.
///
/// # Errors
/// The database failed.
pub async fn count(
    database: &Database,
    user: UserId,
    stage: SecondFactorStage,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO second_factor_floods (user_id, stage, window_began, failures, is_announced) \
        VALUES ($1, $2, $3, 1, 0) \
        ON CONFLICT (user_id, stage) DO UPDATE SET failures = second_factor_floods.failures + 1";
    let row = vec![
        user.to_string().into(),
        stage.as_str().into(),
        micros(now).into(),
    ];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}

/// Windows that the log is to hear of: floods that it does not know yet, and those of known floods that are over. In
/// the order of accounts and stages, after `after`.
///
/// # Errors
/// The database failed.
pub async fn due(
    database: &Database,
    after: (&str, &str),
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Window>, DbError> {
    const SQL: &str = "SELECT user_id, stage, window_began, failures, is_announced FROM second_factor_floods \
        WHERE (user_id, stage) > ($1, $2) AND ((is_announced = 0 AND failures >= $3) \
            OR (is_announced = 1 AND window_began <= $4)) \
        ORDER BY user_id, stage LIMIT $5";
    let params: [Value; 5] = [
        after.0.into(),
        after.1.into(),
        FLOOD.into(),
        micros(now - WINDOW).into(),
        limit.into(),
    ];
    let rows = database.query(SQL, &params).await?;
    rows.iter().map(window).collect()
}

fn window(row: &eventlog::Row) -> Result<Window, DbError> {
    let user = row.text(0)?.parse();
    let stage = row.text(1)?.parse();
    let began_at = DateTime::from_timestamp_micros(row.int(2)?);
    Ok(Window {
        user: user.map_err(|_| DbError::decode("an account that is none"))?,
        stage: stage.map_err(|_| DbError::decode("a stage that is none"))?,
        began_at: began_at.ok_or_else(|| DbError::decode("a time that is none"))?,
        failures: row.int(3)?,
        is_announced: row.int(4)? == 1,
    })
}

/// Notes that the log knows of the flood.
///
/// # Errors
/// The database failed.
pub async fn announced(database: &Database, window: &Window) -> Result<(), DbError> {
    const SQL: &str = "UPDATE second_factor_floods SET is_announced = 1 \
                       WHERE user_id = $1 AND stage = $2 AND window_began = $3";
    let key = vec![
        window.user.to_string().into(),
        window.stage.as_str().into(),
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
    const SQL: &str = "UPDATE second_factor_floods SET window_began = $1, failures = failures - $2, is_announced = $3 \
                       WHERE user_id = $4 AND stage = $5 AND window_began = $6";
    let row = vec![
        micros(now).into(),
        window.failures.into(),
        i64::from(!is_over).into(),
        window.user.to_string().into(),
        window.stage.as_str().into(),
        micros(window.began_at).into(),
    ];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}

/// Removes windows that are over and were no flood.
///
/// # Errors
/// The database failed.
pub async fn sweep(database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM second_factor_floods WHERE is_announced = 0 AND window_began <= $1 AND failures < $2";
    let row = vec![micros(now - WINDOW).into(), FLOOD.into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}
