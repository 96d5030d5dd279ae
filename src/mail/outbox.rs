//! The outbox: each mail once, sealed until it was sent.
//!
//! A node takes a mail for a while before it sends it, so that no other sends it too. When the node dies after the
//! server took the mail and before that was noted, it goes once more, with the same identity: SMTP knows no other way.

use aggregates::values::UserId;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError, Row, Statement, Value};
use futures::StreamExt as _;

use super::letters::Letter;
use super::message::Written;
use super::tokens::{self, MailToken};
use super::transport::{SendError, file_stem};
use super::{MailError, Recipient};
use crate::app::App;
use crate::keyring::{MailTable, VaultError};
use crate::ports::clock::{self, micros};
use crate::ports::ids::Token;

/// For how long a node has a mail. Longer than sending may take.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Mails of one turn, and those that are under way at once.
const TURN: i64 = 20;
const AT_ONCE: usize = 4;
/// The longest wait between two tries.
const LONGEST_SECONDS: i64 = 6 * 3600;
/// For how long it is remembered that a mail was sent, and a parked one is kept, sealed, to be sent after all. Events older than a day make no mail.
const REMEMBERED: TimeDelta = TimeDelta::days(7);

/// For how long the last mail of somebody who was erased may wait or be parked: it holds their address, of which nothing
/// is to be left.
const LAST_MAIL_KEPT: TimeDelta = TimeDelta::hours(24);
/// What the identity of such a mail ends in.
pub const LAST_MAIL: &str = "account-erased";

/// A mail to write.
#[derive(Debug)]
pub struct NewMail {
    /// What caused it, and its kind.
    pub id: String,
    /// To whom.
    pub to: Recipient,
    /// What it says.
    pub letter: Letter,
    /// The token of its link.
    pub token: Option<(Token, MailToken)>,
}

/// Whether there is or was such a mail.
///
/// # Errors
/// The database failed.
pub async fn has(app: &App, mail_id: &str) -> Result<bool, DbError> {
    const SQL: &str = "SELECT 1 FROM outbox WHERE mail_id = $1";
    Ok(!app.database.query(SQL, &[mail_id.into()]).await?.is_empty())
}

/// Writes a mail, and does what goes with it in the same transaction. A mail that there is already stays as it is.
///
/// # Errors
/// The database failed, or there is no randomness.
pub async fn put(
    app: &App,
    mail: NewMail,
    with: Vec<Statement>,
    now: DateTime<Utc>,
) -> Result<(), MailError> {
    let mut statements = with;
    let is_known = has(app, &mail.id).await?;
    if !is_known {
        if let Some((token, made)) = &mail.token {
            statements.push(tokens::insert(token, *made, now));
        }
        statements.push(insert(app, &mail, now)?);
    }
    if !statements.is_empty() {
        app.database.execute(statements).await?;
    }
    app.bells.ring_outbox();
    Ok(())
}

fn insert(app: &App, mail: &NewMail, now: DateTime<Utc>) -> Result<Statement, VaultError> {
    const SQL: &str = "INSERT INTO outbox (mail_id, user_id, state, sealed_letter, master_key_id, attempts, due_at, \
                       lease_until, node_id, created_at) VALUES ($1, $2, 'waiting', $3, $4, 0, $5, 0, '', $6) \
                       ON CONFLICT (mail_id) DO NOTHING";
    let written = Written::new(&mail.letter, &mail.to, &app.config.network.service_name);
    let bytes = serde_json::to_vec(&written).unwrap_or_default();
    let sealed = app.vault.seal_entry(MailTable::Outbox, &mail.id, &bytes)?;
    let row = vec![
        mail.id.as_str().into(),
        Value::Text(mail.to.user.map(|user: UserId| user.to_string())),
        sealed.into(),
        app.vault.master_key_id(),
        micros(now).into(),
        micros(now).into(),
    ];
    Ok((SQL.into(), row))
}

/// A mail that is due.
struct Due {
    id: String,
    attempts: i64,
    sealed: Vec<u8>,
    created_at: DateTime<Utc>,
}

