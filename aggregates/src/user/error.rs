//! Why an account refuses.

/// The rule that forbids a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The account exists.
    #[error("the account is registered already")]
    AlreadyRegistered,
    /// The registration was given up before it came.
    #[error("the registration was abandoned")]
    RegistrationAbandoned,
    /// There is no such account.
    #[error("the account is not registered")]
    NotRegistered,
    /// The password that was verified is not the account's any more.
    #[error("another change of the password was first")]
    PasswordReplaced,
    /// The address was verified before.
    #[error("the address is verified already")]
    EmailAlreadyVerified,
    /// The account has another address by now.
    #[error("this is not the account's address")]
    EmailNotCurrent,
    /// It is the account's address already.
    #[error("the account has this address already")]
    EmailUnchanged,
    /// Another address was asked for, and that waits.
    #[error("another change of the address waits")]
    EmailChangePending,
    /// Nobody asked for this change, or it was taken back.
    #[error("this change of the address does not wait any more")]
    EmailChangeNotPending,
    /// The account has a second factor.
    #[error("the second factor is on already")]
    TotpAlreadyEnabled,
    /// The account has no second factor, or another one.
    #[error("this second factor is not on")]
    TotpNotEnabled,
    /// The code was used, or belongs to a former set.
    #[error("the recovery code is used up")]
    RecoveryCodeSpent,
    /// The second factor was changed as often as it may be within an hour.
    #[error("the second factor was changed too often in this hour")]
    TooManyFactorChanges {
        /// Until it may be again.
        retry_after_seconds: u32,
    },
    /// The account's rights are not those that the change was decided on.
    #[error("another change of the account's rights was first")]
    RightsChanged,
    /// The account is shut out.
    #[error("the account is disabled")]
    UserDisabled,
    /// The account is gone, or going.
    #[error("the account is erased")]
    UserErased,
    /// Nobody asked for the erasure, or its time has not come.
    #[error("the account is not to be erased yet")]
    ErasureNotDue,
    /// The account administers; its role goes first.
    #[error("an administrator is not erased")]
    StillAdministrator,
    /// The erasure has not begun.
    #[error("the erasure of the account has not begun")]
    ErasureNotStarted,
}
