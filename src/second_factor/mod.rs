//! The second factor: enrolling, confirming, turning off, recovery codes, and proving it.
//!
//! Secrets are in the vault before the event that makes them count; the account's events decide everything else. A time
//! step is taken by a compare-and-set of the vault's row, a recovery code by the event that uses it up.

pub mod attempts;
pub mod challenges;
pub mod demand;
pub mod failures;
pub mod recovery;

use aggregates::user::{SecondFactorCommand, SecondFactorStage, User, UserCommand, UserError};
use aggregates::values::{AuthMethod, RecoveryCodesId, TotpId, UserId};
use chrono::TimeDelta;
use eventlog::{DbError, ExecuteError, Log};
use projections::users::{self, UserRow};
use zeroize::Zeroizing;

use crate::app::{Acting, App};
use crate::keyring::{Vault, VaultError};
use crate::ports::totp::{TotpFault, TotpSecret};
use crate::ports::{clock, ids};
use attempts::Attempt;

/// How long a secret waits for its confirmation.
pub const PENDING_LIFE: TimeDelta = TimeDelta::minutes(10);

/// Why a second factor was not proved, or is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    /// The code is wrong, or was used.
    #[error("the code is wrong or was used")]
    InvalidCode,
    /// Too many wrong codes; not for so many seconds.
    #[error("too many wrong codes")]
    TooManyAttempts(u32),
    /// The account has a second factor.
    #[error("the second factor is on already")]
    AlreadyEnabled,
    /// It has none.
    #[error("the second factor is not on")]
    NotEnabled,
    /// No secret waits for its confirmation.
    #[error("no second factor waits for its confirmation")]
    NotPending,
    /// There is no such account.
    #[error("there is no such account")]
    NoAccount,
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The operating system gave no randomness.
    #[error(transparent)]
    NoRandomness(#[from] ids::NoRandomness),
    /// The secret cannot be used.
    #[error(transparent)]
    Totp(#[from] TotpFault),
    /// The log did not take the command.
    #[error(transparent)]
    Log(#[from] ExecuteError<UserError>),
}

/// What a person sends to prove their second factor.
pub enum Code {
    /// Of their device.
    Totp(Zeroizing<String>),
    /// From their list.
    Recovery(Zeroizing<String>),
}

impl std::fmt::Debug for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Totp(_) => "Totp(..)",
            Self::Recovery(_) => "Recovery(..)",
        })
    }
}

/// A code that is right, and may have been used up before. Only this module can make one.
#[derive(Debug)]
pub struct RightCode {
    user_id: UserId,
    totp_id: TotpId,
    stage: SecondFactorStage,
    code: Found,
}

#[derive(Debug)]
enum Found {
    /// A time step.
    Step(i64),
    /// One of the list.
    Recovery {
        codes_id: RecoveryCodesId,
        number: u8,
    },
}

/// That a person proved a second factor. Only this module can make one.
#[derive(Debug)]
pub struct ProvedFactor {
    user_id: UserId,
    totp_id: TotpId,
    method: AuthMethod,
}

impl ProvedFactor {
    /// Whose.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// Which.
    pub fn totp_id(&self) -> TotpId {
        self.totp_id
    }

    /// How.
    pub fn method(&self) -> AuthMethod {
        self.method
    }
}

/// Recovery codes, shown once.
#[derive(Debug)]
pub struct NewCodes {
    /// As they are shown.
    pub codes: Vec<Zeroizing<String>>,
    /// The position of the event.
    pub position: Option<u64>,
}

/// Makes a secret that waits for its confirmation. Nothing is asked of the person for it until then.
///
/// # Errors
/// The second factor is on, too many secrets wait, or a part that failed.
pub async fn enrol(app: &App, user: UserId) -> Result<TotpSecret, SecondFactorError> {
    if account(app, user).await?.totp_id.is_some() {
        return Err(SecondFactorError::AlreadyEnabled);
    }
    let secret = TotpSecret::generate()?;
    let totp = TotpId(ids::new_id());
    let now = clock::now();
    // What can be confirmed no more does not count, though it is swept later.
    let stored = app
        .vault
        .add_totp(user, totp, &secret, now, now - PENDING_LIFE);
    if stored.await? {
        return Ok(secret);
    }
    let seconds = u32::try_from(PENDING_LIFE.num_seconds()).unwrap_or(u32::MAX);
    Err(SecondFactorError::TooManyAttempts(seconds))
}

