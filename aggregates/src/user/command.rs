//! What can be asked of an account.

use chrono::{DateTime, TimeDelta, Utc};

use super::{DisableReason, ErasureReason, SecondFactorStage};
use crate::values::{
    EmailClaimId, PasswordId, RecoveryCodesId, Role, Sealed, SessionId, TotpId, UserId,
};

/// A wish, with the facts that the decision needs. `at` is the time of deciding.
#[derive(Debug, Clone, PartialEq)]
pub enum UserCommand {
    /// Opens the account. The claim on the address must be held already.
    Register {
        /// The account's id, that of the stream.
        user_id: UserId,
        /// The address, sealed for the event that this makes.
        email: Sealed,
        /// The claim that keeps the address unique.
        email_claim_id: EmailClaimId,
        /// The name, sealed likewise.
        name: Option<Sealed>,
        /// Rights beyond those of every account.
        roles: Vec<Role>,
        /// Whether the person has shown already that they read what is mailed to the address.
        is_email_verified: bool,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Fences a registration that never came, so that a late `Register` fails and its claim on the
    /// address can be released safely.
    AbandonRegistration {
        /// Now.
        at: DateTime<Utc>,
    },
    /// Sets the name, or takes it away.
    ChangeName {
        /// The new name, sealed for the event that this makes.
        name: Option<Sealed>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Puts another password in the place of the one that was just verified. Its hash is in the vault already.
    ChangePassword {
        /// The new one.
        password_id: PasswordId,
        /// The one that was verified; the change is refused when it is not the account's any more.
        replaces: PasswordId,
        /// The session that the person changes it from.
        from_session: SessionId,
        /// Whether every other session ends.
        end_other_sessions: bool,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Puts another password in the place of one that was forgotten. Its hash is in the vault already.
    ResetPassword {
        /// The new one.
        password_id: PasswordId,
        /// The one that was forgotten; the reset is refused when it is not the account's any more.
        replaces: PasswordId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Something about the address.
    Email(EmailCommand),
    /// Something about the second factor.
    SecondFactor(SecondFactorCommand),
    /// Something about the end of the account.
    Erasure(ErasureCommand),
    /// Gives the account these rights and no others. One that was an administrator must have left the
    /// administrators before.
    ChangeRoles {
        /// The rights.
        roles: Vec<Role>,
        /// The account's, as the change was decided on; it is refused when another change was first.
        rights_revision: u64,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Something about wrong passwords.
    SignInFailures(SignInFailuresCommand),
    /// Tells of wrong codes of the second factor.
    SecondFactorFailures(SecondFactorStage, SignInFailuresCommand),
    /// Shuts the account out. One that was an administrator must have left the administrators before.
    Disable {
        /// Why.
        reason: DisableReason,
        /// As of [`Self::ChangeRoles`].
        rights_revision: u64,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Lets it in again. A deletion that waits has its grace anew: while the account was shut out nobody could take it
    /// back.
    Enable {
        /// How long a deletion that waits goes on waiting at least.
        deletion_grace: TimeDelta,
        /// Now.
        at: DateTime<Utc>,
    },
}

/// What can be asked about the end of an account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ErasureCommand {
    /// The person wants the account erased. It goes on until then, and they may think again.
    RequestDeletion {
        /// When it is to be erased.
        erase_at: DateTime<Utc>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// The person takes that back.
    CancelDeletion {
        /// Now.
        at: DateTime<Utc>,
    },
    /// Begins the erasure: from here on there is no way back. An administrator must have lost the role before.
    Start {
        /// Why.
        reason: ErasureReason,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Notes that everything is gone: the key, the vault's entries, the read models' rows.
    Finish {
        /// Now.
        at: DateTime<Utc>,
    },
}

/// What can be asked about an account's address.
#[derive(Debug, Clone, PartialEq)]
pub enum EmailCommand {
    /// Notes that the person reads what is mailed to the address.
    Verify {
        /// The claim on the address that the mail went to.
        email_claim_id: EmailClaimId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Asks for another address. One that was asked for before is taken back first.
    RequestChange {
        /// The address, sealed for the event that this makes.
        email: Sealed,
        /// The claim on it.
        email_claim_id: EmailClaimId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Keeps the address as it is; nothing, when no other was asked for.
    CancelChange {
        /// Now.
        at: DateTime<Utc>,
    },
    /// Takes the address that was asked for. Its claim is held.
    CompleteChange {
        /// The address, sealed for the event that this makes.
        email: Sealed,
        /// The claim on it.
        email_claim_id: EmailClaimId,
        /// Which request: when it was made.
        requested_at: DateTime<Utc>,
        /// Now.
        at: DateTime<Utc>,
    },
}

/// What can be asked about an account's second factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SecondFactorCommand {
    /// Turns it on. The person has proved that they hold the secret; it and the codes' hashes are in the vault.
    Enable {
        /// The factor.
        totp_id: TotpId,
        /// The set of its first recovery codes.
        codes_id: RecoveryCodesId,
        /// How many there are.
        count: u8,
        /// How often the account may do this or issue codes within an hour; each time is events, which stay for ever.
        most_an_hour: u32,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Turns it off; nothing, when it is not on any more.
    Disable {
        /// The factor that may be turned off.
        totp_id: TotpId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Puts other recovery codes in the place of those that there are.
    IssueRecoveryCodes {
        /// The factor that was proved.
        totp_id: TotpId,
        /// The new set.
        codes_id: RecoveryCodesId,
        /// How many there are.
        count: u8,
        /// As of [`Self::Enable`], with which it is counted.
        most_an_hour: u32,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Uses a recovery code up.
    UseRecoveryCode {
        /// Of which set.
        codes_id: RecoveryCodesId,
        /// Which of the set, from 0.
        number: u8,
        /// Now.
        at: DateTime<Utc>,
    },
}

/// What can be told of wrong passwords for an account, or of wrong codes. Of a flood only its beginning and sums are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SignInFailuresCommand {
    /// A flood has begun; nothing, when the account knows of one.
    Begin {
        /// The first failure.
        began_at: DateTime<Utc>,
        /// How many there were since.
        failures: u64,
        /// Now.
        at: DateTime<Utc>,
    },
    /// How many came in a window of a flood; nothing, when that was told, or when there is no flood.
    Count {
        /// The window's beginning.
        began_at: DateTime<Utc>,
        /// How many.
        failures: u64,
        /// Whether the flood is over.
        is_over: bool,
        /// Now: the window's end.
        at: DateTime<Utc>,
    },
}
