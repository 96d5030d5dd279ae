//! Which event makes which mail: the one place to add one.

use aggregates::session::SessionEvent;
use aggregates::user::{SecondFactorStage, UserEvent};

use super::letters::Letter;

/// A mail that an event of an account makes.
#[derive(Debug)]
pub enum UserWish {
    /// A link that confirms the address that the account then had, unless it is verified.
    Confirm,
    /// To the address that the account had after the event.
    Tell(&'static str, Letter),
    /// To the address that the account had before the event.
    TellFormer(&'static str, Letter),
    /// As `Tell`, unless the codes came with the factor itself.
    TellOfCodes,
}

/// A mail that an event of a session makes.
#[derive(Debug)]
pub enum SessionWish {
    /// If nobody signed in from there before.
    NewDevice,
    /// To the owner.
    Tell(&'static str, Letter),
}

/// The mails of an event of an account. The link of a change goes out with its claim: see `settle_email_changes`.
pub fn of_user(event: &UserEvent) -> Vec<UserWish> {
    use UserWish::{Tell, TellFormer};
    match event {
        UserEvent::UserRegistered { .. } => vec![UserWish::Confirm],
        UserEvent::EmailChangeRequested { at, .. } => {
            vec![Tell("email-change-requested", Letter::ChangeRequested(*at))]
        }
        UserEvent::EmailChanged { at, .. } => vec![
            TellFormer("email-left", Letter::AddressLeft(*at)),
            Tell("email-changed", Letter::AddressTaken(*at)),
        ],
        UserEvent::PasswordChanged { at, .. } => {
            vec![Tell("password-changed", Letter::PasswordChanged(*at))]
        }
        UserEvent::PasswordReset { at, .. } => {
            vec![Tell("password-reset", Letter::PasswordReset(*at))]
        }
        UserEvent::TotpEnabled { at, .. } => {
            vec![Tell("totp-enabled", Letter::SecondFactorOn(*at))]
        }
        UserEvent::TotpDisabled { at, .. } => {
            vec![Tell("totp-disabled", Letter::SecondFactorOff(*at))]
        }
        UserEvent::RecoveryCodesIssued { .. } => vec![UserWish::TellOfCodes],
        UserEvent::RecoveryCodeUsed { left, at, .. } => {
            vec![Tell(
                "recovery-code-used",
                Letter::RecoveryCodeUsed(*at, *left),
            )]
        }
        // Somebody had the right password.
        UserEvent::SecondFactorFailuresBegan {
            stage: SecondFactorStage::SignIn,
            failures,
            at,
            ..
        } => {
            vec![Tell(
                "wrong-codes",
                Letter::WrongCodes(*at, *failures),
            )]
        }
        UserEvent::UserDisabled { at, .. } => {
            vec![Tell("account-disabled", Letter::AccountDisabled(*at))]
        }
        UserEvent::UserDeletionRequested { erase_at, .. } => {
            vec![Tell(
                "deletion-scheduled",
                Letter::DeletionScheduled(*erase_at),
            )]
        }
        UserEvent::UserDeletionCancelled { at } => {
            vec![Tell("deletion-taken-back", Letter::DeletionTakenBack(*at))]
        }
        UserEvent::UserRegistrationAbandoned { .. }
        | UserEvent::UserRolesChanged { .. }
        | UserEvent::SignInFailuresBegan { .. }
        | UserEvent::SignInFailuresCounted { .. }
        | UserEvent::SecondFactorFailuresBegan { .. }
        | UserEvent::SecondFactorFailuresCounted { .. }
        // Told by `erase_users`, before the address goes.
        | UserEvent::UserErasureStarted { .. }
        | UserEvent::UserErased { .. }
        | UserEvent::UserNameChanged { .. }
        | UserEvent::EmailVerified { .. }
        | UserEvent::EmailChangeCancelled { .. }
        | UserEvent::UserEnabled { .. } => Vec::new(),
    }
}

/// The mails of an event of a session.
pub fn of_session(event: &SessionEvent) -> Vec<SessionWish> {
    match event {
        SessionEvent::SessionStarted { .. } => vec![SessionWish::NewDevice],
        SessionEvent::RefreshTokenReused { at, .. } => {
            vec![SessionWish::Tell("token-reused", Letter::TokenReused(*at))]
        }
        SessionEvent::TokensIssued { .. }
        | SessionEvent::SessionReauthenticated { .. }
        | SessionEvent::SessionRevoked { .. }
        | SessionEvent::SessionExpired { .. }
        | SessionEvent::SessionForgotten { .. } => Vec::new(),
    }
}