/// Turns the second factor on, once the person has shown that their device has the secret.
///
/// # Errors
/// See [`SecondFactorError`].
pub async fn confirm(
    app: &App,
    user: UserId,
    code: &str,
    acting: &Acting,
) -> Result<NewCodes, SecondFactorError> {
    if account(app, user).await?.totp_id.is_some() {
        return Err(SecondFactorError::AlreadyEnabled);
    }
    let since = clock::now() - PENDING_LIFE;
    let pending = app.vault.latest_totp(user, since).await?;
    let (totp_id, secret) = pending.ok_or(SecondFactorError::NotPending)?;
    count_attempt(app, user).await?;
    let step = matching_step(&secret, code)?;
    take_step(app, user, totp_id, step).await?;
    attempts::give_back(&app.database, user).await?;
    let most_an_hour = app.config.throttles.factor_changes_per_hour;
    issue(app, user, acting, |codes_id, count, at| {
        SecondFactorCommand::Enable {
            totp_id,
            codes_id,
            count,
            most_an_hour,
            at,
        }
    })
    .await
}

/// Puts new recovery codes in the place of the former ones.
///
/// # Errors
/// See [`SecondFactorError`].
pub async fn issue_codes(
    app: &App,
    user: UserId,
    code: Zeroizing<String>,
    acting: &Acting,
) -> Result<NewCodes, SecondFactorError> {
    let row = account(app, user).await?;
    let former = row.recovery_codes_id;
    let proved = prove(app, &row, Code::Totp(code), acting).await?;
    let totp_id = proved.totp_id();
    let most_an_hour = app.config.throttles.factor_changes_per_hour;
    let issued = issue(app, user, acting, |codes_id, count, at| {
        SecondFactorCommand::IssueRecoveryCodes {
            totp_id,
            codes_id,
            count,
            most_an_hour,
            at,
        }
    })
    .await?;
    if let Some(former) = former {
        app.vault.remove_recovery_codes(user, former).await?;
    }
    Ok(issued)
}

/// Turns the second factor off that an account was seen to have; the position of the event. Again: nothing.
///
/// # Errors
/// A part that failed.
pub async fn disable(
    log: &Log,
    vault: &Vault,
    row: &UserRow,
    acting: &Acting,
) -> Result<Option<u64>, SecondFactorError> {
    let Some(totp_id) = row.totp_id else {
        return Ok(None);
    };
    let (user, at) = (row.user_id, clock::now());
    let command = SecondFactorCommand::Disable { totp_id, at };
    let position = execute(log, user, command, acting).await?;
    vault.remove_totp(user, totp_id).await?;
    if let Some(codes) = row.recovery_codes_id {
        vault.remove_recovery_codes(user, codes).await?;
    }
    Ok(position)
}

/// Proves the second factor of an account in a session and uses the code up.
///
/// # Errors
/// See [`SecondFactorError`].
pub async fn prove(
    app: &App,
    row: &UserRow,
    code: Code,
    acting: &Acting,
) -> Result<ProvedFactor, SecondFactorError> {
    let right = check(app, row, code, SecondFactorStage::Session).await?;
    use_up(app, right, acting).await
}

/// Looks at a code and uses nothing up but a try.
///
/// # Errors
/// See [`SecondFactorError`].
pub async fn check(
    app: &App,
    row: &UserRow,
    code: Code,
    stage: SecondFactorStage,
) -> Result<RightCode, SecondFactorError> {
    let (user_id, totp_id) = (row.user_id, row.totp_id);
    let totp_id = totp_id.ok_or(SecondFactorError::NotEnabled)?;
    count_attempt(app, user_id).await?;
    let found = find(app, row, totp_id, code).await;
    Ok(RightCode {
        user_id,
        totp_id,
        stage,
        code: noted(app, user_id, stage, found).await?,
    })
}

/// Counts a wrong code for the log.
async fn noted<T>(
    app: &App,
    user: UserId,
    stage: SecondFactorStage,
    outcome: Result<T, SecondFactorError>,
) -> Result<T, SecondFactorError> {
    if let Err(SecondFactorError::InvalidCode) = &outcome {
        failures::count(&app.database, user, stage, clock::now()).await?;
    }
    outcome
}

async fn find(
    app: &App,
    row: &UserRow,
    totp_id: TotpId,
    code: Code,
) -> Result<Found, SecondFactorError> {
    Ok(match code {
        Code::Totp(code) => {
            let secret = app.vault.totp(row.user_id, totp_id).await?;
            let secret = secret.ok_or(SecondFactorError::InvalidCode)?;
            Found::Step(matching_step(&secret, &code)?)
        }
        Code::Recovery(code) => find_recovery_code(app, row, &code).await?,
    })
}

