//! What can be asked of a session.

use chrono::{DateTime, TimeDelta, Utc};

use super::{RevokeReason, TokenPair};
use crate::values::{AuthMethod, Sealed, SessionId, TokenHash, UserId};

/// A wish, with the facts that the decision needs. `at` is the time of deciding.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionCommand {
    /// Opens the session and gives it its first tokens.
    Start(Box<StartSession>),
    /// Gives new tokens to whoever has the current refresh token, or one that was spent a moment ago.
    /// Whoever has an older one ends the session: the events then are `RefreshTokenReused` and
    /// `SessionRevoked`, not `TokensIssued`.
    IssueToken {
        /// The hash of the refresh token that came.
        presented_refresh: TokenHash,
        /// Whether the read model knows it as one that this session used up. Once true, it stays so.
        is_spent: bool,
        /// The new pair; no token is made to outlive the session.
        tokens: TokenPair,
        /// For how long a spent token may come again, for a client that lost the answer.
        leeway: TimeDelta,
        /// How often the session may get tokens within an hour; each time is an event, which stays for ever.
        most_an_hour: u32,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Gives new tokens to a person who proved once more who they are.
    Reauthenticate {
        /// The proof that they gave.
        auth_method: AuthMethod,
        /// The new pair; no token is made to outlive the session.
        tokens: TokenPair,
        /// As of [`Self::IssueToken`], with which it is counted.
        most_an_hour: u32,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Ends the session.
    Revoke {
        /// Why.
        reason: RevokeReason,
        /// Who decided so, if it was a person.
        by: Option<UserId>,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Takes an ended session out of the read models; for the erasure of its person.
    Forget {
        /// Now.
        at: DateTime<Utc>,
    },
    /// Notes that the session's time is over: its own, or that of its last token.
    Expire {
        /// Now.
        at: DateTime<Utc>,
    },
}

/// The facts of a sign-in. Sealed texts are sealed for the first event, `SessionStarted`.
#[derive(Debug, Clone, PartialEq)]
pub struct StartSession {
    /// The session's id, that of the stream.
    pub session_id: SessionId,
    /// Whose session it is.
    pub user_id: UserId,
    /// The name that the person gave the device.
    pub device_name: Option<Sealed>,
    /// The `User-Agent` header.
    pub user_agent: Option<Sealed>,
    /// The address that the request came from.
    pub ip: Option<Sealed>,
    /// The proofs that the person gave; at least one.
    pub auth_methods: Vec<AuthMethod>,
    /// When they were given.
    pub auth_time: DateTime<Utc>,
    /// The absolute end, which no refresh moves.
    pub expires_at: DateTime<Utc>,
    /// The first pair.
    pub tokens: TokenPair,
    /// Now.
    pub at: DateTime<Utc>,
}

impl From<StartSession> for SessionCommand {
    fn from(start: StartSession) -> Self {
        Self::Start(Box::new(start))
    }
}
