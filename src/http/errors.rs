//! The mapping from inner errors to problems, but for those of one endpoint, which stand beside it. Every variant is
//! named, so that a new one does not compile until it has a status and a slug.

use aggregates::administrators::AdministratorsError;
use aggregates::media::MediaError;
use aggregates::media_job::MediaJobError;
use aggregates::service_key::ServiceKeyError;
use aggregates::session::SessionError;
use aggregates::user::UserError;
use aggregates::webhook_sink::WebhookSinkError;
use eventlog::{AppendError, DbError, ExecuteError};

use super::problem::{FieldError, Kind, Problem};
use crate::administration::AdministrationError;
use crate::keyring::{KeyringError, VaultError};
use crate::ports::passwords::PasswordError;
use crate::second_factor::SecondFactorError;
use crate::second_factor::demand::FactorLacking;
use crate::service_keys::ServiceKeysError;
use crate::throttle::ThrottleError;
use crate::webhooks::WebhooksError;

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Busy => {
                Self::new(Kind::Overloaded, "too much waits to be written").because(error)
            }
            DbError::Sqlx(_)
            | DbError::Sqlite(_)
            | DbError::NotCommitted(_)
            | DbError::Closed
            | DbError::Io(_)
            | DbError::SetBack(_)
            | DbError::Archive(_) => Self::unavailable(error),
            DbError::Migrate(_)
            | DbError::Decode(_)
            | DbError::Event(_)
            | DbError::UnknownEngine => Self::internal(error),
        }
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Database(error) => error.into(),
            VaultError::Keyring(error) => error.into(),
            VaultError::WrongMasterKey { .. } => Self::internal(error),
        }
    }
}

impl From<KeyringError> for Problem {
    fn from(error: KeyringError) -> Self {
        Self::internal(error)
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::new(
                Kind::TooManyAttempts,
                "too many passwords are being checked at this moment",
            )
            .retry_after(2),
            PasswordError::Fault(_) => Self::internal(error),
        }
    }
}

impl From<ThrottleError> for Problem {
    fn from(error: ThrottleError) -> Self {
        match error {
            ThrottleError::TooManyAttempts(seconds) => {
                Self::new(Kind::TooManyAttempts, "too many attempts").retry_after(seconds)
            }
            ThrottleError::Database(error) => error.into(),
        }
    }
}

impl From<FactorLacking> for Problem {
    fn from(lacking: FactorLacking) -> Self {
        match lacking {
            FactorLacking::NotEnrolled => Self::new(
                Kind::SecondFactorRequired,
                "this account must have a second factor: enrol one first",
            ),
            FactorLacking::NotProved => Self::new(
                Kind::ReauthenticationRequired,
                "this account must have a second factor, which was not proved in this session yet",
            ),
        }
    }
}

impl From<SecondFactorError> for Problem {
    fn from(error: SecondFactorError) -> Self {
        match error {
            SecondFactorError::InvalidCode => {
                Self::new(Kind::InvalidCode, "the code is wrong or was used already")
            }
            SecondFactorError::TooManyAttempts(seconds) => Self::new(
                Kind::TooManyAttempts,
                "too many codes were tried for this account",
            )
            .retry_after(seconds),
            SecondFactorError::AlreadyEnabled => {
                Self::new(Kind::TotpAlreadyEnabled, "the second factor is on already")
            }
            SecondFactorError::NotEnabled => {
                Self::new(Kind::TotpNotEnabled, "the second factor is not on")
            }
            SecondFactorError::NotPending => Self::new(
                Kind::TotpNotPending,
                "no second factor waits for its confirmation",
            ),
            SecondFactorError::NoAccount => Self::not_found(),
            SecondFactorError::Vault(error) => error.into(),
            SecondFactorError::Database(error) => error.into(),
            SecondFactorError::NoRandomness(error) => Self::internal(error),
            SecondFactorError::Totp(error) => Self::internal(error),
            SecondFactorError::Log(error) => error.into(),
        }
    }
}

impl From<AdministrationError> for Problem {
    fn from(error: AdministrationError) -> Self {
        match error {
            AdministrationError::LastAdministrator => {
                AdministratorsError::LastAdministrator.problem()
            }
            AdministrationError::NoAccount => Self::not_found(),
            AdministrationError::Conflict => UserError::RightsChanged.problem(),
            AdministrationError::User(error) => error.into(),
            AdministrationError::Administrators(error) => error.into(),
            AdministrationError::Database(error) => error.into(),
            AdministrationError::Revoke(error) => error.into(),
        }
    }
}

impl From<ServiceKeysError> for Problem {
    fn from(error: ServiceKeysError) -> Self {
        match error {
            ServiceKeysError::NoRandomness(error) => Self::internal(error),
            ServiceKeysError::Log(error) => error.into(),
        }
    }
}

impl From<WebhooksError> for Problem {
    fn from(error: WebhooksError) -> Self {
        match error {
            WebhooksError::Database(error) => error.into(),
            WebhooksError::Vault(error) => error.into(),
            WebhooksError::NoRandomness(error) => Self::internal(error),
            WebhooksError::Log(error) => error.into(),
            WebhooksError::Address(error) => Self::validation(vec![FieldError::new(
                "url",
                "not_allowed",
                error.to_string(),
            )]),
            WebhooksError::TooMany => Self::new(Kind::Conflict, error.to_string()),
            WebhooksError::BeyondHead { .. } => {
                Self::new(Kind::PositionBeyondHead, error.to_string())
            }
        }
    }
}

/// An aggregate's refusal as a problem.
trait Refusal: std::error::Error {
    fn problem(&self) -> Problem;
}

