//! How often a password may be guessed: per account, per network, and per account from one network.
//!
//! Each wrong password counts for all three. Beyond the free ones a delay follows each, twice as long as the one before;
//! after a hundred in a row there is a pause. An attempt is counted before the password is looked at, and what was counted
//! is taken back when the password was right: however many try at once, on however many nodes, no more than allowed are
//! looked at in vain. On PostgreSQL the count before is a charge in the table, in one transaction; on SQLite, which one
//! process serves, it is in memory, and only a wrong password is charged.
//!
//! A device that signed in to the account before shows a token of that. It has counters of its own, so that strangers
//! cannot lock a person out of it; likewise a session, whose holder proves a password once more.
//!
//! Addresses without an account are counted as those with one, before it is known which of them it is. It never keeps an
//! address of a person or of a network, only keyed hashes.

mod anonymous;
mod charge;
mod device;
pub mod failures;
mod gates;
mod in_flight;
mod table;

use std::net::IpAddr;

use aggregates::values::{EmailAddress, EmailClaimId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{DbError, Engine, Question};

use crate::app::App;
use crate::ports::clock;

pub use anonymous::{
    Scope, charge as charge_anonymous, charge_export, charge_name_change, check as check_anonymous,
};
pub use charge::Charge;
pub use device::DeviceToken;
pub use gates::{Trial, network, network_name};
pub use in_flight::{InFlight, Reservation};
pub use table::Counted;

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

/// An attempt that would be let in.
#[derive(Debug)]
pub struct Admitted {
    trial: Trial,
    gates: Vec<gates::Gate>,
    is_known: bool,
    /// What stands against the account, the device or the session.
    stands: Stands,
    reservation: Option<Reservation>,
}

/// Rows of an attempt's own account that a right password removes.
#[derive(Debug, Clone, Copy)]
struct Stands {
    /// Some gate has one.
    at_gates: bool,
    /// The account's counter has one, be it a gate or not.
    at_account: bool,
}

/// Counts an attempt before the counters are read, where that is done in memory.
pub fn reserve(app: &App, trial: &Trial) -> Option<Reservation> {
    let is_alone = app.database.engine() == Engine::Sqlite;
    is_alone.then(|| app.attempts.reserve(&trial.subjects()))
}

/// What is counted so far of everything that an attempt may be counted against.
pub fn counters(trial: &Trial) -> Question<Vec<Counted>> {
    table::counted(&trial.subjects())
}

/// Lets an attempt at this account, if there is one, in as far as the counters say, which were read after the
/// reservation. Writes nothing.
///
/// # Errors
/// There were too many.
pub fn admit(
    app: &App,
    trial: Trial,
    reservation: Option<Reservation>,
    rows: &[Counted],
    user: Option<UserId>,
) -> Result<Admitted, ThrottleError> {
    let now = clock::now();
    let is_from_device = trial.is_from_device_of(app.vault.keyring(), user, now);
    let is_known = is_from_device && !trial.are_devices_spent(rows, now);
    let gates = open_gates(app, &trial, rows, is_known, now)?;
    let reservation = reservation.map(|mut reservation| {
        reservation.keep(&gates);
        reservation
    });
    if let Some(reservation) = &reservation
        && !reservation.has_room(&gates, rows, now)
    {
        return Err(ThrottleError::TooManyAttempts(1));
    }
    let has_row = |subject: &str| rows.iter().any(|row| row.subject == subject);
    let own = gates.iter().filter(|gate| !gate.account.is_empty());
    let stands = Stands {
        at_gates: own.into_iter().any(|gate| has_row(&gate.subject)),
        at_account: trial.account().is_some_and(has_row),
    };
    Ok(Admitted {
        trial,
        gates,
        is_known,
        stands,
        reservation,
    })
}

impl Admitted {
    /// With whom the attempt shares the places in the queue of hashes, and how many they have at most.
    pub fn crowds(&self) -> Vec<(&str, usize)> {
        self.trial.crowds(self.is_known)
    }

    /// Charges the attempt unless it is counted in memory, or refuses it and charges nothing.
    ///
    /// # Errors
    /// There were too many by now, or the database failed.
    pub async fn charge(mut self, app: &App) -> Result<Charge, ThrottleError> {
        let (now, max_delay) = (clock::now(), app.config.throttles.max_delay_seconds);
        if let Some(reservation) = self.reservation.take() {
            return Ok(Charge::in_memory(app, self, reservation));
        }
        if table::charge(&app.database, &self.gates, max_delay, now).await? {
            return Ok(Charge::in_table(self));
        }
        // Others who came at the same moment took what was left.
        let rows = app.database.ask(counters(&self.trial)).await?;
        // Whose token has just become as none passes other gates the next time.
        let is_stranger_now = self.is_known && self.trial.are_devices_spent(&rows, now);
        if !is_stranger_now {
            open_gates(app, &self.trial, &rows, self.is_known, now)?;
        }
        Err(ThrottleError::TooManyAttempts(1))
    }
}

/// The gates that an attempt passes, none of them shut.
fn open_gates(
    app: &App,
    trial: &Trial,
    rows: &[Counted],
    is_known: bool,
    now: DateTime<Utc>,
) -> Result<Vec<gates::Gate>, ThrottleError> {
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

/// Forgets what was counted against an account, by its devices and sessions too; for whoever proved otherwise that it is
/// theirs.
///
/// # Errors
/// The database failed.
pub async fn forgive(app: &App, claim: EmailClaimId) -> Result<(), DbError> {
    table::forgive_account(&app.database, claim).await
}

/// Removes everything that is kept about an account.
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

/// The claim on an address and a trial of it from a network, perhaps with the token of a device.
pub fn sign_in_trial(
    app: &App,
    address: &str,
    ip: IpAddr,
    device: Option<DeviceToken>,
) -> (Option<EmailAddress>, Trial) {
    let email = EmailAddress::parse(address).ok();
    let keyring = app.vault.keyring();
    let trial = Trial::sign_in(keyring, address, email.as_ref(), ip, device);
    (email, trial)
}