/// Uses a right code up, once.
///
/// # Errors
/// [`SecondFactorError::InvalidCode`] when it was before, or a part that failed.
pub async fn use_up(
    app: &App,
    right: RightCode,
    acting: &Acting,
) -> Result<ProvedFactor, SecondFactorError> {
    let (user_id, totp_id) = (right.user_id, right.totp_id);
    let used = spend(app, &right, acting).await;
    let method = noted(app, user_id, right.stage, used).await?;
    attempts::give_back(&app.database, user_id).await?;
    Ok(ProvedFactor {
        user_id,
        totp_id,
        method,
    })
}

async fn spend(
    app: &App,
    right: &RightCode,
    acting: &Acting,
) -> Result<AuthMethod, SecondFactorError> {
    Ok(match right.code {
        Found::Step(step) => {
            take_step(app, right.user_id, right.totp_id, step).await?;
            AuthMethod::Totp
        }
        Found::Recovery { codes_id, number } => {
            let at = clock::now();
            let command = SecondFactorCommand::UseRecoveryCode {
                codes_id,
                number,
                at,
            };
            execute(&app.log, right.user_id, command, acting).await?;
            AuthMethod::RecoveryCode
        }
    })
}

async fn count_attempt(app: &App, user: UserId) -> Result<(), SecondFactorError> {
    match attempts::count(&app.database, user, clock::now()).await? {
        Attempt::Allowed => Ok(()),
        Attempt::RetryAfter(seconds) => Err(SecondFactorError::TooManyAttempts(seconds)),
    }
}

fn matching_step(secret: &TotpSecret, code: &str) -> Result<i64, SecondFactorError> {
    let step = secret.matching_step(code, clock::now())?;
    step.ok_or(SecondFactorError::InvalidCode)
}

async fn take_step(
    app: &App,
    user: UserId,
    totp: TotpId,
    step: i64,
) -> Result<(), SecondFactorError> {
    if app.vault.take_step(user, totp, step).await? {
        return Ok(());
    }
    Err(SecondFactorError::InvalidCode)
}

async fn find_recovery_code(
    app: &App,
    row: &UserRow,
    typed: &str,
) -> Result<Found, SecondFactorError> {
    let code = recovery::normalise(typed).ok_or(SecondFactorError::InvalidCode)?;
    let codes_id = row
        .recovery_codes_id
        .ok_or(SecondFactorError::InvalidCode)?;
    let number = app
        .vault
        .recovery_code(row.user_id, codes_id, &code)
        .await?;
    let number = number.ok_or(SecondFactorError::InvalidCode)?;
    Ok(Found::Recovery { codes_id, number })
}

/// Stores new codes, then makes them count.
async fn issue(
    app: &App,
    user: UserId,
    acting: &Acting,
    command: impl FnOnce(RecoveryCodesId, u8, chrono::DateTime<chrono::Utc>) -> SecondFactorCommand,
) -> Result<NewCodes, SecondFactorError> {
    let (codes, codes_id, at) = (
        recovery::generate()?,
        RecoveryCodesId(ids::new_id()),
        clock::now(),
    );
    let texts: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    app.vault
        .add_recovery_codes(user, codes_id, &texts, at)
        .await?;
    let command = command(codes_id, recovery::COUNT, at);
    let executed = execute(&app.log, user, command, acting).await;
    let is_certain = matches!(
        &executed,
        Err(SecondFactorError::AlreadyEnabled
            | SecondFactorError::NotEnabled
            | SecondFactorError::Log(ExecuteError::Refused(_)))
    );
    // Only where it is certain that no event names them; else they are swept.
    if is_certain {
        app.vault.remove_recovery_codes(user, codes_id).await?;
    }
    let position = executed?;
    Ok(NewCodes { codes, position })
}

async fn execute(
    log: &Log,
    user: UserId,
    command: SecondFactorCommand,
    acting: &Acting,
) -> Result<Option<u64>, SecondFactorError> {
    let context = acting.command();
    let command = UserCommand::SecondFactor(command);
    let executed = log
        .execute::<User>(&user.to_string(), command, &context)
        .await;
    match executed {
        Ok(outcome) => Ok(outcome.position),
        Err(ExecuteError::Refused(UserError::TotpAlreadyEnabled)) => {
            Err(SecondFactorError::AlreadyEnabled)
        }
        Err(ExecuteError::Refused(UserError::TotpNotEnabled)) => Err(SecondFactorError::NotEnabled),
        Err(ExecuteError::Refused(UserError::RecoveryCodeSpent)) => {
            Err(SecondFactorError::InvalidCode)
        }
        Err(error) => Err(error.into()),
    }
}

async fn account(app: &App, user: UserId) -> Result<UserRow, SecondFactorError> {
    let row = users::find(&app.database, user).await?;
    row.ok_or(SecondFactorError::NoAccount)
}