fn due(row: &Row) -> Result<Due, DbError> {
    let created_at = DateTime::from_timestamp_micros(row.int(3)?);
    Ok(Due {
        id: row.text(0)?,
        attempts: row.int(1)?,
        // Without a letter it does not open, and is parked.
        sealed: row.opt_bytes(2)?.unwrap_or_default(),
        created_at: created_at.ok_or_else(|| DbError::decode("a time out of range"))?,
    })
}

/// Sends some of what is due; false when nothing was.
///
/// # Errors
/// The database failed.
pub async fn send_due(app: &App, now: DateTime<Utc>) -> Result<bool, DbError> {
    const SQL: &str = "SELECT mail_id, attempts, sealed_letter, created_at FROM outbox WHERE state = 'waiting' \
                       AND due_at <= $1 AND lease_until <= $1 ORDER BY due_at LIMIT $2";
    let due_rows = app
        .database
        .query(SQL, &[micros(now).into(), TURN.into()])
        .await?;
    let mails = due_rows.iter().map(due).collect::<Result<Vec<_>, _>>()?;
    let mut sending = futures::stream::iter(mails)
        .map(|mail| send_one(app, mail))
        .buffer_unordered(AT_ONCE);
    while let Some(sent) = sending.next().await {
        sent?;
    }
    Ok(!due_rows.is_empty())
}

async fn send_one(app: &App, mail: Due) -> Result<(), DbError> {
    if !take(app, &mail.id, clock::now()).await? {
        return Ok(());
    }
    let tries = mail.attempts + 1;
    let outcome = if mail.attempts >= app.config.mail.attempts {
        Err(SendError::NotNow("it was tried too often".to_owned()))
    } else {
        deliver(app, &mail).await
    };
    let error = match outcome {
        Ok(()) => {
            metrics::counter!("gatelog_mails_sent_total").increment(1);
            return sent(app, &mail.id).await;
        }
        Err(error) => error,
    };
    let is_for_good = matches!(error, SendError::Refused(_));
    if is_for_good || tries >= app.config.mail.attempts {
        metrics::counter!("gatelog_mails_parked_total").increment(1);
        tracing::error!(mail = mail.id, tries, %error, "a mail is parked: it was not sent");
        return settle(app, &mail.id, "parked", clock::now()).await;
    }
    let delay = delay_seconds(app.config.mail.retry_seconds, tries);
    tracing::warn!(mail = mail.id, tries, delay, %error, "a mail was not sent and will be tried again");
    settle(
        app,
        &mail.id,
        "waiting",
        clock::now() + TimeDelta::seconds(delay),
    )
    .await
}

/// Takes the mail for this node; false when somebody else has it.
async fn take(app: &App, mail_id: &str, now: DateTime<Utc>) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE outbox SET attempts = attempts + 1, lease_until = $1, node_id = $2 \
                       WHERE mail_id = $3 AND state = 'waiting' AND due_at <= $4 AND lease_until <= $4";
    let row = vec![
        micros(now + LEASE).into(),
        app.node_id.to_string().into(),
        mail_id.into(),
        micros(now).into(),
    ];
    let affected = app.database.execute(vec![(SQL.into(), row)]).await?;
    Ok(affected.first() == Some(&1))
}

async fn deliver(app: &App, mail: &Due) -> Result<(), SendError> {
    let refused = |reason: &str| SendError::Refused(reason.to_owned());
    let opened = app
        .vault
        .open_entry(MailTable::Outbox, &mail.id, &mail.sealed);
    let opened = opened.map_err(|_| refused("a letter that does not open"))?;
    let written: Written =
        serde_json::from_slice(&opened).map_err(|_| refused("a letter that is none"))?;
    let message = written.message(&app.config.mail.from, &mail.id, mail.created_at);
    let message = message.map_err(|error| refused(&error.to_string()))?;
    let name = file_stem(mail.created_at, &mail.id);
    app.transport.send(message, &name).await
}

