//! Why a session refuses.

/// The rule that forbids a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The session exists or existed.
    #[error("the session was started already")]
    AlreadyStarted,
    /// There is no such session.
    #[error("the session was not started")]
    NotStarted,
    /// No proof of identity was given.
    #[error("a session needs a proof of identity")]
    NotAuthenticated,
    /// The session was revoked or noted as expired.
    #[error("the session has ended")]
    SessionEnded,
    /// The session has not ended.
    #[error("the session has not ended")]
    NotEnded,
    /// The session is past its absolute end.
    #[error("the session has expired")]
    SessionExpired,
    /// The absolute end has not come.
    #[error("the session has not expired yet")]
    NotYetExpired,
    /// The token is not one of this session's.
    #[error("the refresh token is not valid")]
    InvalidRefreshToken,
    /// The token is the current one and came too late.
    #[error("the refresh token has expired")]
    RefreshTokenExpired,
    /// The session has had as many tokens as it gets within an hour.
    #[error("the session has had too many tokens in this hour")]
    TooManyTokens {
        /// Until it gets others.
        retry_after_seconds: u32,
    },
}
