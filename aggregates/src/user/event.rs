//! What happened to an account. Stored for ever: fields may be added, with a default, and never
//! changed or taken away.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain_event::domain_event;
use crate::values::{
    EmailClaimId, PasswordId, RecoveryCodesId, Role, Sealed, SessionId, TotpId, UserId, named,
};

/// A fact of an account's life. `at` is when it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum UserEvent {
    /// The account was opened.
    UserRegistered {
        /// The account.
        user_id: UserId,
        /// The address, sealed.
        email: Sealed,
        /// The claim that keeps the address unique.
        email_claim_id: EmailClaimId,
        /// The name, sealed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Sealed>,
        /// Rights beyond those of every account.
        #[serde(default)]
        roles: Vec<Role>,
        /// When.
        at: DateTime<Utc>,
    },
    /// A registration never came and never can any more.
    UserRegistrationAbandoned {
        /// When.
        at: DateTime<Utc>,
    },
    /// The person is called otherwise now, or nothing.
    UserNameChanged {
        /// The new name, sealed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Sealed>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Another password took the place of the former one. From here on only its hash counts.
    PasswordChanged {
        /// The new password; its hash was in the vault before.
        password_id: PasswordId,
        /// The former one, whose hash may go.
        replaced: PasswordId,
        /// The session that the person changed it from.
        from_session: SessionId,
        /// Whether every other session that was open then ends.
        end_other_sessions: bool,
        /// When.
        at: DateTime<Utc>,
    },
    /// Another password took the place of one that was forgotten, by a link that was mailed. Every session that was open
    /// then ends.
    PasswordReset {
        /// The new password; its hash was in the vault before.
        password_id: PasswordId,
        /// The former one, whose hash may go.
        replaced: PasswordId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The person showed that they read what is mailed to the address.
    EmailVerified {
        /// The claim on that address.
        email_claim_id: EmailClaimId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The person wants another address. It counts once they show that they read what is mailed to it.
    EmailChangeRequested {
        /// The other address, sealed.
        email: Sealed,
        /// The claim on it, which may be another account's.
        email_claim_id: EmailClaimId,
        /// When; also which request it is.
        at: DateTime<Utc>,
    },
    /// The address stays as it is.
    EmailChangeCancelled {
        /// The claim on the other address, which is free again if it was this account's.
        email_claim_id: EmailClaimId,
        /// Which request: when it was made.
        requested_at: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The account has another address, and the person reads what is mailed to it.
    EmailChanged {
        /// The address, sealed.
        email: Sealed,
        /// The claim on it.
        email_claim_id: EmailClaimId,
        /// Since when that claim is the account's.
        claimed_at: DateTime<Utc>,
        /// The claim on the former address, which is free again.
        replaced: EmailClaimId,
        /// Since when that one was the account's.
        replaced_claimed_at: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// A second factor is due at every sign-in from here on.
    TotpEnabled {
        /// Which; its secret was in the vault before.
        totp_id: TotpId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The second factor is due no more; its secret and its recovery codes may go.
    TotpDisabled {
        /// Which.
        totp_id: TotpId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Recovery codes were made; the former ones, if any, are worth nothing.
    RecoveryCodesIssued {
        /// The set; the hashes were in the vault before.
        codes_id: RecoveryCodesId,
        /// As many as there are.
        count: u8,
        /// When.
        at: DateTime<Utc>,
    },
    /// A recovery code took the place of the second factor, once.
    RecoveryCodeUsed {
        /// Of which set.
        codes_id: RecoveryCodesId,
        /// Which of the set, from 0.
        number: u8,
        /// How many are left.
        left: u8,
        /// When.
        at: DateTime<Utc>,
    },
    /// The account has other rights now.
    UserRolesChanged {
        /// All that it has, in their order.
        roles: Vec<Role>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Many wrong passwords were sent for the account in a short time.
    SignInFailuresBegan {
        /// The first of them.
        began_at: DateTime<Utc>,
        /// How many there were until now.
        failures: u64,
        /// When.
        at: DateTime<Utc>,
    },
    /// How many wrong passwords there were in one window of such a flood.
    SignInFailuresCounted {
        /// The window's beginning.
        began_at: DateTime<Utc>,
        /// How many.
        failures: u64,
        /// Whether the flood is over.
        is_over: bool,
        /// When: the window's end.
        at: DateTime<Utc>,
    },
    /// Several wrong codes of the second factor were sent in a short time.
    SecondFactorFailuresBegan {
        /// Where they were asked for.
        stage: SecondFactorStage,
        /// The first of them.
        began_at: DateTime<Utc>,
        /// How many there were until now.
        failures: u64,
        /// When.
        at: DateTime<Utc>,
    },
    /// How many wrong codes there were in one window of such a flood.
    SecondFactorFailuresCounted {
        /// Where they were asked for.
        stage: SecondFactorStage,
        /// The window's beginning.
        began_at: DateTime<Utc>,
        /// How many.
        failures: u64,
        /// Whether the flood is over.
        is_over: bool,
        /// When: the window's end.
        at: DateTime<Utc>,
    },
    /// The account was shut out.
    UserDisabled {
        /// Why.
        reason: DisableReason,
        /// When.
        at: DateTime<Utc>,
    },
    /// The account was let in again.
    UserEnabled {
        /// When.
        at: DateTime<Utc>,
    },
    /// The person asked for the erasure of the account.
    UserDeletionRequested {
        /// When it is due.
        erase_at: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The person took that back.
    UserDeletionCancelled {
        /// When.
        at: DateTime<Utc>,
    },
    /// The erasure began. Nothing else can happen to the account any more.
    UserErasureStarted {
        /// Why.
        reason: ErasureReason,
        /// When.
        at: DateTime<Utc>,
    },
    /// The person's key was destroyed, and with it every sealed text of theirs in this log; the vault and the read
    /// models hold nothing of them.
    UserErased {
        /// When.
        at: DateTime<Utc>,
    },
}

named! {
    /// Why an account was shut out. A closed set: free text could name people.
    pub enum DisableReason {
        /// An administrator decided so and gave no other reason.
        ByAdministrator = "by_administrator",
        /// Somebody else has got hold of it.
        Compromised = "compromised",
        /// It was used against the rules.
        Abuse = "abuse",
    }
}

named! {
    /// Where a code of the second factor was asked for.
    pub enum SecondFactorStage {
        /// At a sign-in, after the right password.
        SignIn = "sign_in",
        /// In a session that is open.
        Session = "session",
    }
}

named! {
    /// Why an account is erased.
    pub enum ErasureReason {
        /// The person asked for it, and the time to think again has passed.
        Requested = "requested",
        /// An administrator decided so.
        ByAdministrator = "by_administrator",
    }
}

domain_event!(UserEvent {
    UserRegistered,
    UserRegistrationAbandoned,
    UserNameChanged,
    PasswordChanged,
    PasswordReset,
    EmailVerified,
    EmailChangeRequested,
    EmailChangeCancelled,
    EmailChanged,
    TotpEnabled,
    TotpDisabled,
    RecoveryCodesIssued,
    RecoveryCodeUsed,
    UserDisabled,
    UserEnabled,
    UserRolesChanged,
    SignInFailuresBegan,
    SignInFailuresCounted,
    SecondFactorFailuresBegan,
    SecondFactorFailuresCounted,
    UserDeletionRequested,
    UserDeletionCancelled,
    UserErasureStarted,
    UserErased,
});
