//! The life of an account.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::UserEvent;
use crate::values::{EmailClaimId, HourlyCount, PasswordId, RecoveryCodesId, Role, TotpId, UserId};

/// The stage of an account's life.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum User {
    /// Nothing happened yet.
    #[default]
    Unregistered,
    /// The registration was given up before it came; nothing can happen any more.
    Abandoned,
    /// In use.
    Active(Account),
    /// Shut out.
    Disabled(Account),
    /// Being erased; only the end of it can follow.
    Erasing,
    /// Gone.
    Erased,
}

/// What a registered account's decisions need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Who.
    pub user_id: UserId,
    /// The claim on the address.
    pub email_claim_id: EmailClaimId,
    /// Since when the claim is the account's.
    #[serde(default)]
    pub email_claimed_at: DateTime<Utc>,
    /// Whether the person showed that they read what is mailed to it.
    #[serde(default)]
    pub is_email_verified: bool,
    /// The address that the person asked for instead.
    #[serde(default)]
    pub pending_email: Option<PendingEmail>,
    /// Rights.
    pub roles: Vec<Role>,
    /// Whether the person has a name.
    pub has_name: bool,
    /// The password that counts; the one of the registration has the account's own number.
    pub password_id: PasswordId,
    /// What is due beside the password.
    #[serde(default)]
    pub second_factor: Option<SecondFactor>,
    /// When the account is to be erased, if the person asked for that.
    #[serde(default)]
    pub erase_at: Option<DateTime<Utc>>,
    /// Counts the changes of roles and the times that it was shut out and let in again.
    #[serde(default)]
    pub rights_revision: u64,
    /// The flood of wrong passwords that is not over.
    #[serde(default)]
    pub flood: Option<SignInFlood>,
    /// The floods of wrong codes that are not over.
    #[serde(default)]
    pub code_floods: CodeFloods,
    /// How often recovery codes were made lately, be it with a new second factor.
    #[serde(default)]
    pub factor_changes: Option<HourlyCount>,
}

/// Floods of wrong codes of the second factor, by where the codes were asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CodeFloods {
    /// At sign-ins, after the right password.
    pub sign_in: Option<SignInFlood>,
    /// In sessions.
    pub session: Option<SignInFlood>,
}

/// A flood of wrong passwords, or of wrong codes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignInFlood {
    /// The beginning of the last window that was counted.
    pub counted: Option<DateTime<Utc>>,
}

/// A change of the address that waits for its confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingEmail {
    /// The claim on the address.
    pub email_claim_id: EmailClaimId,
    /// When it was asked for; also which request it is.
    pub requested_at: DateTime<Utc>,
}

/// A second factor that is on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// Which.
    pub totp_id: TotpId,
    /// Its recovery codes.
    pub codes: Option<RecoveryCodes>,
}

/// The recovery codes that may still be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryCodes {
    /// Which set.
    pub codes_id: RecoveryCodesId,
    /// Those of the set that were not used, by number.
    pub unused: Vec<u8>,
}

impl Account {
    /// As it is when it was registered.
    fn opened(
        user_id: UserId,
        email_claim_id: EmailClaimId,
        has_name: bool,
        roles: Vec<Role>,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            user_id,
            email_claim_id,
            email_claimed_at: at,
            is_email_verified: false,
            pending_email: None,
            roles,
            has_name,
            password_id: PasswordId(user_id.0),
            second_factor: None,
            erase_at: None,
            rights_revision: 0,
            flood: None,
            code_floods: CodeFloods::default(),
            factor_changes: None,
        }
    }
}

impl User {
    pub(super) fn evolve(&mut self, event: UserEvent) {
        match event {
            UserEvent::UserRegistered {
                user_id,
                email_claim_id,
                name,
                roles,
                at,
                ..
            } => {
                let has_name = name.is_some();
                *self = Self::Active(Account::opened(
                    user_id,
                    email_claim_id,
                    has_name,
                    roles,
                    at,
                ));
            }
            UserEvent::UserRegistrationAbandoned { .. } => *self = Self::Abandoned,
            UserEvent::UserNameChanged { name, .. } => {
                if let Self::Active(account) = self {
                    account.has_name = name.is_some();
                }
            }
            UserEvent::PasswordChanged { password_id, .. }
            | UserEvent::PasswordReset { password_id, .. } => {
                if let Self::Active(account) = self {
                    account.password_id = password_id;
                }
            }
            UserEvent::EmailVerified { .. }
            | UserEvent::EmailChangeRequested { .. }
            | UserEvent::EmailChangeCancelled { .. }
            | UserEvent::EmailChanged { .. } => {
                if let Self::Active(account) | Self::Disabled(account) = self {
                    account.evolve_email(&event);
                }
            }
            UserEvent::TotpEnabled { .. }
            | UserEvent::TotpDisabled { .. }
            | UserEvent::RecoveryCodesIssued { .. }
            | UserEvent::RecoveryCodeUsed { .. } => {
                if let Self::Active(account) = self {
                    account.evolve_second_factor(&event);
                }
            }
            UserEvent::SignInFailuresBegan { .. } | UserEvent::SignInFailuresCounted { .. } => {
                if let Self::Active(account) | Self::Disabled(account) = self {
                    account.evolve_sign_in_failures(&event);
                }
            }
            UserEvent::SecondFactorFailuresBegan { .. }
            | UserEvent::SecondFactorFailuresCounted { .. } => {
                if let Self::Active(account) | Self::Disabled(account) = self {
                    account.evolve_second_factor_failures(&event);
                }
            }
            UserEvent::UserDeletionRequested { .. }
            | UserEvent::UserDeletionCancelled { .. }
            | UserEvent::UserErasureStarted { .. }
            | UserEvent::UserErased { .. } => self.evolve_erasure(&event),
            UserEvent::UserRolesChanged { .. }
            | UserEvent::UserDisabled { .. }
            | UserEvent::UserEnabled { .. } => self.evolve_rights(event),
        }
    }
}
