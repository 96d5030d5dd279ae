//! Why the administrators refuse.

/// The rule that forbids a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdministratorsError {
    /// Nobody would be left.
    #[error("the last administrator cannot be removed")]
    LastAdministrator,
    /// The account was removed since it was seen to be an administrator's.
    #[error("the account's rights were changed meanwhile")]
    RightsChanged,
}
