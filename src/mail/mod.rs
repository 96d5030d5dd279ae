//! Mails: what is written, how it waits, and how it leaves.
//!
//! A mail is written once into the outbox, named by what caused it, with the recipient and the letter sealed. A chore
//! sends it: tried again with growing delay, given up after a number of tries. Nothing here decides anything; whether a
//! link is good is decided where it is used.

pub mod budgets;
pub mod devices;
pub mod letters;
pub mod message;
pub mod outbox;
pub mod requests;
pub mod tokens;
pub mod transport;
pub mod wishes;

use std::sync::Arc;
use std::time::Duration;

use aggregates::values::{EmailAddress, UserId};
use chrono::{DateTime, Utc};
use eventlog::{DbError, Questions};
use projections::users::{self, SealedField, UserRow};
use tokio::sync::Notify;

use crate::app::App;
use crate::keyring::{KeyringError, PersonKey, VaultError, WrappedPersonKey, person_key_of};
use crate::lifecycle::Lifecycle;
use crate::ports::{clock, ids};

/// How long the chores wait at most before they look again: others may have written.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Wakes the chores of this node.
#[derive(Debug, Default)]
pub struct Bells {
    outbox: Notify,
    requests: Notify,
}

impl Bells {
    /// There is a mail to send.
    pub fn ring_outbox(&self) {
        self.outbox.notify_one();
    }

    /// There is a request to look at.
    pub fn ring_requests(&self) {
        self.requests.notify_one();
    }
}

/// Why a mail was not written.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It may go another time.
    #[error("{0}")]
    Again(String),
    /// The event that it follows from cannot be read.
    #[error("{0}")]
    Event(String),
    /// It never goes: what it needs cannot be read.
    #[error("{0}")]
    Hopeless(String),
}

impl MailError {
    /// For failures of the log, which pass.
    pub fn again(error: impl std::fmt::Display) -> Self {
        Self::Again(error.to_string())
    }

    /// For what will be as wrong the next time.
    pub fn hopeless(error: impl std::fmt::Display) -> Self {
        Self::Hopeless(error.to_string())
    }
}

impl From<DbError> for MailError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Decode(_) | DbError::Event(_) => Self::hopeless(error),
            _ => Self::again(error),
        }
    }
}

impl From<VaultError> for MailError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Database(error) => error.into(),
            VaultError::Keyring(KeyringError::DoesNotOpen) => Self::hopeless(error),
            VaultError::Keyring(_) | VaultError::WrongMasterKey { .. } => Self::again(error),
        }
    }
}

impl From<KeyringError> for MailError {
    fn from(error: KeyringError) -> Self {
        VaultError::from(error).into()
    }
}

impl From<ids::NoRandomness> for MailError {
    fn from(error: ids::NoRandomness) -> Self {
        Self::again(error)
    }
}

/// To whom a mail goes.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// Whose account it is about.
    pub user: Option<UserId>,
    /// The address.
    pub email: EmailAddress,
    /// What the person is called; only for an address that is known to be theirs, since anybody may register a
    /// stranger's address with a name that is a message.
    pub name: Option<String>,
}

/// An account and its person's key, as they are stored.
pub type Sealed = (Option<UserRow>, Option<WrappedPersonKey>);

/// A person as mails need them.
pub struct Person {
    /// The account.
    pub row: UserRow,
    /// Opens their texts.
    pub key: PersonKey,
}

impl Person {
    /// The account of `user`; `None` when there is none any more.
    ///
    /// # Errors
    /// The database failed.
    pub async fn find(app: &App, user: UserId) -> Result<Option<Self>, MailError> {
        Self::open(app, app.database.ask(Self::questions(user)).await?)
    }

    /// What has to be asked for [`Self::open`].
    pub fn questions(user: UserId) -> impl Questions<Answers = Sealed> {
        (users::by_id(user), person_key_of(user))
    }

    /// The person of these answers; `None` when there is no account or no key any more.
    ///
    /// # Errors
    /// The key does not open.
    pub fn open(app: &App, (row, key): Sealed) -> Result<Option<Self>, MailError> {
        let Some((row, key)) = row.zip(key) else {
            return Ok(None);
        };
        let key = app.vault.open_person_key(&key)?;
        Ok(Some(Self { row, key }))
    }

    /// The person at one of their addresses.
    ///
    /// # Errors
    /// The address does not open.
    pub fn at(&self, sealed: &SealedField) -> Result<Recipient, MailError> {
        let email = self.key.open(sealed.event_id, "email", &sealed.text)?;
        let name = self
            .row
            .name
            .as_ref()
            .filter(|_| self.row.is_email_verified);
        let name = name.map(|name| self.key.open(name.event_id, "name", &name.text));
        Ok(Recipient {
            user: Some(self.row.user_id),
            email: EmailAddress::parse(&email).map_err(MailError::hopeless)?,
            name: name.transpose()?,
        })
    }

    /// The person at the address that the account has.
    ///
    /// # Errors
    /// The address does not open.
    pub fn at_home(&self) -> Result<Recipient, MailError> {
        self.at(&self.row.email)
    }
}

/// The address of a link of the web application. The token is behind the `#`, which no browser sends to a server.
pub fn link(app: &App, page: &str, token: &ids::Token) -> String {
    let base = &app.config.network.public_url;
    format!("{base}/{page}#token={}", token.expose())
}

/// A time as people read it.
pub fn time_text(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// Starts the chores that look at requests and send mails.
pub fn start(app: &Arc<App>, lifecycle: &Lifecycle) {
    if app.config.mail.smtp.is_none() {
        let folder = app.config.mail.folder.display();
        tracing::warn!(%folder, "SMTP_URL is not set: mails become files");
    }
    let (sender, stop) = (Arc::clone(app), lifecycle.stop_token());
    lifecycle.spawn("send mails", async move {
        while !stop.is_cancelled() {
            match outbox::send_due(&sender, clock::now()).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "mails could not be looked at and wait"),
            }
            wait(&sender.bells.outbox, &stop).await;
        }
    });
    let (app, stop) = (Arc::clone(app), lifecycle.stop_token());
    let after = requests::AFTER.to_std().unwrap_or_default();
    lifecycle.spawn("answer requests by mail", async move {
        while !stop.is_cancelled() {
            tokio::time::sleep(after).await;
            if let Err(error) = requests::look(&app, clock::now()).await {
                tracing::warn!(%error, "requests could not be looked at and wait");
            }
            wait(&app.bells.requests, &stop).await;
        }
    });
}

async fn wait(bell: &Notify, stop: &tokio_util::sync::CancellationToken) {
    tokio::select! {
        () = bell.notified() => {}
        () = tokio::time::sleep(LOOK_AGAIN) => {}
        () = stop.cancelled() => {}
    }
}
