//! Registrations with `REGISTRATION=verify_first`: nothing is registered before the address is confirmed.
//!
//! What waits is sealed in a table, under the hash of its token. The request that confirms it takes the row for a while
//! before it registers, so that of racing ones exactly one does, and a node that dies leaves the link good.
//!
//! The link proves whose the address is, and not who chose the password: a stranger may have registered it. So whoever
//! uses the link tells the password as well, and nobody confirms one that is not theirs.

use std::net::IpAddr;

use aggregates::values::{EmailAddress, Password};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{DbError, Statement};
use projections::email_claims;
use zeroize::Zeroizing;

use crate::accounts::{self, NewAccount, RegisterError};
use crate::app::{Acting, App};
use crate::config;
use crate::keyring::{MailTable, VaultError};
use crate::mail::letters::Letter;
use crate::mail::outbox::{self, NewMail};
use crate::mail::requests::{self, Registration};
use crate::mail::{MailError, Person, Recipient, budgets, link, tokens};
use crate::policies::settle_email_changes;
use crate::ports::clock::micros;
use crate::ports::ids::Token;
use crate::ports::passwords::{HashedPassword, PasswordError};

/// Mails of this kind to one address in an hour; more are left out, silently.
const MAILS_AN_HOUR: i64 = 3;
/// Registrations that wait at most.
const MOST: i64 = 100_000;
/// For how long a request has a row.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// Wrong passwords in an hour of which the last one ends a link.
const WRONG_PASSWORDS_AN_HOUR: i64 = 6;
/// How often a registration makes others give way.
const ATTEMPTS: usize = 3;

/// Why nobody was registered.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// The registration cannot be read.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The vault or the database.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Another request is using the link.
    #[error("the link is being used by another request")]
    InUse,
    /// It is the link of a registration, and the password of that is wanted too.
    #[error("the password of the registration is missing")]
    PasswordMissing,
    /// The password is not that of the registration.
    #[error("the password is not that of the registration")]
    WrongPassword,
    /// The password could not be checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Registering.
    #[error(transparent)]
    Register(RegisterError),
}

impl From<DbError> for ConfirmError {
    fn from(error: DbError) -> Self {
        Self::Vault(error.into())
    }
}

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// There is an account now; the position of its event.
    Registered(Option<u64>),
    /// It is no such token, or it was used.
    No,
}

/// Whether nobody registers any more, whatever was begun before.
fn is_closed(app: &App) -> bool {
    app.config.tokens.registration == config::Registration::Closed
}

/// Mails a link, or to whom has an account that they have one; and takes the request away.
///
/// # Errors
/// The database failed.
pub async fn mail_link(
    app: &App,
    request_id: &str,
    registration: &Registration,
    now: DateTime<Utc>,
) -> Result<(), MailError> {
    let (email, _) = registration.parsed()?;
    let claim = app.vault.keyring().email_claim_id(&email);
    let done = vec![requests::removal(request_id)];
    let budget = format!("register/{claim}");
    if is_closed(app) || !budgets::take(&app.database, &budget, MAILS_AN_HOUR, now).await? {
        app.database.execute(done).await?;
        return Ok(());
    }
    let holder = match email_claims::holder(&app.database, claim).await? {
        Some(holder) => Person::find(app, holder).await?,
        None => None,
    };
    // Who claims it for a change that waits has proved nothing.
    let owner = holder.filter(|person| person.row.email_claim_id == claim);
    let Some(person) = owner else {
        return mail_confirmation(app, request_id, registration, email, done, now).await;
    };
    let mail = NewMail {
        id: format!("{request_id}/exists"),
        to: person.at_home()?,
        letter: Letter::AccountExists,
        token: None,
    };
    outbox::put(app, mail, done, now).await
}

async fn mail_confirmation(
    app: &App,
    request_id: &str,
    registration: &Registration,
    email: EmailAddress,
    mut done: Vec<Statement>,
    now: DateTime<Utc>,
) -> Result<(), MailError> {
    if waiting(app).await? >= MOST {
        tracing::warn!("too many registrations wait for their confirmation: one is dropped");
        app.database.execute(done).await?;
        return Ok(());
    }
    let token = Token::generate()?;
    done.push(insert(app, &token, registration, now)?);
    let mail = NewMail {
        id: format!("{request_id}/register"),
        to: Recipient {
            user: None,
            email,
            name: None,
        },
        letter: Letter::ConfirmRegistration(link(app, "confirm-email", &token)),
        token: None,
    };
    outbox::put(app, mail, done, now).await
}

async fn waiting(app: &App) -> Result<i64, DbError> {
    let rows = app
        .database
        .query("SELECT COUNT(*) FROM pending_registrations", &[])
        .await?;
    rows.first().map_or(Ok(0), |row| row.int(0))
}

fn insert(
    app: &App,
    token: &Token,
    registration: &Registration,
    now: DateTime<Utc>,
) -> Result<Statement, VaultError> {
    const SQL: &str = "INSERT INTO pending_registrations \
        (token_hash, sealed_registration, master_key_id, lease_until, expires_at) VALUES ($1, $2, $3, 0, $4)";
    let hash = tokens::hash_text(token.expose());
    let bytes = Zeroizing::new(serde_json::to_vec(registration).unwrap_or_default());
    let sealed = app
        .vault
        .seal_entry(MailTable::Registrations, &hash, &bytes)?;
    let row = vec![
        hash.into(),
        sealed.into(),
        app.vault.master_key_id(),
        micros(now + tokens::CONFIRMATION_LIFE).into(),
    ];
    Ok((SQL.into(), row))
}

