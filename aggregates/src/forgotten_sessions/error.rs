//! Why sessions are not forgotten.

/// The rule that forbids a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForgottenSessionsError {
    /// Whoever appends would keep everybody waiting.
    #[error("so many sessions are not forgotten at once")]
    TooMany,
    /// One of them is to be remembered for longer.
    #[error("a session has not ended for long enough to be forgotten")]
    EndedTooLate,
}
