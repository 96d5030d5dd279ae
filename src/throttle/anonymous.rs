//! Calls that cost something, so many of each kind within an hour: for a network where they need no token, else for a
//! person.

use std::net::IpAddr;

use aggregates::values::UserId;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError};

use super::gates::network;
use super::{ThrottleError, whole_seconds};
use crate::app::App;
use crate::ports::clock::{self, micros};

/// The window.
const WINDOW: TimeDelta = TimeDelta::hours(1);

/// Kinds of calls, each counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Making an account.
    Registration,
    /// Asking for a mail that resets a password.
    PasswordReset,
    /// Confirming an address, or resetting a password, by what a mail said.
    MailedToken,
    /// A request with an `Idempotency-Key` that was refused.
    IdempotencyKey,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::PasswordReset => "password-reset",
            Self::MailedToken => "mailed-token",
            Self::IdempotencyKey => "idempotency-key",
        }
    }
}

/// Counts a call of a network, before it costs anything.
///
/// # Errors
/// There were too many, or the database failed.
pub async fn charge(app: &App, scope: Scope, ip: IpAddr) -> Result<(), ThrottleError> {
    let subject = subject(app, scope, ip);
    count(app, &subject, app.config.throttles.anonymous_per_hour).await
}

/// Counts a change of a person's name.
///
/// # Errors
/// There were too many, or the database failed.
pub async fn charge_name_change(app: &App, user: UserId) -> Result<(), ThrottleError> {
    let most = app.config.throttles.name_changes_per_hour;
    count_of_person(app, b"name", user, most).await
}

/// Counts an export of a person's account.
///
/// # Errors
/// There were too many, or the database failed.
pub async fn charge_export(app: &App, user: UserId) -> Result<(), ThrottleError> {
    count_of_person(app, b"export", user, app.config.throttles.exports_per_hour).await
}

async fn count_of_person(
    app: &App,
    kind: &[u8],
    user: UserId,
    most: i64,
) -> Result<(), ThrottleError> {
    let user = user.to_string();
    let subject = app.vault.keyring().throttle_mac(&[kind, user.as_bytes()]);
    count(app, &subject, most).await
}

/// One more of `most`.
async fn count(app: &App, subject: &str, most: i64) -> Result<(), ThrottleError> {
    const SQL: &str = "INSERT INTO anonymous_requests (subject, window_began, requests) VALUES ($1, $2, 1) \
        ON CONFLICT (subject) DO UPDATE SET \
        requests = CASE WHEN anonymous_requests.window_began <= $3 THEN 1 \
                        ELSE anonymous_requests.requests + 1 END, \
        window_began = CASE WHEN anonymous_requests.window_began <= $3 THEN excluded.window_began \
                            ELSE anonymous_requests.window_began END \
        WHERE anonymous_requests.window_began <= $3 OR anonymous_requests.requests < $4";
    let now = clock::now();
    let row = vec![
        subject.into(),
        micros(now).into(),
        micros(now - WINDOW).into(),
        most.into(),
    ];
    let affected = app.database.execute(vec![(SQL.into(), row)]).await?;
    if affected.first() == Some(&1) {
        return Ok(());
    }
    let left = left(&app.database, subject, now).await?;
    Err(ThrottleError::TooManyAttempts(whole_seconds(left)))
}

/// Whether there is room for another call. Writes nothing.
///
/// # Errors
/// There were too many, or the database failed.
pub async fn check(app: &App, scope: Scope, ip: IpAddr) -> Result<(), ThrottleError> {
    const SQL: &str = "SELECT window_began FROM anonymous_requests \
                       WHERE subject = $1 AND window_began > $2 AND requests >= $3";
    let now = clock::now();
    let most = app.config.throttles.anonymous_per_hour;
    let row = [
        subject(app, scope, ip).into(),
        micros(now - WINDOW).into(),
        most.into(),
    ];
    let rows = app.database.query(SQL, &row).await?;
    match rows.first() {
        None => Ok(()),
        Some(row) => {
            let left = row.int(0)? - micros(now - WINDOW);
            Err(ThrottleError::TooManyAttempts(whole_seconds(left)))
        }
    }
}

fn subject(app: &App, scope: Scope, ip: IpAddr) -> String {
    let parts: [&[u8]; 3] = [b"anonymous", scope.name().as_bytes(), &network(ip)];
    app.vault.keyring().throttle_mac(&parts)
}

async fn left(database: &Database, subject: &str, now: DateTime<Utc>) -> Result<i64, DbError> {
    const SQL: &str = "SELECT window_began FROM anonymous_requests WHERE subject = $1";
    let rows = database.query(SQL, &[subject.into()]).await?;
    let began = rows.first().map(|row| row.int(0)).transpose()?;
    Ok(began.unwrap_or_default() - micros(now - WINDOW))
}

/// Removes rows whose window is over.
pub async fn sweep(database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM anonymous_requests WHERE window_began <= $1";
    let row = vec![micros(now - WINDOW).into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}