/// Registers what waits under this token, for who knows its password.
///
/// # Errors
/// See [`ConfirmError`]. The link stays good.
pub async fn confirm(
    app: &App,
    token: &str,
    password: Option<&str>,
    acting: &Acting,
    ip: IpAddr,
    now: DateTime<Utc>,
) -> Result<Confirmed, ConfirmError> {
    const SQL: &str = "SELECT sealed_registration FROM pending_registrations \
                       WHERE token_hash = $1 AND expires_at > $2";
    if is_closed(app) {
        return Ok(Confirmed::No);
    }
    let hash = tokens::hash_text(token);
    // A token that is none costs no write.
    let key = [hash.as_str().into(), micros(now).into()];
    let rows = app.database.query(SQL, &key).await?;
    let Some(row) = rows.first() else {
        return Ok(Confirmed::No);
    };
    let password = Password::new(password.ok_or(ConfirmError::PasswordMissing)?);
    // One at a time, so that the last wrong password is seen to be it.
    if !take(app, &hash, now).await? {
        return in_use_or_gone(app, &hash, now).await;
    }
    // Charged before the password is looked at: whoever hangs up meanwhile has guessed as well.
    let budget = format!("register-wrong/{hash}");
    if !budgets::take(&app.database, &budget, WRONG_PASSWORDS_AN_HOUR, now).await? {
        remove(app, &hash).await?;
        return Ok(Confirmed::No);
    }
    let registered = register(app, &hash, &row.bytes(0)?, password, acting, ip).await;
    let is_over = match &registered {
        Ok(_) | Err(ConfirmError::Register(RegisterError::EmailTaken)) => true,
        Err(ConfirmError::WrongPassword) => {
            budgets::is_spent(&app.database, &budget, WRONG_PASSWORDS_AN_HOUR, now).await?
        }
        Err(_) => false,
    };
    if !matches!(registered, Err(ConfirmError::WrongPassword)) {
        budgets::give_back(&app.database, &budget).await?;
    }
    if is_over {
        remove(app, &hash).await?;
    } else {
        give_back(app, &hash).await?;
    }
    match registered {
        Ok(position) => Ok(Confirmed::Registered(position)),
        Err(_) if is_over => Ok(Confirmed::No),
        Err(error) => Err(error),
    }
}

/// What becomes of a request that did not get the row: another one has it, as after a double click, or has done with it.
async fn in_use_or_gone(
    app: &App,
    hash: &str,
    now: DateTime<Utc>,
) -> Result<Confirmed, ConfirmError> {
    const SQL: &str =
        "SELECT 1 FROM pending_registrations WHERE token_hash = $1 AND expires_at > $2";
    let key = [hash.into(), micros(now).into()];
    if app.database.query(SQL, &key).await?.is_empty() {
        return Ok(Confirmed::No);
    }
    Err(ConfirmError::InUse)
}

async fn register(
    app: &App,
    hash: &str,
    sealed: &[u8],
    password: Password,
    acting: &Acting,
    ip: IpAddr,
) -> Result<Option<u64>, ConfirmError> {
    let opened = app
        .vault
        .open_entry(MailTable::Registrations, hash, sealed)?;
    let kept: Registration = serde_json::from_slice(&opened).map_err(MailError::hopeless)?;
    let (email, name) = kept.parsed()?;
    if !app.passwords.matches(password, kept.phc.clone()).await? {
        return Err(ConfirmError::WrongPassword);
    }
    let account = NewAccount {
        email,
        name,
        roles: Vec::new(),
        is_email_verified: true,
    };
    let password = HashedPassword::from_vault(kept.phc, kept.pepper_id);
    register_proven(app, &account, &password, acting, ip).await
}

/// The address is proven, so a change to it that waits gives way. What becomes the address of an account meanwhile stays.
async fn register_proven(
    app: &App,
    account: &NewAccount,
    password: &HashedPassword,
    acting: &Acting,
    ip: IpAddr,
) -> Result<Option<u64>, ConfirmError> {
    let claim = app.vault.keyring().email_claim_id(&account.email);
    for _ in 0..ATTEMPTS {
        let registered = accounts::register(&app.log, &app.vault, account, password, acting).await;
        match registered {
            Ok(registered) => {
                accounts::remember_network(app, registered.user_id, ip).await;
                return Ok(registered.position);
            }
            Err(RegisterError::EmailTaken) => {}
            Err(error) => return Err(ConfirmError::Register(error)),
        }
        if !settle_email_changes::give_way(app, claim).await? {
            return Err(ConfirmError::Register(RegisterError::EmailTaken));
        }
    }
    Err(MailError::again("the address is being claimed and released").into())
}

async fn take(app: &App, hash: &str, now: DateTime<Utc>) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE pending_registrations SET lease_until = $1 \
                       WHERE token_hash = $2 AND lease_until <= $3 AND expires_at > $3";
    let row = vec![micros(now + LEASE).into(), hash.into(), micros(now).into()];
    let affected = app.database.execute(vec![(SQL.into(), row)]).await?;
    Ok(affected.first() == Some(&1))
}

async fn give_back(app: &App, hash: &str) -> Result<(), DbError> {
    const SQL: &str = "UPDATE pending_registrations SET lease_until = 0 WHERE token_hash = $1";
    let row = vec![hash.into()];
    app.database
        .execute(vec![(SQL.into(), row)])
        .await
        .map(|_| ())
}

async fn remove(app: &App, hash: &str) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM pending_registrations WHERE token_hash = $1";
    let row = vec![hash.into()];
    app.database
        .execute(vec![(SQL.into(), row)])
        .await
        .map(|_| ())
}

/// Removes registrations past their time.
///
/// # Errors
/// The database failed.
pub async fn sweep(app: &App, now: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM pending_registrations WHERE expires_at <= $1";
    let row = vec![micros(now).into()];
    app.database
        .execute(vec![(SQL.into(), row)])
        .await
        .map(|_| ())
}
