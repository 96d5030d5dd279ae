//! What the links of mails are good for. A row says what a token stands for; whether that still makes sense is decided by
//! the account's events, so a token is good once, whatever dies when.

use aggregates::values::{EmailClaimId, PasswordId, TokenHash, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError, Row, Statement, Value};

use crate::ports::clock::micros;
use crate::ports::ids::{Token, token_digest};

/// How long a link that confirms an address is good.
pub const CONFIRMATION_LIFE: TimeDelta = TimeDelta::hours(24);
/// How long a link that resets a password is good.
pub const RESET_LIFE: TimeDelta = TimeDelta::hours(1);

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Confirms the address that the account has.
    Confirm {
        /// The claim on it.
        email_claim_id: EmailClaimId,
    },
    /// Completes a change of the address.
    Change {
        /// The claim on the new one.
        email_claim_id: EmailClaimId,
        /// Which request: when it was made.
        requested_at: DateTime<Utc>,
    },
    /// Replaces a forgotten password.
    Reset {
        /// The claim on the address that the mail went to.
        email_claim_id: EmailClaimId,
        /// The password that was forgotten.
        password_id: PasswordId,
    },
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Confirm { .. } => "confirm",
            Self::Change { .. } => "change",
            Self::Reset { .. } => "reset",
        }
    }

    fn life(self) -> TimeDelta {
        match self {
            Self::Confirm { .. } | Self::Change { .. } => CONFIRMATION_LIFE,
            Self::Reset { .. } => RESET_LIFE,
        }
    }
}

/// A token as it was made.
#[derive(Debug, Clone, Copy)]
pub struct MailToken {
    /// Whose account.
    pub user_id: UserId,
    /// What for.
    pub purpose: Purpose,
}

/// What stores the hash of a new token.
pub fn insert(token: &Token, made: MailToken, now: DateTime<Utc>) -> Statement {
    const SQL: &str = "INSERT INTO mail_tokens (token_hash, purpose, user_id, email_claim_id, password_id, \
                       requested_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (claim, password, requested) = match made.purpose {
        Purpose::Confirm { email_claim_id } => (email_claim_id, None, None),
        Purpose::Change {
            email_claim_id,
            requested_at,
        } => (email_claim_id, None, Some(micros(requested_at))),
        Purpose::Reset {
            email_claim_id,
            password_id,
        } => (email_claim_id, Some(password_id.to_string()), None),
    };
    let row = vec![
        hash_text(token.expose()).into(),
        made.purpose.name().into(),
        made.user_id.to_string().into(),
        claim.to_string().into(),
        Value::Text(password),
        Value::Int(requested),
        micros(now + made.purpose.life()).into(),
    ];
    (SQL.into(), row)
}

/// What a token is good for, if it is not too old.
///
/// # Errors
/// The database failed.
pub async fn find(
    database: &Database,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Option<MailToken>, DbError> {
    const SQL: &str = "SELECT purpose, user_id, email_claim_id, password_id, requested_at FROM mail_tokens \
                       WHERE token_hash = $1 AND expires_at > $2";
    let key = [hash_text(token).into(), micros(now).into()];
    let rows = database.query(SQL, &key).await?;
    rows.first().map(from_row).transpose()
}

fn from_row(row: &Row) -> Result<MailToken, DbError> {
    let email_claim_id = typed(row, 2)?;
    let purpose = match row.text(0)?.as_str() {
        "confirm" => Purpose::Confirm { email_claim_id },
        "change" => Purpose::Change {
            email_claim_id,
            requested_at: DateTime::from_timestamp_micros(row.int(4)?)
                .ok_or_else(|| DbError::decode("a time out of range"))?,
        },
        "reset" => Purpose::Reset {
            email_claim_id,
            password_id: typed(row, 3)?,
        },
        _ => return Err(DbError::decode("an unknown purpose")),
    };
    Ok(MailToken {
        user_id: typed(row, 1)?,
        purpose,
    })
}

fn typed<T: std::str::FromStr>(row: &Row, column: usize) -> Result<T, DbError> {
    let text = row.text(column)?;
    text.parse()
        .map_err(|_| DbError::decode("an identifier that is none"))
}

/// Removes every token of an account that is for the same.
///
/// # Errors
/// The database failed.
pub async fn remove(database: &Database, like: MailToken) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM mail_tokens WHERE user_id = $1 AND purpose = $2";
    let key = vec![like.user_id.to_string().into(), like.purpose.name().into()];
    database.execute(vec![(SQL.into(), key)]).await.map(|_| ())
}

/// Removes tokens past their time.
///
/// # Errors
/// The database failed.
pub async fn sweep(database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM mail_tokens WHERE expires_at <= $1";
    let row = vec![micros(now).into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}

/// The form in which a token is kept.
pub fn hash_text(token: &str) -> String {
    TokenHash::from_bytes(token_digest(token)).to_string()
}
