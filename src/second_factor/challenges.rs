//! Sign-ins that wait for their second factor: the password was right, and there is no session yet.
//!
//! A table, so that any node can go on. It holds the hash of the challenge only, as with tokens.

use aggregates::values::{DeviceName, PasswordId, TokenHash, TotpId, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError, Row, Value};

use crate::keyring::{Vault, VaultError};
use crate::ports::clock::micros;
use crate::ports::ids::{Token, token_digest};
use crate::sign_in::SecondFactorDue;

/// How long a challenge is good.
pub const LIFE: TimeDelta = TimeDelta::minutes(5);
/// How many codes may be tried with it.
const TRIES: i64 = 5;
/// Added to the tries of a challenge that is used up.
const SPENT: i64 = 1000;
/// Challenges of one account at once; the newest stay.
const PER_ACCOUNT: i64 = 20;

/// A challenge that is good, as it was made.
#[derive(Debug)]
pub struct Challenge {
    hash: String,
    /// Whose.
    pub user_id: UserId,
    /// The password that was right.
    pub password_id: PasswordId,
    /// The second factor that was on.
    pub totp_id: TotpId,
    /// The name that the person gave the device.
    pub device_name: Option<DeviceName>,
}

/// Makes one.
///
/// # Errors
/// The database failed, or there is no randomness.
pub async fn create(
    database: &Database,
    vault: &Vault,
    due: &SecondFactorDue,
    device_name: Option<&DeviceName>,
    now: DateTime<Utc>,
) -> Result<Token, VaultError> {
    const KEEP: &str = "DELETE FROM sign_in_challenges WHERE user_id = $1 AND challenge_hash NOT IN \
        (SELECT challenge_hash FROM sign_in_challenges WHERE user_id = $2 ORDER BY created_at DESC LIMIT $3)";
    const INSERT: &str = "INSERT INTO sign_in_challenges (challenge_hash, user_id, password_id, totp_id, \
        sealed_device_name, tries, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, 0, $6, $7)";
    let token = Token::generate().map_err(crate::keyring::KeyringError::from)?;
    let hash = hash_text(token.expose());
    let name = device_name.map(|name| vault.seal_device_name(&hash, name.as_str()));
    let user: Value = due.user_id().to_string().into();
    let keep = vec![user.clone(), user.clone(), (PER_ACCOUNT - 1).into()];
    let row = vec![
        hash.into(),
        user,
        due.password_id().to_string().into(),
        due.totp_id().to_string().into(),
        Value::Bytes(name.transpose()?),
        micros(now).into(),
        micros(now + LIFE).into(),
    ];
    database
        .execute(vec![(KEEP.into(), keep), (INSERT.into(), row)])
        .await?;
    Ok(token)
}

/// The challenge with this text, if it is good.
///
/// # Errors
/// The database failed.
pub async fn find(
    database: &Database,
    vault: &Vault,
    text: &str,
    now: DateTime<Utc>,
) -> Result<Option<Challenge>, VaultError> {
    const SQL: &str = "SELECT user_id, password_id, totp_id, sealed_device_name FROM sign_in_challenges \
                       WHERE challenge_hash = $1 AND expires_at > $2 AND tries < $3";
    let hash = hash_text(text);
    let key = [hash.as_str().into(), micros(now).into(), TRIES.into()];
    let rows = database.query(SQL, &key).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let name = row.opt_bytes(3)?;
    let name = name.map(|sealed| vault.open_device_name(&hash, &sealed));
    Ok(Some(Challenge {
        user_id: typed(row, 0)?,
        password_id: typed(row, 1)?,
        totp_id: typed(row, 2)?,
        device_name: name
            .transpose()?
            .and_then(|name| DeviceName::parse(&name).ok()),
        hash,
    }))
}

/// Counts a try, before the code is looked at. False when the challenge is good no more.
///
/// # Errors
/// The database failed.
pub async fn count_try(
    database: &Database,
    challenge: &Challenge,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE sign_in_challenges SET tries = tries + 1 \
                       WHERE challenge_hash = $1 AND expires_at > $2 AND tries < $3";
    let row = vec![
        challenge.hash.as_str().into(),
        micros(now).into(),
        TRIES.into(),
    ];
    let affected = database.execute(vec![(SQL.into(), row)]).await?;
    Ok(affected.first() == Some(&1))
}

/// Uses a challenge up, once: false when somebody else did. Its row stays until its time is over.
///
/// # Errors
/// The database failed.
pub async fn spend(database: &Database, challenge: &Challenge) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE sign_in_challenges SET tries = tries + $1 \
                       WHERE challenge_hash = $2 AND tries < $1";
    let row = vec![SPENT.into(), challenge.hash.as_str().into()];
    let affected = database.execute(vec![(SQL.into(), row)]).await?;
    Ok(affected.first() == Some(&1))
}

/// Makes a challenge good again whose code was used up by another one; its tries stay counted.
///
/// # Errors
/// The database failed.
pub async fn put_back(database: &Database, challenge: &Challenge) -> Result<(), DbError> {
    const SQL: &str = "UPDATE sign_in_challenges SET tries = tries - $1 \
                       WHERE challenge_hash = $2 AND tries >= $1";
    let row = vec![SPENT.into(), challenge.hash.as_str().into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}

/// Removes challenges past their time.
///
/// # Errors
/// The database failed.
pub async fn sweep(database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM sign_in_challenges WHERE expires_at <= $1";
    let row = vec![micros(now).into()];
    database.execute(vec![(SQL.into(), row)]).await.map(|_| ())
}

fn hash_text(challenge: &str) -> String {
    TokenHash::from_bytes(token_digest(challenge)).to_string()
}

fn typed<T: std::str::FromStr>(row: &Row, column: usize) -> Result<T, DbError> {
    let text = row.text(column)?;
    text.parse()
        .map_err(|_| DbError::decode("an identifier that is none"))
}
