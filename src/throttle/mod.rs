//! How often a password may be guessed: per account, per network, and per account from one network.
//!
//! Each wrong password counts for all three. Beyond the free ones a delay follows each, twice as long as the one before;
//! after a hundred in a row there is a pause. An attempt is charged before the password is looked at, in one
//! transaction, and the charge is taken back when the password was right: however many try at once, on however many
//! nodes, no more than allowed are looked at in vain.
//!
//! A network that an account has signed in from is known to it. From there only the pair of both counts, so that
//! strangers cannot lock a person out of it; likewise a session, whose holder proves a password once more.
//!
//! Addresses without an account are counted as those with one, before it is known which of them it is. It never keeps an
//! address of a person or of a network, only keyed hashes.

mod anonymous;
pub mod failures;
mod gates;
mod table;

use std::net::IpAddr;

use aggregates::values::{EmailAddress, EmailClaimId};
use chrono::{DateTime, Utc};
use eventlog::{DbError, Questions};

use crate::app::App;
use crate::ports::clock;

pub use anonymous::{
    Scope, charge as charge_anonymous, charge_name_change, check as check_anonymous,
};
pub use gates::{Trial, network};

/// Why a password is not looked at, or a call not answered.
#[derive(Debug, thiserror::Error)]
pub enum ThrottleError {
    /// Not for so many seconds.
    #[error("too many attempts")]
    TooManyAttempts(u32),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// An attempt that is paid for: the password may be looked at, once.
#[derive(Debug)]
#[must_use = "what became of the attempt must be told"]
pub struct Charge {
    trial: Trial,
    gates: Vec<gates::Gate>,
}

/// An attempt that would be let in.
#[derive(Debug)]
pub struct Admitted {
    trial: Trial,
    gates: Vec<gates::Gate>,
}

/// Lets an attempt in as far as can be seen now, and asks what else it needs in the same go. Writes nothing.
///
/// # Errors
/// There were too many, or the database failed.
pub async fn admit<Q: Questions>(
    app: &App,
    trial: Trial,
    questions: Q,
) -> Result<(Admitted, Q::Answers), ThrottleError> {
    let counted = table::counted(&trial.subjects());
    let (rows, answers) = app.database.ask((counted, questions)).await?;
    let gates = open_gates(app, &trial, &rows, clock::now())?;
    Ok((Admitted { trial, gates }, answers))
}

impl Admitted {
    /// What is tried, from where.
    pub fn trial(&self) -> &Trial {
        &self.trial
    }

    /// Charges the attempt, or refuses it and charges nothing.
    ///
    /// # Errors
    /// There were too many by now, or the database failed.
    pub async fn charge(self, app: &App) -> Result<Charge, ThrottleError> {
        let (now, max_delay) = (clock::now(), app.config.throttles.max_delay_seconds);
        let Self { trial, gates } = self;
        if table::charge(&app.database, &gates, max_delay, now).await? {
            return Ok(Charge { trial, gates });
        }
        // Others who came at the same moment took what was left.
        let rows = app.database.ask(table::counted(&trial.subjects())).await?;
        open_gates(app, &trial, &rows, now)?;
        Err(ThrottleError::TooManyAttempts(1))
    }
}

/// The gates that an attempt passes, none of them shut.
fn open_gates(
    app: &App,
    trial: &Trial,
    rows: &[table::Counted],
    now: DateTime<Utc>,
) -> Result<Vec<gates::Gate>, ThrottleError> {
    let is_known = rows.iter().any(|row| trial.is_known(row, now));
    let gates = trial.gates(&app.config.throttles, is_known);
    let shut = rows
        .iter()
        .filter(|row| gates.iter().any(|gate| gate.subject == row.subject))
        .map(|row| row.blocked_until - clock::micros(now))
        .max();
    match shut {
        Some(left) if left > 0 => Err(ThrottleError::TooManyAttempts(whole_seconds(left))),
        _ => Ok(gates),
    }
}

/// Microseconds as the seconds after which they are over.
fn whole_seconds(micros: i64) -> u32 {
    let seconds = micros.max(1).saturating_add(999_999) / 1_000_000;
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

impl Charge {
    /// The password was right: what the account had against it is forgotten. Where no second factor is due, the network
    /// is known to the account from here on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn succeeded(self, app: &App, is_enough: bool) -> Result<(), DbError> {
        let (now, known) = (clock::now(), is_enough.then_some(gates::KNOWN_FOR));
        table::forgive(&app.database, &self.trial, &self.gates, known, now).await
    }

    /// The password was wrong. Takes as long whether there is such an account or not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn failed(self, app: &App) -> Result<(), DbError> {
        match self.trial.claim() {
            Some(claim) => failures::count(&app.database, claim, clock::now()).await,
            None => Ok(()),
        }
    }

    /// The password was not looked at.
    ///
    /// # Errors
    /// The database failed.
    pub async fn give_back(self, app: &App) -> Result<(), DbError> {
        table::give_back(&app.database, &self.gates).await
    }
}

/// Makes a network known to the account with this claim: it has signed in from there.
///
/// # Errors
/// The database failed.
pub async fn remember(app: &App, claim: EmailClaimId, ip: IpAddr) -> Result<(), DbError> {
    let pair = gates::pair_of(app.vault.keyring(), claim, ip, &app.config.throttles);
    table::remember(&app.database, &pair, gates::KNOWN_FOR, clock::now()).await
}

/// Forgets what was counted against an account from networks that it does not know; for whoever proved otherwise that
/// it is theirs.
///
/// # Errors
/// The database failed.
pub async fn forgive(app: &App, claim: EmailClaimId) -> Result<(), DbError> {
    table::forgive_account(&app.database, claim).await
}

/// Removes everything that is kept about an account, its known networks too.
///
/// # Errors
/// The database failed.
pub async fn forget(app: &App, claim: EmailClaimId) -> Result<(), DbError> {
    table::forget_account(&app.database, claim).await
}

/// Removes what is over.
///
/// # Errors
/// The database failed.
pub async fn sweep(app: &App) -> Result<(), DbError> {
    let now = clock::now();
    table::sweep(&app.database, now).await?;
    anonymous::sweep(&app.database, now).await
}

/// The claim on an address and a trial of it from a network.
pub fn sign_in_trial(app: &App, address: &str, ip: IpAddr) -> (Option<EmailAddress>, Trial) {
    let email = EmailAddress::parse(address).ok();
    let keyring = app.vault.keyring();
    let trial = Trial::sign_in(keyring, address, email.as_ref(), ip);
    (email, trial)
}
