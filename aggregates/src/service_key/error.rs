//! Why a service key refuses.

/// The rule that forbids a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServiceKeyError {
    /// The key exists.
    #[error("the service key exists already")]
    AlreadyCreated,
    /// There is no such key.
    #[error("there is no such service key")]
    NotCreated,
    /// A key that may do nothing.
    #[error("a service key needs a scope")]
    NoScope,
    /// Its end is not in the future.
    #[error("the end of a service key must be in the future")]
    ExpiresInThePast,
}