impl<E: Refusal> From<ExecuteError<E>> for Problem {
    fn from(error: ExecuteError<E>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => refusal.problem(),
            ExecuteError::Conflict => Self::new(
                Kind::Conflict,
                "others changed the same thing at the same time",
            ),
            ExecuteError::Overloaded => Self::new(Kind::Overloaded, "too much waits to be written"),
            ExecuteError::Unwritable(cause) => Self::internal(cause),
            ExecuteError::Append(error) => error.into(),
        }
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::VersionConflict { .. } | AppendError::DuplicateEvent => Self::new(
                Kind::Conflict,
                "others changed the same thing at the same time",
            )
            .because(error),
            AppendError::QueueFull => Self::new(Kind::Overloaded, "too much waits to be written"),
            AppendError::Database(error) => error.into(),
            AppendError::OutcomeUnknown => Self::unavailable(error),
            AppendError::Invalid(_) | AppendError::Projection(_) => Self::internal(error),
        }
    }
}

impl Refusal for SessionError {
    fn problem(&self) -> Problem {
        match self {
            Self::NotStarted => Problem::not_found(),
            Self::SessionEnded
            | Self::SessionExpired
            | Self::InvalidRefreshToken
            | Self::RefreshTokenExpired => {
                Problem::new(Kind::InvalidToken, "the session has ended")
            }
            Self::TooManyTokens {
                retry_after_seconds,
            } => Problem::new(
                Kind::TooManyAttempts,
                "the session had as many new tokens as it gets within an hour",
            )
            .retry_after(*retry_after_seconds),
            Self::AlreadyStarted
            | Self::NotAuthenticated
            | Self::NotYetExpired
            | Self::NotEnded => Problem::internal(self),
        }
    }
}

impl Refusal for UserError {
    fn problem(&self) -> Problem {
        match self {
            Self::NotRegistered | Self::UserErased => Problem::not_found(),
            Self::UserDisabled => Problem::new(
                Kind::AccountDisabled,
                "this account was disabled by an administrator",
            ),
            Self::PasswordReplaced => Problem::new(
                Kind::WrongPassword,
                "another change of the password was first",
            ),
            Self::TotpAlreadyEnabled => {
                Problem::new(Kind::TotpAlreadyEnabled, "the second factor is on already")
            }
            Self::TotpNotEnabled => {
                Problem::new(Kind::TotpNotEnabled, "the second factor is not on")
            }
            Self::RecoveryCodeSpent => {
                Problem::new(Kind::InvalidCode, "the code is wrong or was used already")
            }
            Self::TooManyFactorChanges {
                retry_after_seconds,
            } => Problem::new(
                Kind::TooManyAttempts,
                "the second factor was changed as often as it may be within an hour",
            )
            .retry_after(*retry_after_seconds),
            Self::EmailAlreadyVerified | Self::EmailNotCurrent | Self::EmailChangeNotPending => {
                Problem::new(
                    Kind::TokenExpiredOrUsed,
                    "this link is of no use any more; ask for a new one",
                )
            }
            Self::EmailUnchanged => Problem::validation(vec![FieldError::new(
                "email",
                "unchanged",
                "is the account's address already",
            )]),
            Self::EmailChangePending => Problem::new(
                Kind::Conflict,
                "another change of the address was asked for at the same time",
            ),
            Self::AlreadyRegistered
            | Self::RegistrationAbandoned
            | Self::ErasureNotDue
            | Self::ErasureNotStarted => Problem::internal(self),
            Self::RightsChanged | Self::StillAdministrator => Problem::new(
                Kind::Conflict,
                "others changed the account's rights at the same time",
            ),
        }
    }
}

impl Refusal for AdministratorsError {
    fn problem(&self) -> Problem {
        match self {
            Self::LastAdministrator => Problem::new(
                Kind::LastAdmin,
                "the account is the last one that can administer this server",
            ),
            Self::RightsChanged => UserError::RightsChanged.problem(),
        }
    }
}

impl Refusal for ServiceKeyError {
    fn problem(&self) -> Problem {
        let field = |field: &str, code: &str, message: &str| {
            Problem::validation(vec![FieldError::new(field, code, message)])
        };
        match self {
            Self::NotCreated => Problem::not_found(),
            Self::NoScope => field("scopes", "required", "must not be empty"),
            Self::ExpiresInThePast => field("expires_at", "in_the_past", "must be in the future"),
            Self::AlreadyCreated => Problem::internal(self),
        }
    }
}

impl Refusal for WebhookSinkError {
    fn problem(&self) -> Problem {
        match self {
            Self::NotThere => Problem::not_found(),
            Self::AlreadyCreated => Problem::internal(self),
        }
    }
}

impl Refusal for MediaError {
    fn problem(&self) -> Problem {
        match self {
            Self::AlreadyStored | Self::NotStored | Self::MediaDeleted => {
                Problem::not_found().because(self)
            }
        }
    }
}

impl Refusal for MediaJobError {
    fn problem(&self) -> Problem {
        match self {
            Self::NotRequested => Problem::not_found(),
            Self::AlreadyFinished => {
                Problem::new(Kind::JobFinished, "the job has already finished")
            }
            Self::StillLeased | Self::NotYetDue | Self::StaleAttempt | Self::NotYetExpired => {
                Problem::new(Kind::Conflict, "the job is in another state by now").because(self)
            }
            Self::RequestDiffers | Self::DeadlineExceeded | Self::NotFinished => {
                Problem::internal(self)
            }
        }
    }
}