/// The letter goes; that it was sent stays.
async fn sent(app: &App, mail_id: &str) -> Result<(), DbError> {
    const SQL: &str = "UPDATE outbox SET state = 'sent', sealed_letter = NULL, user_id = NULL \
                       WHERE mail_id = $1 AND node_id = $2 AND state = 'waiting'";
    let row = vec![mail_id.into(), app.node_id.to_string().into()];
    app.database
        .execute(vec![(SQL.into(), row)])
        .await
        .map(|_| ())
}

async fn settle(
    app: &App,
    mail_id: &str,
    state: &str,
    due_at: DateTime<Utc>,
) -> Result<(), DbError> {
    const SQL: &str = "UPDATE outbox SET state = $1, due_at = $2, lease_until = 0 \
                       WHERE mail_id = $3 AND node_id = $4 AND state = 'waiting'";
    let row = vec![
        state.into(),
        micros(due_at).into(),
        mail_id.into(),
        app.node_id.to_string().into(),
    ];
    app.database
        .execute(vec![(SQL.into(), row)])
        .await
        .map(|_| ())
}

/// Three times as long after each try.
fn delay_seconds(first: i64, tries: i64) -> i64 {
    let exponent = u32::try_from(tries - 1).unwrap_or_default();
    let delay = first.saturating_mul(3_i64.saturating_pow(exponent));
    delay.min(LONGEST_SECONDS)
}

/// Forgets mails that were sent or given up long ago, and last mails that were not sent within a day.
///
/// # Errors
/// The database failed.
pub async fn sweep(app: &App, now: DateTime<Utc>) -> Result<(), DbError> {
    const OLD: &str = "DELETE FROM outbox WHERE state <> 'waiting' AND created_at < $1";
    const LAST: &str =
        "DELETE FROM outbox WHERE state <> 'sent' AND created_at < $1 AND mail_id LIKE $2";
    let old = vec![micros(now - REMEMBERED).into()];
    let last = vec![
        micros(now - LAST_MAIL_KEPT).into(),
        format!("%/{LAST_MAIL}").into(),
    ];
    let statements = vec![(OLD.into(), old), (LAST.into(), last)];
    app.database.execute(statements).await.map(|_| ())
}

/// A mail that is tried no more.
#[derive(Debug)]
pub struct Parked {
    /// Its identity: the event that it tells of, and its kind.
    pub id: String,
    /// Of whom; nobody of a last mail.
    pub user_id: Option<String>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// Parked mails in the order of their identities, at most `limit` behind `after`.
///
/// # Errors
/// The database failed.
pub async fn parked(database: &Database, after: &str, limit: i64) -> Result<Vec<Parked>, DbError> {
    const SQL: &str = "SELECT mail_id, user_id, created_at FROM outbox WHERE state = 'parked' \
                       AND mail_id > $1 ORDER BY mail_id LIMIT $2";
    let rows = database.query(SQL, &[after.into(), limit.into()]).await?;
    let parked = |row: &Row| {
        let created_at = DateTime::from_timestamp_micros(row.int(2)?);
        Ok(Parked {
            id: row.text(0)?,
            user_id: row.opt_text(1)?,
            created_at: created_at.ok_or_else(|| DbError::decode("a time out of range"))?,
        })
    };
    rows.iter().map(parked).collect()
}

/// Lets a parked mail, or each of them, be tried as often as a new one; how many there were.
///
/// # Errors
/// The database failed.
pub async fn retry(database: &Database, mail_id: Option<&str>) -> Result<u64, DbError> {
    const ALL: &str =
        "UPDATE outbox SET state = 'waiting', attempts = 0, due_at = 0 WHERE state = 'parked'";
    let statement = match mail_id {
        None => (ALL.to_owned(), Vec::new()),
        Some(id) => (format!("{ALL} AND mail_id = $1"), vec![id.into()]),
    };
    let affected = database.execute(vec![statement]).await?;
    Ok(affected.first().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_waits_longer_than_the_one_before_up_to_six_hours() {
        let delays: Vec<i64> = (1..=10).map(|tries| delay_seconds(5, tries)).collect();
        assert_eq!(
            delays,
            [5, 15, 45, 135, 405, 1215, 3645, 10935, 21600, 21600]
        );
        assert_eq!(delay_seconds(3600, 50), LONGEST_SECONDS);
    }
}
