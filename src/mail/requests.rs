//! What strangers ask for by an address: a row, whatever the address is, so that the answer and its time tell nothing. A
//! chore looks up what is to be done.

use aggregates::values::{DisplayName, EmailAddress};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{DbError, Row, Statement};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::MailError;
use crate::app::App;
use crate::keyring::{MailTable, VaultError};
use crate::ports::clock::micros;
use crate::ports::ids;
use crate::{password_reset, pending_registration};

/// Requests that wait at most; more are refused, whatever the address is.
const MOST: i64 = 10_000;
/// Requests of one turn.
const TURN: i64 = 200;
/// For how long a node has a request.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// A request is looked at when its answer has gone: the work of a mail would hold that of a known address up.
pub const AFTER: TimeDelta = TimeDelta::milliseconds(50);
/// A request that could not be answered for so long is dropped.
const KEEP: TimeDelta = TimeDelta::hours(1);

/// What is asked for, as it waits, sealed.
#[derive(Serialize, Deserialize)]
pub enum Request {
    /// A new password for the account with this address.
    PasswordReset {
        /// The address.
        email: String,
    },
    /// An account, once the address is confirmed.
    Registration(Registration),
}

/// An account that waits for the confirmation of its address.
#[derive(Serialize, Deserialize)]
pub struct Registration {
    /// The address.
    pub email: String,
    /// The name.
    pub name: Option<String>,
    /// The hash of the password.
    pub phc: Zeroizing<String>,
    /// Its pepper.
    pub pepper_id: String,
}

impl Registration {
    /// The address and the name, as they were checked.
    ///
    /// # Errors
    /// They are none.
    pub fn parsed(&self) -> Result<(EmailAddress, Option<DisplayName>), MailError> {
        let email = EmailAddress::parse(&self.email).map_err(MailError::hopeless)?;
        let name = self.name.as_deref().map(DisplayName::parse).transpose();
        Ok((email, name.map_err(MailError::hopeless)?))
    }
}

impl Request {
    fn kind(&self) -> &'static str {
        match self {
            Self::PasswordReset { .. } => "password_reset",
            Self::Registration(_) => "registration",
        }
    }
}

/// Writes a request; false when too many wait.
///
/// # Errors
/// The database failed, or there is no randomness.
pub async fn put(app: &App, request: &Request, now: DateTime<Utc>) -> Result<bool, VaultError> {
    const SQL: &str = "INSERT INTO mail_requests (request_id, kind, sealed_request, master_key_id, lease_until, created_at) \
        SELECT $1, $2, $3, $4, 0, $5 WHERE (SELECT COUNT(*) FROM mail_requests) < $6";
    let id = ids::new_id().to_string();
    let bytes = Zeroizing::new(serde_json::to_vec(request).unwrap_or_default());
    let sealed = app.vault.seal_entry(MailTable::Requests, &id, &bytes)?;
    let row = vec![
        id.into(),
        request.kind().into(),
        sealed.into(),
        app.vault.master_key_id(),
        micros(now).into(),
        MOST.into(),
    ];
    let affected = app.database.execute(vec![(SQL.into(), row)]).await?;
    app.bells.ring_requests();
    Ok(affected.first() == Some(&1))
}

/// What removes a request that was answered.
pub fn removal(request_id: &str) -> Statement {
    const SQL: &str = "DELETE FROM mail_requests WHERE request_id = $1";
    (SQL.into(), vec![request_id.into()])
}

/// Answers the requests that have waited for [`AFTER`], until none has.
///
/// # Errors
/// The database failed; what was not answered comes again.
pub async fn look(app: &App, now: DateTime<Utc>) -> Result<(), MailError> {
    const SQL: &str = "SELECT request_id, sealed_request, created_at FROM mail_requests \
                       WHERE lease_until <= $1 AND created_at <= $2 ORDER BY created_at LIMIT $3";
    let (now_micros, before) = (micros(now), micros(now - AFTER));
    loop {
        let params = [now_micros.into(), before.into(), TURN.into()];
        let rows = app.database.query(SQL, &params).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            answer(app, row, now).await?;
        }
    }
}

async fn answer(app: &App, row: &Row, now: DateTime<Utc>) -> Result<(), MailError> {
    let id = row.text(0)?;
    if !take(app, &id, now).await? {
        return Ok(());
    }
    let is_late = row.int(2)? < micros(now - KEEP);
    let answered = if is_late {
        Err(MailError::hopeless("it waited for too long"))
    } else {
        answer_one(app, &id, &row.bytes(1)?, now).await
    };
    match answered {
        Ok(()) => Ok(()),
        Err(MailError::Hopeless(error)) => {
            tracing::error!(
                request = id,
                error,
                "a request that was to be answered by mail is dropped"
            );
            app.database.execute(vec![removal(&id)]).await?;
            Ok(())
        }
        // Its lease runs out, and it comes again.
        Err(error) => Err(error),
    }
}

async fn answer_one(
    app: &App,
    id: &str,
    sealed: &[u8],
    now: DateTime<Utc>,
) -> Result<(), MailError> {
    let opened = app.vault.open_entry(MailTable::Requests, id, sealed)?;
    match serde_json::from_slice(&opened).map_err(MailError::hopeless)? {
        Request::PasswordReset { email } => {
            let email = EmailAddress::parse(&email).map_err(MailError::hopeless)?;
            password_reset::mail_link(app, id, &email, now).await
        }
        Request::Registration(registration) => {
            pending_registration::mail_link(app, id, &registration, now).await
        }
    }
}

async fn take(app: &App, id: &str, now: DateTime<Utc>) -> Result<bool, DbError> {
    const SQL: &str =
        "UPDATE mail_requests SET lease_until = $1 WHERE request_id = $2 AND lease_until <= $3";
    let row = vec![micros(now + LEASE).into(), id.into(), micros(now).into()];
    let affected = app.database.execute(vec![(SQL.into(), row)]).await?;
    Ok(affected.first() == Some(&1))
}
